"""Two panels that several places need: something is under way, something went wrong."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from backend.contract.errors import ErrorBody
from gui.prompt_words import for_window
from gui.theme.tokens import GRID
from gui.widgets.buttons import ControlButton, FlatButton
from gui.widgets.card import Card
from gui.widgets.labels import ElidedLabel, PlainLabel
from gui.widgets.numbers import percent
from gui.widgets.progress_line import ProgressLine


class ProgressPanel(QWidget):
    """What is under way, how far, and the way to stop it."""

    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._what = ElidedLabel(size="strong")
        self._share = PlainLabel(ink="text_muted")
        self._bar = ProgressLine()
        self._bar.setAccessibleName(self.tr("Progress"))
        self._note = PlainLabel(size="small", ink="text_muted", wrap=True)
        self._cancel = ControlButton(self.tr("Cancel"))
        card = Card()
        line = QHBoxLayout()
        line.addWidget(self._what, 1)
        line.addWidget(self._share)
        card.body.addLayout(line)
        card.body.addWidget(self._bar)
        card.body.addSpacing(GRID // 2)
        row = QHBoxLayout()
        row.addWidget(self._note, 1)
        row.addWidget(self._cancel)
        card.body.addLayout(row)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(card)
        layout.addStretch(2)
        self._cancel.clicked.connect(self.cancel_requested)

    def show_progress(self, what: str, share: float | None, *, note: str = "", is_cancellable: bool = True) -> None:
        """`share` 0..1, or None: then the bar only says that it does not know its end."""
        self._note.show_text(note)
        self._what.show_text(what)
        self._share.show_text(self.tr("no end known yet") if share is None else percent(share))
        self._bar.set_share(share)
        self._cancel.setVisible(is_cancellable)


class FailurePanel(QWidget):
    """An error as sentences: what happened, what is safe, what one can do; its details can be copied."""

    retry_requested = Signal()
    back_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._error: ErrorBody | None = None
        self._title = PlainLabel(size="strong", ink="stop", wrap=True)
        self._message = PlainLabel(wrap=True)
        self._hint = PlainLabel(ink="text_muted", wrap=True)
        self._retry = ControlButton(self.tr("Try again"), icon="retry", tone="primary")
        self._back = ControlButton(self.tr("Choose another"))
        self._copy = FlatButton(self.tr("Copy details"), icon="copy")
        card = Card()
        for label in (self._title, self._message, self._hint):
            card.body.addWidget(label)
        card.body.addSpacing(GRID // 2)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self._retry)
        row.addWidget(self._back)
        row.addStretch(1)
        row.addWidget(self._copy)
        card.body.addLayout(row)
        layout = QVBoxLayout(self)
        layout.addStretch(1)
        layout.addWidget(card)
        layout.addStretch(2)
        self._retry.clicked.connect(self.retry_requested)
        self._back.clicked.connect(self.back_requested)
        self._copy.clicked.connect(self._on_copy_clicked)

    def show_error(self, error: ErrorBody, *, can_retry: bool = True) -> None:
        """Show its sentences."""
        self._error = error
        self._title.show_text(error.title)
        self._message.show_text(for_window(error.message))
        self._hint.show_text(for_window(error.hint))
        self._hint.setVisible(bool(error.hint))
        self._retry.setVisible(can_retry)
        self.setAccessibleName(self._title.text())
        self.setAccessibleDescription(self._message.text())

    def _on_copy_clicked(self) -> None:
        if self._error is not None:
            QGuiApplication.clipboard().setText(f"{self._error.sentence()} [{self._error.code}]")
