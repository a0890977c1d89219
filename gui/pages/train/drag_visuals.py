"""What accompanies a drag over a list: the picture at the pointer, and scrolling near the edges."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, QRectF, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from gui.theme import font as fonts
from gui.theme.palette import tokens_for

_EDGE = 36
_MAX_STEP = 18
_FRAME_MS = 16


class Ghost(QWidget):
    """The dragged row, floating over the window; with a number when there are several."""

    def __init__(self, view: QAbstractScrollArea, picture: QPixmap, *, num_rows: int) -> None:
        super().__init__(view.window())
        self._window = view.window()
        self._picture = picture
        self._num_rows = num_rows
        self._grip = QPoint()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(self.tr("Dragged files"))
        size = picture.deviceIndependentSize().toSize()
        self.resize(size.width() + 8, size.height() + 8)

    def follow(self, at: QPoint, grip: QPoint | None = None) -> None:
        """Go to a global place; `grip` is the point of the row that was taken hold of."""
        if grip is not None:
            self._grip = grip
        self.move(self._window.mapFromGlobal(at) - self._grip)
        if not self.isVisible():
            self.show()
            self.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(0.92)
        card = QRectF(self.rect()).adjusted(0.5, 2.5, -8.5, -6.5)
        if self._num_rows > 1:
            painter.setPen(QColor(tokens.border_strong))
            painter.setBrush(QColor(tokens.panel_raised))
            painter.drawRoundedRect(card.translated(4, 4), 8, 8)
        painter.setPen(QColor(tokens.accent))
        painter.setBrush(QColor(tokens.panel_raised))
        painter.drawRoundedRect(card, 8, 8)
        painter.drawPixmap(0, 0, self._picture)
        if self._num_rows > 1:
            self._paint_number(painter, card)

    def _paint_number(self, painter: QPainter, card: QRectF) -> None:
        tokens = tokens_for(self)
        text = str(self._num_rows)
        font = fonts.small(self.font())
        width = max(20, QFontMetrics(font).horizontalAdvance(text) + 12)
        pill = QRectF(card.right() - width - 8, card.center().y() - 10, width, 20)
        painter.setOpacity(1)
        painter.setFont(font)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.accent))
        painter.drawRoundedRect(pill, 10, 10)
        painter.setPen(QColor(tokens.on_accent))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, text)


class EdgeScroller(QObject):
    """Scrolls a view while something is held near its upper or lower edge, faster the nearer."""

    scrolled = Signal()

    def __init__(self, view: QAbstractScrollArea) -> None:
        super().__init__(view)
        self._view = view
        self._step = 0
        self._timer = QTimer(self, interval=_FRAME_MS)
        self._timer.timeout.connect(self._on_timeout)

    def hover(self, at: QPoint) -> None:
        """The pointer is here, in the viewport."""
        height = self._view.viewport().height()
        depth = _EDGE - at.y() if at.y() < _EDGE else height - _EDGE - at.y()
        is_near = at.y() < _EDGE or at.y() > height - _EDGE
        self._step = round(-_MAX_STEP * max(-1.0, min(1.0, depth / _EDGE))) if is_near else 0
        if self._step and not self._timer.isActive():
            self._timer.start()
        elif not self._step:
            self._timer.stop()

    def stop(self) -> None:
        """Nothing is held any more."""
        self._step = 0
        self._timer.stop()

    @Slot()
    def _on_timeout(self) -> None:
        bar = self._view.verticalScrollBar()
        before = bar.value()
        bar.setValue(before + self._step)
        if bar.value() == before:
            self._timer.stop()
        else:
            self.scrolled.emit()
