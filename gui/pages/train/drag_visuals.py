"""What accompanies a drag over a list: the picture at the pointer, and scrolling near the edges."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, QRectF, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractScrollArea, QWidget

from gui.theme import font as fonts
from gui.theme.palette import tokens_for
from gui.theme.tokens import CONTROL_RADIUS
from gui.widgets.plain import plain

_GHOST_NAME, _GHOST_HEIGHT, _GHOST_PADDING, _DEPTH = 170, 34, 10, 3
_GHOST_OFFSET = QPoint(14, 10)
_PILL = 30
_EDGE = 36
_MAX_STEP = 18
_FRAME_MS = 16


class Ghost(QWidget):
    """A small card with the name of what is dragged, beside the pointer so that it hides no place to land."""

    def __init__(self, view: QAbstractScrollArea, name: str, *, num_rows: int) -> None:
        super().__init__(view.window())
        self._window = view.window()
        self._number = str(num_rows) if num_rows > 1 else ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName(self.tr("Dragged files"))
        metrics = QFontMetrics(self.font())
        self._name = metrics.elidedText(plain(name), Qt.TextElideMode.ElideMiddle, _GHOST_NAME)
        number_width = _PILL + 6 if self._number else 0
        self.resize(metrics.horizontalAdvance(self._name) + 2 * _GHOST_PADDING + number_width + _DEPTH, _GHOST_HEIGHT)

    def follow(self, at: QPoint) -> None:
        """Go beside a place of the screen."""
        self.move(self._window.mapFromGlobal(at) + _GHOST_OFFSET)
        if not self.isVisible():
            self.show()
            self.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(0.95)
        card = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5 - _DEPTH, -0.5 - _DEPTH)
        if self._number:
            painter.setPen(QColor(tokens.border_strong))
            painter.setBrush(QColor(tokens.panel_raised))
            painter.drawRoundedRect(card.translated(_DEPTH, _DEPTH), CONTROL_RADIUS, CONTROL_RADIUS)
        painter.setPen(QColor(tokens.accent))
        painter.setBrush(QColor(tokens.panel_raised))
        painter.drawRoundedRect(card, CONTROL_RADIUS, CONTROL_RADIUS)
        painter.setPen(QColor(tokens.text))
        painter.setFont(self.font())
        painter.drawText(card.adjusted(_GHOST_PADDING, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self._name)
        if self._number:
            pill = QRectF(card.right() - _PILL - 6, card.center().y() - 9, _PILL, 18)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.accent))
            painter.drawRoundedRect(pill, 9, 9)
            painter.setFont(fonts.small(self.font()))
            painter.setPen(QColor(tokens.on_accent))
            painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, self._number)


class EdgeScroller(QObject):
    """Scrolls a view while something is held near its upper or lower edge, faster the nearer."""

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
