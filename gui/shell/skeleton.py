"""The first frame's page: the places of the cards, until the real page is loaded a moment later."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gui.theme.palette import tokens_for
from gui.theme.tokens import CARD_RADIUS, GAP

LEFT, RIGHT, DROP, LOW_ROW = 330, 300, 118, 110
WIDE = 1100
"""From this width on there is a right column."""


class Skeleton(QWidget):
    """Empty cards where the Train page will have its own."""

    def paintEvent(self, _event: QPaintEvent) -> None:
        t = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.border), 1))
        painter.setBrush(QColor(t.panel))
        for card in self._cards():
            painter.drawRoundedRect(card.adjusted(0.5, 0.5, -0.5, -0.5), CARD_RADIUS, CARD_RADIUS)

    def _cards(self) -> list[QRectF]:
        area = QRectF(self.rect()).adjusted(GAP, GAP, -GAP, -GAP)
        right = RIGHT if self.width() >= WIDE else 0
        middle = area.width() - LEFT - GAP - (right + GAP if right else 0)
        x = area.left() + LEFT + GAP
        low = area.bottom() - LOW_ROW
        cards = [
            QRectF(area.left(), area.top(), LEFT, DROP),
            QRectF(area.left(), area.top() + DROP + GAP, LEFT, area.height() - DROP - GAP),
            QRectF(x, area.top(), middle, area.height() - LOW_ROW - GAP),
        ]
        width = (middle - 3 * GAP) / 4
        cards += [QRectF(x + number * (width + GAP), low, width, LOW_ROW) for number in range(4)]
        if right:
            cards.append(QRectF(area.right() - right, area.top(), right, area.height()))
        return cards
