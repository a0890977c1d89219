"""From values to pixels: where a curve runs in the view, and the lines that are stroked for it.

A wide antialiased stroke of a noisy line costs the raster painter 10 to 1,000 ms, a hair line hardly anything. So the
smooth line is two hair lines side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pyqtgraph import functions
from PySide6.QtGui import QPolygonF

from gui.widgets.chart_levels import Columns, Floats, joined_runs

_OUTSIDE = 4000.0
"""Pixels beyond the view at which coordinates are cut: the painter's arithmetic stays exact."""
_BESIDE = 4.0
_HALF = 0.5
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


def twin_lines(columns: Columns, mapping: Mapping, pauses: Floats = NO_PAUSES) -> list[QPolygonF]:
    """A line two pixels wide as hair lines; a lone point becomes a short dash."""
    x, y = _pixels(columns.x, columns.mean, mapping)
    return [line for run in joined_runs(columns.x, y, pauses) for line in _twins(x[run], y[run])]


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


def _twins(x: Floats, y: Floats) -> tuple[QPolygonF, QPolygonF]:
    """The line moved half a pixel to either side of itself, at a joint along the middle of the two normals."""
    if len(x) == 1:
        x, y = np.array([x[0] - _HALF, x[0] + _HALF]), np.repeat(y, 2)
    dx, dy = np.diff(x), np.diff(y)
    length = np.maximum(np.hypot(dx, dy), 1e-9)
    nx, ny = -dy / length, dx / length
    mx = np.concatenate((nx[:1], nx[:-1] + nx[1:], nx[-1:]))
    my = np.concatenate((ny[:1], ny[:-1] + ny[1:], ny[-1:]))
    reach = _HALF / np.maximum(np.hypot(mx, my), 1e-9)
    return polygon(x + mx * reach, y + my * reach), polygon(x - mx * reach, y - my * reach)


def polygon(x: Floats, y: Floats) -> QPolygonF:
    """Points as Qt takes them, without a Python object for each."""
    points: QPolygonF = functions.arrayToQPolygonF(x, y)
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
