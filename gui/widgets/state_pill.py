"""The pill that says in one word how things stand, with a dot in the colour of its meaning."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from gui.theme.font import strong
from gui.theme.palette import tokens_for
from gui.theme.tokens import Tokens
from gui.widgets.plain import plain

PillTone = Literal["neutral", "accent", "good", "warning", "stop"]

_HEIGHT, _PADDING, _DOT = 24, 11, 9


class StatePill(QWidget):
    """One word and its tone. The words are the caller's."""

    def __init__(self, text: str = "", tone: PillTone = "neutral", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._tone: PillTone = tone
        self.setFont(strong(QApplication.font()))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_state(text, tone)

    @property
    def text(self) -> str:
        """The word shown."""
        return self._text

    @property
    def tone(self) -> PillTone:
        """Its meaning."""
        return self._tone

    def set_state(self, text: str, tone: PillTone) -> None:
        """Show another word."""
        shown = plain(text, 40)
        if (shown, tone) == (self._text, self._tone):
            return
        self._text, self._tone = shown, tone
        self.setAccessibleName(shown)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self._text) + _DOT + 5 + 2 * _PADDING, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        ground, ink = pill_colors(tokens_for(self), self._tone)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        painter.drawRoundedRect(QRectF(self.rect()), _HEIGHT / 2, _HEIGHT / 2)
        painter.setBrush(QColor(ink))
        painter.drawEllipse(QPointF(_PADDING + _DOT / 2, self.height() / 2), _DOT / 2, _DOT / 2)
        painter.setPen(QColor(ink))
        painter.setFont(self.font())
        box = self.rect().adjusted(_PADDING + _DOT + 5, 0, 0, 0)
        painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine), self._text)


def pill_colors(tokens: Tokens, tone: PillTone) -> tuple[str, str]:
    """(ground, ink) of a tone; queue rows paint their small chips with these too."""
    return {
        "neutral": (tokens.hover, tokens.text_muted),
        "accent": (tokens.accent_soft, tokens.accent),
        "good": (tokens.good_soft, tokens.good),
        "warning": (tokens.warning_soft, tokens.warning),
        "stop": (tokens.stop_soft, tokens.stop),
    }[tone]
