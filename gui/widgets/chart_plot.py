"""The view with its axes: turns wheel, mouse and keys into wishes, and shows the range it is told.

A view box and two axes of pyqtgraph without its plot item: no default menu, no automatic ranges, no curve items,
whose costs grow with the data. What is painted inside is ours (see chart_layers).
"""

from __future__ import annotations

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from gui.theme.font import small
from gui.theme.tokens import Tokens
from gui.widgets import chart_ticks, numbers
from gui.widgets.chart_geometry import Mapping
from gui.widgets.chart_layers import CurveLayer, HoverLayer
from gui.widgets.chart_picture import Picture

_NOTCH = 120.0
"""What one notch of a wheel reports."""
_WHEEL_FACTOR = 1.25
_LEFT_WIDTH, _BOTTOM_HEIGHT, _RIGHT_MARGIN = 52, 26, 14
_HOVERS_PER_SECOND = 60
_KEYBOARD = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)


class _ValueAxis(pg.AxisItem):  # type: ignore[misc]  # pyqtgraph has no types
    """Round numbers without lines or ticks. `kind` is loss, log, step, time or tokens."""

    def __init__(self, orientation: str, kind: str) -> None:
        super().__init__(orientation)
        self.kind = kind
        self.enableAutoSIPrefix(False)
        is_left = orientation == "left"
        self.setStyle(
            tickLength=0,
            tickTextOffset=8 if is_left else 6,
            autoExpandTextSpace=False,
            autoReduceTextSpace=False,
            hideOverlappingLabels=40 if not is_left else 8,
            maxTickLevel=0,
            maxTextLevel=0,
            tickFont=small(QFont()),
        )
        self.setPen(None)
        if is_left:
            self.setWidth(_LEFT_WIDTH)
        else:
            self.setHeight(_BOTTOM_HEIGHT)

    def set_kind(self, kind: str) -> None:
        self.kind = kind
        self.picture = None
        self.update()

    def ticks(self, lo: float, hi: float, size: float) -> tuple[float, list[float]]:
        """Distance and places of the labels."""
        most = max(size / (84.0 if self.orientation == "bottom" else 60.0), 2.0)
        if self.kind == "log":
            return 0.0, chart_ticks.logarithmic(lo, hi, most)
        if self.kind == "time":
            return chart_ticks.times(lo, hi, most)
        return chart_ticks.linear(lo, hi, most, whole=self.kind in ("step", "tokens"))

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        return [self.ticks(minVal, maxVal, size)]

    def drawPicture(self, p: Any, axisSpec: Any, tickSpecs: Any, textSpecs: Any) -> None:
        super().drawPicture(p, axisSpec, [], textSpecs)  # ticks of no length would be dots

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        if self.kind == "log":
            return [chart_ticks.short_text(10.0**value) for value in values]
        if self.kind == "time":
            return [chart_ticks.clock_text(value, spacing) for value in values]
        if self.kind == "tokens":
            return [chart_ticks.amount_text(value, spacing) for value in values]
        if self.kind == "step":
            return [numbers.count(value) for value in values]
        return [chart_ticks.loss_text(value, spacing) for value in values]


class _Box(pg.ViewBox):  # type: ignore[misc]  # pyqtgraph has no types
    """Says what the mouse asks for instead of doing it."""

    zoomed = Signal(int, float, float)  # axis (0: x, 1: y), factor, pixel that stays
    dragged = Signal(int, float, float)  # axis (-1: both), pixels right, pixels down
    double_clicked = Signal()
    menu_requested = Signal(QPointF)  # on the screen

    def __init__(self) -> None:
        super().__init__(enableMenu=False, defaultPadding=0.0)
        self.disableAutoRange()

    def wheelEvent(self, ev: Any, axis: int | None = None) -> None:
        ev.accept()
        notches = ev.delta() / _NOTCH
        is_sideways = ev.orientation() == Qt.Orientation.Horizontal
        if is_sideways or ev.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.dragged.emit(0, notches * self.width() / 10, 0.0)
        elif axis == 1 or (axis is None and ev.modifiers() & Qt.KeyboardModifier.ControlModifier):
            self.zoomed.emit(1, _WHEEL_FACTOR**-notches, self.mapFromScene(ev.scenePos()).y())
        else:
            self.zoomed.emit(0, _WHEEL_FACTOR**-notches, self.mapFromScene(ev.scenePos()).x())

    def mouseDragEvent(self, ev: Any, axis: int | None = None) -> None:
        if ev.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            ev.ignore()
            return
        ev.accept()
        moved = ev.scenePos() - ev.lastScenePos()
        self.dragged.emit(-1 if axis is None else axis, moved.x(), moved.y())

    def mouseClickEvent(self, ev: Any) -> None:
        if ev.button() == Qt.MouseButton.RightButton:
            ev.accept()
            self.menu_requested.emit(QPointF(ev.screenPos()))
        elif ev.button() == Qt.MouseButton.LeftButton and ev.double():
            ev.accept()
            self.double_clicked.emit()

    def keyPressEvent(self, ev: Any) -> None:
        ev.ignore()  # keys belong to the whole chart


class PlotView(pg.GraphicsView):  # type: ignore[misc]  # pyqtgraph has no types
    """The picture inside its axes."""

    mouse_at = Signal(object)  # pixel from the left of the view, or None when the mouse is elsewhere
    resized = Signal()

    def __init__(self, picture: Picture, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewport().setObjectName("qt_scrollarea_viewport")  # as Qt names its own: not a widget apart
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # what lies behind is not painted first
        self.setCacheMode(self.CacheModeFlag.CacheNone)  # one colour: no picture of it is needed
        self.box = _Box()
        self.left_axis, self.bottom_axis = _ValueAxis("left", "loss"), _ValueAxis("bottom", "step")
        self.centralLayout.setContentsMargins(0, 4, _RIGHT_MARGIN, 0)
        self.centralLayout.setSpacing(0)
        self.centralLayout.addItem(self.left_axis, 0, 0)
        self.centralLayout.addItem(self.box, 0, 1)
        self.centralLayout.addItem(self.bottom_axis, 1, 1)
        self.left_axis.linkToView(self.box)
        self.bottom_axis.linkToView(self.box)
        self.curves = CurveLayer(self.box, picture, self.mapping, grid=self._grid)
        self.hover = HoverLayer(self.box, picture, self.mapping)
        self.hover.setZValue(10)
        self._picture = picture
        self._shows_focus = False
        self._has_mouse = False
        self._meaning: tuple[bool, str, bool] | None = None
        self.set_tokens(picture.tokens)
        self._mouse = pg.SignalProxy(
            self.scene().sigMouseMoved, rateLimit=_HOVERS_PER_SECOND, slot=self._on_mouse_moved, threadSafe=False
        )
        self.box.sigResized.connect(self._on_box_resized)

    def set_tokens(self, tokens: Tokens) -> None:
        """pyqtgraph does not follow palettes."""
        self.setBackground(tokens.panel)
        for axis in (self.left_axis, self.bottom_axis):
            axis.setTextPen(tokens.text_muted)
        self.curves.invalidate()
        self.hover.update()

    def set_range(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        """Look there."""
        self.box.setRange(xRange=x_range, yRange=y_range, padding=0)
        self.curves.update()
        self.hover.update()

    def show_axes(self, *, is_log: bool, axis: str, are_shown: bool) -> None:
        """What the numbers along the axes mean."""
        if (is_log, axis, are_shown) == self._meaning:
            return
        self._meaning = (is_log, axis, are_shown)
        self.left_axis.set_kind("log" if is_log else "loss")
        self.bottom_axis.set_kind(axis)
        for item in (self.left_axis, self.bottom_axis):
            item.setStyle(showValues=are_shown)

    def mapping(self) -> Mapping:
        """Where the view looks now."""
        (x0, x1), (y0, y1) = self.box.viewRange()
        rect = self.box.rect()
        return Mapping(x0, x1, y0, y1, rect.width(), rect.height(), self.left_axis.kind == "log")

    def _grid(self) -> list[float]:
        _, (lo, hi) = self.box.viewRange()
        return self.left_axis.ticks(lo, hi, self.box.height())[1]

    def _on_mouse_moved(self, arguments: tuple[Any]) -> None:
        inside = self._has_mouse and self.box.sceneBoundingRect().contains(arguments[0])
        self.mouse_at.emit(self.box.mapFromScene(arguments[0]).x() if inside else None)

    def _on_box_resized(self, _box: object) -> None:
        self.curves.invalidate()
        self.resized.emit()

    def keyPressEvent(self, ev: QKeyEvent) -> None:
        ev.ignore()  # the chart around it knows the keys

    def mouseMoveEvent(self, ev: QMouseEvent) -> None:
        self._has_mouse = True
        super().mouseMoveEvent(ev)

    def leaveEvent(self, ev: QEvent) -> None:
        super().leaveEvent(ev)
        self._has_mouse = False  # a move that waits for its turn comes too late
        self.mouse_at.emit(None)

    def focusInEvent(self, ev: QFocusEvent) -> None:
        super().focusInEvent(ev)
        self._shows_focus = ev.reason() in _KEYBOARD
        self.viewport().update()

    def focusOutEvent(self, ev: QFocusEvent) -> None:
        super().focusOutEvent(ev)
        self._shows_focus = False
        self.viewport().update()

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        if not self._shows_focus:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._picture.tokens.focus), 1.5))
        painter.drawRoundedRect(QRectF(self.viewport().rect()).adjusted(1, 1, -1, -1), 5, 5)
