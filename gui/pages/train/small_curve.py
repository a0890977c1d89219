"""One measure beside the loss, on a card of its own."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.state.columns import Numbers
from gui.widgets import numbers
from gui.widgets.card import Card
from gui.widgets.sparkline import Sparkline

_HEIGHT, _LOW_HEIGHT = 110, 92
_LEAST_WIDTH = 96


class SmallCurve(Card):
    """A column of the history as a small curve with its newest value."""

    hovered = Signal(object)  # float | None

    def __init__(
        self,
        title: str,
        column: str,
        words: Callable[[float], str],
        color: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent=parent)
        self.column = column
        """Name of the history's column."""
        self.line = Sparkline(title, color=color)
        self.line.set_format(words)
        self._words = words
        self.body.addWidget(self.line, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self.setMinimumWidth(_LEAST_WIDTH)
        self.setAccessibleName(title)
        self.line.hovered.connect(self.hovered)

    def set_name(self, title: str) -> None:
        """Another name for what is measured."""
        self.line.set_title(title)
        self.setAccessibleName(title)

    def set_low(self, is_low: bool) -> None:
        """Where height is short the picture is the first to give."""
        self.setFixedHeight(_LOW_HEIGHT if is_low else _HEIGHT)

    def set_data(self, x: Numbers, values: Numbers) -> None:
        """The whole curve."""
        self.line.set_data(x, values)
        newest = float(values[-1]) if len(values) else math.nan
        self.line.set_value(self._words(newest) if math.isfinite(newest) else numbers.UNKNOWN)

    def set_hover(self, x: float | None) -> None:
        """Show the crosshair where another plot has its own."""
        self.line.set_hover(x)
