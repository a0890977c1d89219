"""What stands where nothing is yet: a drawing, what belongs here, and the way to get it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from gui.theme.icons import icon_pixmap
from gui.theme.palette import tokens_for
from gui.theme.tokens import GRID
from gui.widgets.buttons import ControlButton, Tone
from gui.widgets.labels import PlainLabel


class EmptyState(QWidget):
    """One sentence that teaches, with as few buttons as possible below it."""

    def __init__(self, icon: str, title: str, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = PlainLabel(title, size="strong")
        self._sentence = PlainLabel(sentence, ink="text_muted", wrap=True)
        self._sentence.setMaximumWidth(360)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(GRID)
        layout = QVBoxLayout(self)
        layout.setSpacing(GRID)
        layout.addStretch(1)
        layout.addWidget(_Drawing(icon), 0, Qt.AlignmentFlag.AlignHCenter)
        for label in (self._title, self._sentence):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        layout.addWidget(self._title)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self._sentence, 20)
        row.addStretch(1)
        layout.addLayout(row)
        layout.addSpacing(GRID // 2)
        self._buttons.addStretch(1)
        self._buttons.addStretch(1)
        layout.addLayout(self._buttons)
        layout.addStretch(2)
        self.setAccessibleName(self._title.text())

    def set_words(self, title: str, sentence: str) -> None:
        """Other words in the same place."""
        self._title.show_text(title)
        self._sentence.show_text(sentence)
        self.setAccessibleName(self._title.text())

    def add_button(self, text: str, icon: str = "", tone: Tone = "normal") -> ControlButton:
        """A way out of emptiness, left to right."""
        button = ControlButton(text, icon=icon, tone=tone)
        self._buttons.insertWidget(self._buttons.count() - 1, button)
        return button


class _Drawing(QWidget):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(36, 36)

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).drawPixmap(0, 0, icon_pixmap(self._name, tokens_for(self).text_faint, 36))
