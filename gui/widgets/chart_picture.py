"""What a chart shows, as values: curves, stretches with a name, places with a few words, the card at the crosshair."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gui.theme.tokens import LIGHT, Tokens
from gui.widgets.chart_levels import Floats, Series

LONGEST_LABEL = 120
"""Characters. Labels come from data: they are cleaned when they are drawn, as few of thousands are."""


@dataclass(frozen=True)
class Band:
    """A stretch of x with a name."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A place on the x axis with a few words."""

    x: float
    label: str


class Bands:
    """Stretches in ascending order, found by where they are: there may be thousands."""

    def __init__(self, bands: list[Band]) -> None:
        self._bands = sorted(bands, key=lambda band: band.start)
        self._starts = np.array([band.start for band in self._bands])
        self._ends = np.array([band.end for band in self._bands])

    def wider_than(self, least: float, x0: float, x1: float) -> list[tuple[int, Band]]:
        """Those of which more than `least` is between x0 and x1, numbered through."""
        seen = np.minimum(self._ends, x1) - np.maximum(self._starts, x0)
        return [(number, self._bands[number]) for number in np.flatnonzero(seen > least).tolist()]


class Marks:
    """Places in ascending order, found by where they are."""

    def __init__(self, marks: list[Mark]) -> None:
        self._marks = sorted(marks, key=lambda mark: mark.x)
        self._xs = np.array([mark.x for mark in self._marks])

    def between(self, x0: float, x1: float) -> list[Mark]:
        """Those in a stretch."""
        return self._marks[int(np.searchsorted(self._xs, x0)) : int(np.searchsorted(self._xs, x1, "right"))]


@dataclass
class Picture:
    """All that the chart shows, apart from where it looks."""

    raw: Series = field(default_factory=Series)
    smooth: Series = field(default_factory=Series)
    validation: Series = field(default_factory=Series)
    gaps: Floats = field(default_factory=lambda: np.empty(0))
    """Of each validation point, where it was measured."""
    bands: Bands = field(default_factory=lambda: Bands([]))
    marks: Marks = field(default_factory=lambda: Marks([]))
    shows_train: bool = True
    shows_validation: bool = True
    empty_text: str = ""
    tokens: Tokens = LIGHT

    @property
    def is_empty(self) -> bool:
        """Nothing to draw."""
        return not len(self.raw) and not len(self.validation)


@dataclass(frozen=True)
class HoverCard:
    """What the crosshair tells: a place, lines of text and dots, each with the name of its colour token."""

    x: float
    lines: tuple[tuple[str, str], ...]
    dots: tuple[tuple[float, float, str], ...] = ()
