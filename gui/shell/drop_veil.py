"""What a window shows while files hover over it: a frame, and one sentence that says what a drop would do."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gui.shell.drop_anywhere import Verdict
from gui.theme.font import strong
from gui.theme.palette import tokens_for
from gui.theme.tokens import CARD_RADIUS
from gui.widgets.plain import plain

SENTENCE_LETTERS = 160
_PADDING = 16


class DropVeil(QWidget):
    """Lies over everything and takes neither mouse nor drop: those go to the widget below."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._host = window
        self._verdict = Verdict()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFont(strong(self.font()))
        window.installEventFilter(self)
        self.hide()

    def show_verdict(self, verdict: Verdict) -> None:
        """Say what a drop would do."""
        self._verdict = verdict
        self.setGeometry(self._host.rect())
        self.show()
        self.raise_()
        self.update()

    def sentence(self) -> str:
        """What it says."""
        return plain(self._verdict.sentence(), SENTENCE_LETTERS)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.setGeometry(self._host.rect())
        return False

    def paintEvent(self, _event: QPaintEvent) -> None:
        t = tokens_for(self)
        ink = QColor(t.accent if self._verdict.is_accepted else t.stop)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(t.window)
        veil.setAlpha(120)
        painter.fillRect(self.rect(), veil)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(ink, 2, Qt.PenStyle.DashLine if self._verdict.is_accepted else Qt.PenStyle.SolidLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(6, 6, -6, -6), CARD_RADIUS, CARD_RADIUS)
        metrics = painter.fontMetrics()
        text = metrics.elidedText(self.sentence(), Qt.TextElideMode.ElideMiddle, self.width() - 8 * _PADDING)
        width = metrics.horizontalAdvance(text) + 2 * _PADDING
        box = QRectF((self.width() - width) / 2, self.height() * 0.42, width, metrics.height() + 2 * _PADDING)
        painter.setPen(QPen(ink, 1))
        painter.setBrush(QColor(t.panel_raised))
        painter.drawRoundedRect(box, CARD_RADIUS, CARD_RADIUS)
        painter.setPen(QColor(t.text if self._verdict.is_accepted else t.stop))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
