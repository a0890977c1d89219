"""A curve of any length, ready to be drawn in a few thousand points. numpy only: no Qt, no looks.

A million steps are reduced once by four, by sixteen, and so on (lowest, highest and mean of each group). A frame
takes the level with a few points a pixel and reduces it to one group a pixel column. What is drawn therefore costs
the same whether the run is an hour or a month old, and no spike is ever lost: the extremes of a group are kept.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

FACTOR = 4
"""Each level has a quarter of the points of the one below."""
POINTS_PER_COLUMN = 4
"""The level that is drawn has at most so many points a pixel column."""
_PAUSE, _LEAST_PAUSE = 30.0, 60.0
"""A pause is so many times the usual step, and at least so many seconds."""
_LARGEST = 1e100
"""Greater values are drawn as this: their sums stay finite."""


class Columns(NamedTuple):
    """Groups of neighbouring points: the last x, and mean, lowest and highest y. NaN where nothing was finite."""

    x: Floats
    mean: Floats
    lo: Floats
    hi: Floats

    @property
    def is_exact(self) -> bool:
        """True when every group is a single value."""
        return self.lo is self.hi or bool(np.array_equal(self.lo, self.hi, equal_nan=True))

    def cut(self, x0: float, x1: float) -> Columns:
        """Neighbours beyond x0 and x1 moved along their lines to the edge: what can be seen between the two."""
        if len(self.x) < 2:
            return self
        x, *values = (column.copy() for column in self)
        for outer, inner, edge in ((0, 1, x0), (-1, -2, x1)):
            is_beyond = x[outer] < edge if outer == 0 else x[outer] > edge
            if is_beyond and x[inner] != x[outer]:
                share = min((edge - x[inner]) / (x[outer] - x[inner]), 1.0)
                for column in values:
                    column[outer] = column[inner] + share * (column[outer] - column[inner])
                x[outer] = edge
        return Columns(x, *values)


EMPTY = Columns(*(np.empty(0) for _ in range(4)))


class Series:
    """Points in ascending x. Rows without a finite x are left out; a y that is not finite is a gap."""

    def __init__(
        self, x: ArrayLike = (), mean: ArrayLike = (), lo: ArrayLike | None = None, hi: ArrayLike | None = None
    ) -> None:
        xs, means = _floats(x), _values(mean)
        lows = means if lo is None else _values(lo)
        highs = means if hi is None else _values(hi)
        if not len(xs) == len(means) == len(lows) == len(highs):
            raise ValueError("x and y of a curve must be of one length")
        keep = _order(xs)
        if keep is not None:
            xs, means = xs[keep], means[keep]
            lows = means if lo is None else lows[keep]
            highs = means if hi is None else highs[keep]
        self._levels = [Columns(xs, means, lows, highs)]
        self._has_gaps = not bool(np.isfinite(means).all())
        self.pauses: Floats = np.empty(0)
        """Each the x of a point that no line joins to the next."""
        self._asked: tuple[float, float, int] | None = None
        self._answer = EMPTY

    def __len__(self) -> int:
        return len(self.x)

    @property
    def x(self) -> Floats:
        """Of every point."""
        return self._levels[0].x

    @property
    def mean(self) -> Floats:
        """Of every point."""
        return self._levels[0].mean

    @property
    def lo(self) -> Floats:
        """Of every point."""
        return self._levels[0].lo

    @property
    def hi(self) -> Floats:
        """Of every point."""
        return self._levels[0].hi

    def columns(self, x0: float, x1: float, num_columns: int) -> Columns:
        """What to draw between x0 and x1: one group a column, and a point to either side so that lines run on.

        Columns are counted from x = 0 and not from the edge of the view: panning moves the drawing and does not
        regroup it, so nothing shimmers. The last answer is kept:
        finding the scale and painting ask the same.
        """
        if self._asked != (x0, x1, num_columns):
            self._asked, self._answer = (x0, x1, num_columns), self._columns(x0, x1, num_columns)
        return self._answer

    def nearest(self, x: float) -> int | None:
        """Index of the point nearest to x that has a value; None when there is none."""
        if not len(self):
            return None
        right = int(np.searchsorted(self.x, x))
        best = min((at for at in (right - 1, right) if 0 <= at < len(self)), key=lambda at: abs(self.x[at] - x))
        if np.isfinite(self.mean[best]):
            return best
        finite = np.flatnonzero(np.isfinite(self.mean))
        return int(finite[np.argmin(np.abs(self.x[finite] - x))]) if len(finite) else None

    def latest(self, x: float = np.inf) -> int | None:
        """Index of the last point at or before x that has a value; None when there is none."""
        at = int(np.searchsorted(self.x, x, "right")) - 1
        while at >= 0 and not np.isfinite(self.mean[at]):
            at -= 1
        return at if at >= 0 else None

    def _columns(self, x0: float, x1: float, num_columns: int) -> Columns:
        if not len(self) or not x1 > x0 or num_columns < 1:
            return EMPTY
        first = max(int(np.searchsorted(self.x, x0, "left")) - 1, 0)
        last = min(int(np.searchsorted(self.x, x1, "right")) + 1, len(self))
        number, size = 0, last - first
        while size > POINTS_PER_COLUMN * num_columns:
            number, size = number + 1, -(-size // FACTOR)
        level, stride = self._level(number), FACTOR**number
        part = Columns(*(column[first // stride : -(-last // stride)] for column in level))
        if number == 0 and len(part.x) <= num_columns:
            return part
        column = np.floor(part.x / ((x1 - x0) / num_columns))
        starts = np.flatnonzero(np.concatenate(([True], column[1:] != column[:-1])))
        return part if len(starts) == len(part.x) else self._reduced(part, starts)

    def _level(self, number: int) -> Columns:
        while len(self._levels) <= number:
            below = self._levels[-1]
            self._levels.append(self._reduced(below, np.arange(0, len(below.x), FACTOR)))
        return self._levels[number]

    def _reduced(self, level: Columns, starts: NDArray[np.intp]) -> Columns:
        ends = np.append(starts[1:], len(level.x))
        if not self._has_gaps:
            return Columns(
                level.x[ends - 1],
                np.add.reduceat(level.mean, starts) / (ends - starts),
                np.minimum.reduceat(level.lo, starts),
                np.maximum.reduceat(level.hi, starts),
            )
        finite = np.isfinite(level.mean)
        counts = np.add.reduceat(finite, starts, dtype=np.int64)
        totals = np.add.reduceat(np.where(finite, level.mean, 0.0), starts)
        means = np.divide(totals, counts, out=np.full(len(starts), np.nan), where=counts > 0)
        with np.errstate(invalid="ignore"):
            lows, highs = np.fmin.reduceat(level.lo, starts), np.fmax.reduceat(level.hi, starts)
        return Columns(level.x[ends - 1], means, lows, highs)


def runs(values: Floats) -> list[slice]:
    """The stretches of finite values: a line is broken between them."""
    finite = np.isfinite(values)
    if finite.all():
        return [slice(0, len(values))] if len(values) else []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False]))))
    return [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def joined_runs(x: Floats, values: Floats, pauses: Floats) -> list[slice]:
    """As `runs`, broken also where a pause lies between two neighbours."""
    stretches = runs(values)
    if not len(pauses) or not stretches:
        return stretches
    breaks = np.flatnonzero(np.diff(np.searchsorted(pauses, x, "left")) > 0) + 1
    parts = []
    for stretch in stretches:
        inner = [int(at) for at in breaks if stretch.start < at < stretch.stop]
        parts += [slice(*ends) for ends in itertools.pairwise([stretch.start, *inner, stretch.stop])]
    return parts


def pauses_in(x: Floats, num_steps: Floats) -> Floats:
    """Where a step took much longer than steps do: on the clock, training stood still there."""
    if len(x) < 3:
        return np.empty(0)
    each = np.diff(x) / num_steps[1:]
    return x[:-1][each > max(float(np.median(each)) * _PAUSE, _LEAST_PAUSE)]


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64).reshape(-1)


def _values(values: ArrayLike) -> Floats:
    numbers = _floats(values)
    finite = np.isfinite(numbers)
    if finite.all() and (not len(numbers) or np.abs(numbers).max() <= _LARGEST):
        return numbers
    return np.where(finite, np.clip(numbers, -_LARGEST, _LARGEST), np.nan)


def _order(x: Floats) -> NDArray[np.intp] | None:
    """Indices that put x in ascending order without what is not finite; None when it is so already."""
    if bool(np.isfinite(x).all()) and bool((x[1:] >= x[:-1]).all()):
        return None
    finite = np.flatnonzero(np.isfinite(x))
    return finite[np.argsort(x[finite], kind="stable")]
