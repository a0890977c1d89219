"""A small curve under its name and newest value.

Its shape is kept until the points or the room change: a crosshair, a new value or another look costs strokes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.theme.font import small, strong
from gui.theme.palette import tokens_for
from gui.theme.tokens import Tokens, mixed
from gui.widgets import numbers
from gui.widgets.chart_geometry import Mapping, polygon
from gui.widgets.chart_levels import Floats, Series, runs
from gui.widgets.chart_range import fitted_y

_DOT_RADIUS = 2.6
_GAP = 6.0
_LEAST_CURVE_HEIGHT = 14.0
_FAINTER = 0.7
"""How far the spread goes back into the ground."""
_BEYOND = 0.5
"""Heights beyond its room at which a curve is cut: strokes that nobody sees cost as much as others."""


@dataclass
class _Shape:
    """The curve in pixels of its room, and the scale it was made with."""

    mapping: Mapping
    lines: list[QPolygonF] = field(default_factory=list)
    spread: list[QPolygonF] = field(default_factory=list)


class _Lettering:
    """The two fonts of the words and their heights, measured once a font."""

    def __init__(self, font: QFont) -> None:
        self.fonts = (small(font), strong(font))
        self.metrics = tuple(QFontMetricsF(each) for each in self.fonts)
        self.height = sum(each.height() for each in self.metrics)


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
        self._ends = (0.0, 1.0)
        self._shape: _Shape | None = None
        self._lettering = _Lettering(self.font())
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
        self._ends = _ends(self._series)
        self._shape = None
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
        return QSize(90, round(self._lettering.height + _GAP + _LEAST_CURVE_HEIGHT))

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = self._tokens or tokens_for(self)
        painter = QPainter(self)
        self._paint_words(painter, tokens)
        area = self._area()
        if area.height() < 4 or not len(self._series):
            return
        shape = self._shaped(area)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(self.rect())
        painter.translate(area.topLeft())
        self._paint_curve(painter, shape, tokens)
        if self._hover is not None:
            self._paint_hover(painter, shape.mapping, tokens)

    def _paint_words(self, painter: QPainter, tokens: Tokens) -> None:
        shown = self._value if self._hover is None else self._format(float(self._series.mean[self._hover]))
        top = 0.0
        words = ((self._title, tokens.text_muted), (shown, tokens.text))
        for (text, color), font, metrics in zip(words, self._lettering.fonts, self._lettering.metrics, strict=True):
            painter.setFont(font)
            painter.setPen(QColor(color))
            room = QRectF(0.0, top, self.width(), metrics.height())
            elided = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, elided)
            top += metrics.height()

    def _paint_curve(self, painter: QPainter, shape: _Shape, tokens: Tokens) -> None:
        color = getattr(tokens, self._color)
        painter.setPen(QPen(QColor(mixed(color, tokens.panel, _FAINTER)), 1.0))
        for line in shape.spread:
            painter.drawPolyline(line)
        painter.setPen(QPen(QColor(color), 1.0))
        for line in shape.lines:
            if line.size() == 1:
                painter.drawEllipse(line.first(), 1.0, 1.0)
            else:
                painter.drawPolyline(line)

    def _paint_hover(self, painter: QPainter, mapping: Mapping, tokens: Tokens) -> None:
        at = self._hover or 0
        x = mapping.x_of(float(self._series.x[at]))
        y = float(_rows(mapping, self._series.mean[at : at + 1])[0])
        painter.fillRect(QRectF(round(x), 0.0, 1.0, mapping.height), QColor(tokens.crosshair))
        painter.setPen(QPen(QColor(tokens.panel), 1.2))
        painter.setBrush(QColor(getattr(tokens, self._color)))
        painter.drawEllipse(QPointF(x, y), _DOT_RADIUS + 0.6, _DOT_RADIUS + 0.6)

    def _shaped(self, area: QRectF) -> _Shape:
        shape = self._shape
        if shape is None or (shape.mapping.width, shape.mapping.height) != (area.width(), area.height()):
            shape = self._shape = self._made(area)
        return shape

    def _made(self, area: QRectF) -> _Shape:
        columns = self._series.columns(*self._ends, max(int(area.width()), 1))
        lo, hi = fitted_y([columns], columns, is_log=False)
        mapping = Mapping(*self._ends, lo, hi, area.width(), area.height(), is_log=False)
        shape = _Shape(mapping, _lines(columns.x, columns.mean, mapping))
        if not columns.is_exact:  # the spread behind, faint: the curve itself must be seen
            spread = np.column_stack((columns.lo, columns.hi)).ravel()
            shape.spread = _lines(np.repeat(columns.x, 2), spread, mapping)
        return shape

    def _area(self) -> QRectF:
        top = self._lettering.height + _GAP
        return QRectF(1.0, top, self.width() - 2.0, max(self.height() - top - 2.0, 0.0))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._lettering = _Lettering(self.font())
            self.updateGeometry()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        area, (first, last) = self._area(), self._ends
        before = self._hover
        self.set_hover(first + (event.position().x() - area.left()) / max(area.width(), 1.0) * (last - first))
        if self._hover != before:
            self.hovered.emit(None if self._hover is None else float(self._series.x[self._hover]))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        if self._hover is not None:
            self.set_hover(None)
            self.hovered.emit(None)


def _ends(series: Series) -> tuple[float, float]:
    """From the left edge to the right."""
    if not len(series):
        return 0.0, 1.0
    first, last = float(series.x[0]), float(series.x[-1])
    return (first, last) if last > first else (first - 0.5, first + 0.5)


def _lines(x: Floats, y: Floats, mapping: Mapping) -> list[QPolygonF]:
    """A line for each stretch without gaps."""
    across, down = mapping.xs(x), _rows(mapping, y)
    return [polygon(across[run], down[run]) for run in runs(y)]


def _rows(mapping: Mapping, y: Floats) -> Floats:
    """Pixels from the top of the room, never far outside of it."""
    return np.clip(mapping.ys(y), -_BEYOND * mapping.height, (1.0 + _BEYOND) * mapping.height)
