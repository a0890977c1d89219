"""A small curve under its name and newest value. Painted with Qt alone: it needs no chart library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.theme.font import small, strong
from gui.theme.palette import tokens_for
from gui.theme.tokens import Tokens, mixed
from gui.widgets import numbers
from gui.widgets.chart_levels import Columns, Floats, Series, runs
from gui.widgets.chart_range import fitted_y

_DOT_RADIUS = 2.6
_GAP = 6.0
_LEAST_CURVE_HEIGHT = 14.0
_FAINTER = 0.7
"""How far the spread goes back into the ground."""


class Sparkline(QWidget):
    """Title, value, curve. Hovering shows the value there, and other plots can be told to show the same place."""

    hovered = Signal(object)  # float | None

    def __init__(self, title: str = "", parent: QWidget | None = None, *, color: str = "accent") -> None:
        super().__init__(parent)
        self._title = title
        self._value = numbers.UNKNOWN
        self._color = color
        self._tokens: Tokens | None = None
        self._series = Series()
        self._format: Callable[[float], str] = numbers.compact
        self._hover: int | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAccessibleName(title)
        self.set_value(self._value)

    def set_title(self, title: str) -> None:
        """What is measured."""
        self._title = title
        self.setAccessibleName(title)
        self.update()

    def set_value(self, text: str) -> None:
        """The newest value as people read it."""
        self._value = text
        self.setAccessibleDescription(text)
        self.update()

    def set_format(self, words: Callable[[float], str]) -> None:
        """How the value under the crosshair is written."""
        self._format = words

    def set_color(self, color: str) -> None:
        """The name of a colour token."""
        self._color = color
        self.update()

    def set_tokens(self, tokens: Tokens) -> None:
        """Colours; those of the palette without it."""
        self._tokens = tokens
        self.update()

    def set_data(self, x: ArrayLike, y: ArrayLike) -> None:
        """The whole curve."""
        at = None if self._hover is None else float(self._series.x[self._hover])
        self._series = Series(x, y)
        self._hover = None if at is None else self._series.nearest(at)
        self.update()

    def set_hover(self, x: float | None) -> None:
        """Show the crosshair where another plot has its own."""
        at = None if x is None else self._series.nearest(x)
        if at != self._hover:
            self._hover = at
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(130, 78)

    def minimumSizeHint(self) -> QSize:
        return QSize(90, round(self._text_height() + _GAP + _LEAST_CURVE_HEIGHT))

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = self._tokens or tokens_for(self)
        painter = QPainter(self)
        self._paint_words(painter, tokens)
        area = self._area()
        columns = self._columns(area)
        if area.height() < 4 or not len(columns.x):
            return
        lo, hi = fitted_y([columns], columns, is_log=False)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(self.rect())
        self._paint_curve(painter, columns, area, (lo, hi), tokens)
        if self._hover is not None:
            self._paint_hover(painter, area, (lo, hi), tokens)

    def _paint_words(self, painter: QPainter, tokens: Tokens) -> None:
        shown = self._value if self._hover is None else self._format(float(self._series.mean[self._hover]))
        top = 0.0
        for text, font, color in (
            (self._title, small(self.font()), tokens.text_muted),
            (shown, strong(self.font()), tokens.text),
        ):
            metrics = QFontMetricsF(font)
            painter.setFont(font)
            painter.setPen(QColor(color))
            room = QRectF(0.0, top, self.width(), metrics.height())
            elided = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, elided)
            top += metrics.height()

    def _paint_curve(
        self, painter: QPainter, columns: Columns, area: QRectF, scale: tuple[float, float], tokens: Tokens
    ) -> None:
        color = getattr(tokens, self._color)
        if not columns.is_exact:  # the spread behind, faint: the curve itself must be seen
            painter.setPen(QPen(QColor(mixed(color, tokens.panel, _FAINTER)), 1.0))
            spread = np.column_stack((columns.lo, columns.hi)).ravel()
            self._draw_line(painter, np.repeat(columns.x, 2), spread, area, scale)
        painter.setPen(QPen(QColor(color), 1.0))
        self._draw_line(painter, columns.x, columns.mean, area, scale)

    def _draw_line(self, painter: QPainter, x: Floats, y: Floats, area: QRectF, scale: tuple[float, float]) -> None:
        for run in runs(y):
            points = [self._place(*point, area, scale) for point in zip(x[run].tolist(), y[run].tolist(), strict=True)]
            if len(points) == 1:
                painter.drawEllipse(points[0], 1.0, 1.0)
            else:
                painter.drawPolyline(QPolygonF(points))

    def _paint_hover(self, painter: QPainter, area: QRectF, scale: tuple[float, float], tokens: Tokens) -> None:
        at = self._hover or 0
        point = self._place(float(self._series.x[at]), float(self._series.mean[at]), area, scale)
        painter.fillRect(QRectF(round(point.x()), area.top(), 1.0, area.height()), QColor(tokens.crosshair))
        painter.setPen(QPen(QColor(tokens.panel), 1.2))
        painter.setBrush(QColor(getattr(tokens, self._color)))
        painter.drawEllipse(point, _DOT_RADIUS + 0.6, _DOT_RADIUS + 0.6)

    def _columns(self, area: QRectF) -> Columns:
        first, last = self._ends()
        return self._series.columns(first, last, max(int(area.width()), 1))

    def _ends(self) -> tuple[float, float]:
        if not len(self._series):
            return 0.0, 1.0
        first, last = float(self._series.x[0]), float(self._series.x[-1])
        return (first, last) if last > first else (first - 0.5, first + 0.5)

    def _area(self) -> QRectF:
        top = self._text_height() + _GAP
        return QRectF(1.0, top, self.width() - 2.0, max(self.height() - top - 2.0, 0.0))

    def _text_height(self) -> float:
        return QFontMetricsF(small(self.font())).height() + QFontMetricsF(strong(self.font())).height()

    def _place(self, x: float, y: float, area: QRectF, scale: tuple[float, float]) -> QPointF:
        first, last = self._ends()
        across = (x - first) / (last - first) * area.width()
        up = min(max((y - scale[0]) / (scale[1] - scale[0]), -0.5), 1.5) * area.height()
        return QPointF(area.left() + across, area.bottom() - up)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        area, (first, last) = self._area(), self._ends()
        before = self._hover
        self.set_hover(first + (event.position().x() - area.left()) / max(area.width(), 1.0) * (last - first))
        if self._hover != before:
            self.hovered.emit(None if self._hover is None else float(self._series.x[self._hover]))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if self._hover is not None:
            self.set_hover(None)
            self.hovered.emit(None)
