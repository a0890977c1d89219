"""From values to pixels: where a curve runs in the view, and the lines that are stroked for it.

One wide antialiased stroke of a noisy line costs the raster painter 10 to 1,000 ms: its price grows faster than its
length. So the smooth line is stroked in short pieces, which is a tenth of that and looks the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PySide6.QtCore import QLineF
from PySide6.QtGui import QPolygonF
from shiboken6 import VoidPtr

from gui.widgets.chart_levels import Columns, Floats, joined_runs

_OUTSIDE = 4000.0
"""Pixels beyond the view at which coordinates are cut: the painter's arithmetic stays exact."""
_BESIDE = 4.0
_PIECE = 32
_DASH, _DASH_GAP = 5.5, 3.5
_LONGEST = 20_000.0
"""Pixels of a dashed line that are drawn: whatever is longer is noise beyond reading."""
_POINT_BYTES = 16
NO_PAUSES: Floats = np.empty(0)


class Mapping(NamedTuple):
    """The view: its ranges (y in log10 when `is_log`) and its size in pixels."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: float
    height: float
    is_log: bool

    def xs(self, x: Floats) -> Floats:
        """Pixels from the left."""
        return (x - self.x0) * (self.width / (self.x1 - self.x0))

    def ys(self, y: Floats) -> Floats:
        """Pixels from the top; NaN where a logarithm has no value."""
        values = np.log10(np.where(y > 0.0, y, np.nan)) if self.is_log else y
        pixels = (self.y1 - values) * (self.height / (self.y1 - self.y0))
        return np.clip(pixels, -_OUTSIDE, self.height + _OUTSIDE)

    def x_at(self, pixel: float) -> float:
        """The x under a pixel."""
        return self.x0 + pixel * (self.x1 - self.x0) / max(self.width, 1.0)

    def y_at(self, pixel: float) -> float:
        """The y (log10 when `is_log`) under a pixel."""
        return self.y1 - pixel * (self.y1 - self.y0) / max(self.height, 1.0)

    def x_of(self, x: float) -> float:
        """Pixels from the left of one value."""
        return (x - self.x0) * self.width / (self.x1 - self.x0)

    def y_of(self, y: float) -> float:
        """Pixels from the top of one value; NaN where a logarithm has no value."""
        return float(self.ys(np.array([y]))[0])


def hair_lines(columns: Columns, mapping: Mapping, pauses: Floats = NO_PAUSES) -> list[QPolygonF]:
    """Noisy data: through the values, or up and down between lowest and highest where a group holds several."""
    if columns.is_exact:
        x, y = _pixels(columns.x, columns.mean, mapping)
        return [polygon(x[run], y[run]) for run in joined_runs(columns.x, y, pauses)]
    x, lo = _pixels(columns.x, columns.lo, mapping)
    _, hi = _pixels(columns.x, columns.hi, mapping)
    lo = np.where(np.isnan(lo) & ~np.isnan(hi), mapping.height + _OUTSIDE, lo)  # a logarithm of zero or less
    up_first = np.arange(len(x)) % 2 == 0
    y = np.column_stack((np.where(up_first, lo, hi), np.where(up_first, hi, lo)))
    return [polygon(np.repeat(x[run], 2), y[run].ravel()) for run in joined_runs(columns.x, lo, pauses)]


def pieces(columns: Columns, mapping: Mapping, pauses: Floats = NO_PAUSES) -> list[QPolygonF]:
    """A line in short pieces, each beginning where the one before ends; a lone point becomes a short dash."""
    x, y = _pixels(columns.x, columns.mean, mapping)
    lines = []
    for run in joined_runs(columns.x, y, pauses):
        if run.stop - run.start == 1:
            at = x[run]
            lines.append(polygon(np.concatenate((at - 1.0, at + 1.0)), np.repeat(y[run], 2)))
        for start in range(run.start, run.stop - 1, _PIECE):
            part = slice(start, min(start + _PIECE + 1, run.stop))
            lines.append(polygon(x[part], y[part]))
    return lines


def dashes(x: Floats, y: Floats) -> list[QLineF]:
    """A dashed line as its dashes; Qt's own dashes along a whole line cost ten times as much."""
    if len(x) < 2:
        return []
    along = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))))
    starts = np.arange(0.0, min(along[-1], _LONGEST), _DASH + _DASH_GAP)
    ends = (np.interp(at, along, values) for at in (starts, starts + _DASH) for values in (x, y))
    return [QLineF(*line) for line in np.column_stack(list(ends)).tolist()]


def _pixels(x: Floats, y: Floats, mapping: Mapping) -> tuple[Floats, Floats]:
    """Positions in the view. A neighbour far outside is moved along its line to just beside the view."""
    px, py = mapping.xs(x), mapping.ys(y)
    if len(px) < 2:
        return px, py
    for outer, inner, edge in ((0, 1, -_BESIDE), (-1, -2, mapping.width + _BESIDE)):
        is_far = px[outer] < edge if outer == 0 else px[outer] > edge
        if is_far and px[inner] != px[outer]:
            share = (edge - px[inner]) / (px[outer] - px[inner])
            if 0.0 < share < 1.0:
                py[outer] = py[inner] + share * (py[outer] - py[inner])
                px[outer] = edge
    return np.clip(px, -_OUTSIDE, mapping.width + _OUTSIDE), py


def polygon(x: Floats, y: Floats) -> QPolygonF:
    """Points as Qt takes them, without a Python object for each."""
    points = QPolygonF()
    points.resize(len(x))
    if len(x):  # a point is two numbers, one after the other, in the memory of the polygon
        memory = VoidPtr(points.data(), len(x) * _POINT_BYTES, True)  # type: ignore[call-arg, arg-type]
        np.frombuffer(memory, dtype=np.float64).reshape(-1, 2)[:] = np.column_stack((x, y))  # type: ignore[call-overload]
    return points


def thinned(columns: Columns, mapping: Mapping, distance: float) -> tuple[Floats, Floats]:
    """Pixel positions of finite means at least about `distance` apart: groups that lie closer become their mean."""
    x, y = _pixels(columns.x, columns.mean, mapping)
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < 2 or float(np.diff(x).min()) >= distance:
        return x, y
    cells = np.floor(columns.x[finite] / (distance * (mapping.x1 - mapping.x0) / mapping.width))
    starts = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1])))
    counts = np.diff(np.append(starts, len(x)))
    return np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts
