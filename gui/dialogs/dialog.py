"""The frame of every dialog: a title, a body, a row of buttons. Opened, never run: nothing waits inside it."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from gui.theme.tokens import GRID
from gui.widgets.buttons import ControlButton, Tone
from gui.widgets.labels import PlainLabel
from gui.widgets.plain import plain


class Dialog(QDialog):
    """Subclasses fill `body` and add buttons, the way out first. Escape is always the way out."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = PlainLabel(title, size="strong", wrap=True, max_lines=3)
        self.body = QVBoxLayout()
        self.body.setSpacing(GRID)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(GRID)
        self._buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(GRID + 4)
        layout.addWidget(self._title)
        layout.addLayout(self.body, 1)
        layout.addLayout(self._buttons)
        self.set_title(title)

    def set_title(self, title: str) -> None:
        """The sentence at the top and in the window's frame."""
        self._title.show_text(title)
        self.setWindowTitle(plain(title, 120))
        self.setAccessibleName(plain(title))

    def add_button(self, text: str, *, icon: str = "", tone: Tone = "normal") -> ControlButton:
        """To the right of those before."""
        button = ControlButton(text, icon=icon, tone=tone)
        self._buttons.addWidget(button)
        return button
