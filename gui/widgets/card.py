"""A card: the rounded ground on which one thing is shown, with its title."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout, QWidget

from gui.theme.font import strong
from gui.theme.palette import tokens_for
from gui.theme.tokens import CARD_PADDING, CARD_RADIUS, GRID
from gui.widgets.labels import ElidedLabel, Ink


class Card(QWidget):
    """Title row (title, small detail beside it, a word at the right, buttons) and a body to fill."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = ElidedLabel(title, size="strong")
        self._detail = ElidedLabel(ink="text_muted")
        self._aside = ElidedLabel(ink="text_muted")
        self._aside_ink: Ink = "text_muted"
        self._header_row = QWidget()
        self.header = QHBoxLayout(self._header_row)
        self.header.setContentsMargins(0, 0, 0, 0)
        self.header.setSpacing(GRID)
        self.header.addWidget(self._title)
        self.header.addWidget(self._detail, 1)
        self.header.addWidget(self._aside)
        self.body = QVBoxLayout()
        self.body.setSpacing(GRID)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(CARD_PADDING, CARD_PADDING - 2, CARD_PADDING, CARD_PADDING)
        layout.setSpacing(GRID)
        layout.addWidget(self._header_row)
        layout.addLayout(self.body, 1)
        self._aside.hide()
        self._header_row.setVisible(bool(title))
        self.setAccessibleName(self._title.text())

    def set_title(self, title: str) -> None:
        """The bold word at the left; also the name for screen readers."""
        self._title.show_text(title)
        self._header_row.setVisible(True)
        self.setAccessibleName(self._title.text())

    def set_detail(self, text: str) -> None:
        """The muted words right of the title."""
        self._detail.show_text(text)

    def set_aside(self, text: str, ink: Ink = "text_muted") -> None:
        """The words at the right end; empty hides them."""
        self._aside.show_text(text)
        if ink != self._aside_ink:
            self._aside_ink = ink
            self._aside.set_ink(ink)
            font = QApplication.font()
            self._aside.setFont(font if ink == "text_muted" else strong(font))
        self._aside.setVisible(bool(text))

    def add_to_header(self, widget: QWidget) -> None:
        """A button or choice at the right end of the title row."""
        self.header.addWidget(widget)
        self._header_row.setVisible(True)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens.border), 1))
        painter.setBrush(QColor(tokens.panel))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), CARD_RADIUS, CARD_RADIUS)
