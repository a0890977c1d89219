"""What the chart was given and what follows from it: the smooth line, pauses, the steps in view."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gui.widgets.chart_levels import Floats, Series, pauses_in
from gui.widgets.chart_picture import Bands, Marks, Picture
from gui.widgets.chart_smoothing import LARGEST_FACTOR, smoothed, steps_of

AXES = {"step": 4.0, "time": 2.0, "tokens": 16.0}
"""What can run along the bottom, and the least of it that is shown: steps, seconds (Unix time), tokens."""
DEFAULT_SMOOTHING = 0.94


class ChartData:
    """Fills a picture."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._has_own_smooth = False
        self.axis = "step"
        self.factor = DEFAULT_SMOOTHING
        self.steps: Floats = np.empty(0)
        """The last step of each point of the raw line; empty when nobody said."""

    def set_axis(self, axis: str) -> None:
        """x means something else: what was given stands nowhere any more."""
        self.axis = axis
        self.steps, self._has_own_smooth = np.empty(0), False
        picture = self._picture
        picture.raw, picture.smooth, picture.validation = Series(), Series(), Series()
        picture.bands, picture.marks, picture.gaps = Bands([]), Marks([]), np.empty(0)

    def set_raw(
        self,
        x: ArrayLike,
        mean: ArrayLike,
        lo: ArrayLike | None = None,
        hi: ArrayLike | None = None,
        *,
        step: ArrayLike | None = None,
    ) -> None:
        """The training loss, and the smooth line that belongs to it."""
        raw = self._picture.raw = Series(x, mean, lo, hi)
        known = None if step is None else np.asarray(step, dtype=np.float64)
        if known is not None and len(known) == len(raw):
            self.steps = known
        else:
            self.steps = raw.x if self.axis == "step" else np.empty(0)
        if self.axis == "time" and len(self.steps):
            raw.pauses = pauses_in(raw.x, steps_of(self.steps))
        self._smooth()

    def set_smoothed(self, x: ArrayLike, y: ArrayLike) -> None:
        """A line smoothed elsewhere; without points ours again."""
        line = Series(x, y)
        self._has_own_smooth = len(line) > 0
        self._picture.smooth = line
        self._smooth()

    def set_validation(self, x: ArrayLike, y: ArrayLike, gap: ArrayLike | None) -> None:
        """The validation loss with the gaps measured beside it."""
        line = self._picture.validation = Series(x, y)
        known = np.empty(0) if gap is None else np.asarray(gap, dtype=np.float64)
        self._picture.gaps = known if len(known) == len(line) else np.empty(0)

    def set_factor(self, factor: float) -> bool:
        """Smooth with another factor; False when it is the same."""
        factor = min(max(factor, 0.0), LARGEST_FACTOR)
        is_new = factor != self.factor
        self.factor = factor
        if is_new:
            self._smooth()
        return is_new

    def steps_between(self, x0: float, x1: float) -> tuple[int, int]:
        """First and last step of a stretch of the axis; (0, 0) when that is not known."""
        x = self._picture.raw.x
        if not len(x) or len(self.steps) != len(x):
            return (0, 0)
        first, last = int(np.searchsorted(x, x0)), int(np.searchsorted(x, x1, "right")) - 1
        return int(self.steps[min(first, len(x) - 1)]), int(self.steps[max(last, 0)])

    def _smooth(self) -> None:
        if self._has_own_smooth:
            return
        raw = self._picture.raw
        if self.factor == 0.0 or not len(raw):
            self._picture.smooth = Series()
            return
        num_steps = steps_of(self.steps) if len(self.steps) else np.ones(len(raw))
        self._picture.smooth = Series(raw.x, smoothed(raw.mean, num_steps, self.factor))
        self._picture.smooth.pauses = raw.pauses
