"""What part of the curve is seen: zoom, pan, follow, fit. Pure: no Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gui.widgets.chart_levels import Columns

MARGIN = 0.03
"""Share of the view kept free beyond the newest step."""
LEAD = 0.012
"""Share of the view kept free before the first one, so that a dot on it is whole."""
_LONE = 0.1
"""Share of the view before a single point."""
_HUGE = 1000.0
"""A value so many times the median does not rule the scale; zooming out still finds it."""


class VisibleRange:
    """The x range of the view. It grows with the data when all is seen, and slides with it when following."""

    def __init__(self, *, least_span: float = 4.0) -> None:
        self.least_span = least_span
        self.first, self.last = 0.0, 1.0
        self.x0, self.x1 = 0.0, 1.0
        self.is_whole = True
        self.is_following = True
        self.show_whole()

    @property
    def span(self) -> float:
        """Width of the view."""
        return self.x1 - self.x0

    def set_extent(self, first: float, last: float) -> None:
        """The data now reach from first to last."""
        moved = last > self.last
        self.first, self.last = first, last
        if self.is_whole or last < self.x0 or first > self.x1:  # another history: there is nothing where we looked
            self.show_whole()
        elif self.is_following and moved:
            self.show_newest()

    def show_whole(self) -> None:
        """Everything, and everything that comes."""
        width = max(self.last - self.first, self.least_span)
        self.x0 = self.first - width * (LEAD if self.last > self.first else _LONE)
        self.x1 = self.x0 + width * (1 + LEAD + MARGIN)
        self.is_whole = True

    def show_newest(self) -> None:
        """Slide, without zooming, until the newest step stands near the right edge."""
        span = self.span
        self.x1 = self.last + span * MARGIN
        self.x0 = self.x1 - span

    def zoom(self, factor: float, at: float) -> None:
        """Make the view `factor` times as wide; what is at `at` stays where it is."""
        widest = max(self.last - self.first, self.least_span) * (1 + LEAD + MARGIN)
        span = self.span * factor
        if span >= widest:
            self.show_whole()
            return
        span = max(span, min(self.least_span, widest), abs(at) * 1e-12)
        share = (at - self.x0) / self.span
        self.x0 = at - share * span
        self.x1 = self.x0 + span
        self.is_whole = False
        self._stay_near()
        self.is_following = self.is_following and self.x0 <= self.last <= self.x1

    def pan(self, distance: float) -> None:
        """Move the view; the user looks elsewhere, so it no longer follows."""
        self.x0 += distance
        self.x1 += distance
        self.is_whole = self.is_following = False
        self._stay_near()

    def show(self, x: float) -> None:
        """Move, without zooming, until x is seen."""
        if not self.x0 <= x <= self.x1:
            self.pan(x - (self.x0 + self.x1) / 2)

    def _stay_near(self) -> None:
        """The middle of the view stays on the data, so that nobody gets lost beside them."""
        middle = (self.x0 + self.x1) / 2
        shift = min(max(middle, self.first), self.last) - middle
        self.x0 += shift
        self.x1 += shift


def fitted_y(lines: Sequence[Columns], noise: Columns, *, is_log: bool) -> tuple[float, float]:
    """The y range that shows the lines whole and the noise without its rarest extremes; log10 if `is_log`."""
    parts = [part for line in lines for part in (line.lo, line.hi)]
    parts += [_common(noise.lo, is_low=True), _common(noise.hi, is_low=False)]
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values) & (values > 0.0 if is_log else True)]
    if not len(values):
        return (-1.0, 0.0) if is_log else (0.0, 1.0)
    ordinary = values[np.abs(values) <= max(float(np.median(np.abs(values))) * _HUGE, 1e-30)]
    lo, hi = float(ordinary.min()), float(ordinary.max())
    if is_log:
        lo, hi = math.log10(lo), math.log10(hi)
    if hi - lo <= max(abs(lo), abs(hi)) * 1e-9:
        room = 0.05 if is_log else (abs(hi) * 0.1 or 1.0)
        return lo - room, hi + room
    return lo - (hi - lo) * 0.06, hi + (hi - lo) * 0.12


def _common(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], *, is_low: bool
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    finite = values[np.isfinite(values)]
    if len(finite) < 50:
        return finite
    edge = np.partition(finite, len(finite) // 200 if is_low else len(finite) - 1 - len(finite) // 200)
    at = len(finite) // 200 if is_low else len(finite) - 1 - len(finite) // 200
    return edge[at : at + 1]
