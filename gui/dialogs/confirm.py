"""Asking permission: what will happen, what stays safe, how to undo it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from gui.dialogs.dialog import Dialog
from gui.theme.icons import icon_pixmap
from gui.theme.palette import tokens_for
from gui.theme.tokens import GRID
from gui.widgets.labels import Ink, PlainLabel


class Consent(Dialog):
    """`accepted` or `rejected` comes once. The button names the thing ("Delete v003"); the safe one has the focus."""

    def __init__(
        self,
        title: str,
        *,
        what_happens: str,
        what_stays_safe: str,
        how_to_undo: str,
        action: str,
        is_destructive: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(title, parent)
        self.setMinimumWidth(440)
        self._add_line("info", "text_muted", self.tr("What happens"), what_happens)
        self._add_line("check", "good", self.tr("What stays safe"), what_stays_safe)
        self._add_line("undo", "text_muted", self.tr("How to undo"), how_to_undo)
        self.body.addStretch(1)
        self.cancel_button = self.add_button(self.tr("Cancel"))
        self.action_button = self.add_button(action, tone="danger" if is_destructive else "primary")
        self.cancel_button.clicked.connect(self.reject)
        self.action_button.clicked.connect(self.accept)
        # Return must not destroy anything by itself: it presses what has the focus.
        (self.cancel_button if is_destructive else self.action_button).focus_by_keys()

    def _add_line(self, drawing: str, ink: Ink, heading: str, text: str) -> None:
        if not text:
            return
        sign = QLabel()
        sign.setPixmap(icon_pixmap(drawing, getattr(tokens_for(self), ink), 18))
        row = QHBoxLayout()
        row.setSpacing(GRID + 2)
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        words = PlainLabel(text, wrap=True, max_lines=6)
        words.setAccessibleName(f"{heading}: {words.text()}")
        row.addWidget(words, 1)
        self.body.addLayout(row)
