"""Columns of numbers that grow at the end: one block of memory, one contiguous row a column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.contract.results import HistoryResult

Numbers = NDArray[np.float64]

NAMES = (
    "step",
    "at",
    "tokens",
    "loss",
    "loss_min",
    "loss_max",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "memory_bytes",
)
"""Columns, named as in HistoryResult."""
STEP, TOKENS = NAMES.index("step"), NAMES.index("tokens")
_ROW_OF = {name: row for row, name in enumerate(NAMES)}
_LAST = tuple(_ROW_OF[name] for name in ("step", "at", "tokens", "memory_bytes"))
_MEAN = tuple(_ROW_OF[name] for name in ("loss", "learning_rate", "grad_norm", "tokens_per_second"))
_FIRST_CAPACITY = 4096


def table_of(history: HistoryResult) -> Numbers:
    """A history as a table, one row a column."""
    return np.array([getattr(history, name) for name in NAMES], dtype=np.float64).reshape(len(NAMES), -1)


def thinned(table: Numbers, steps_per_point: int) -> Numbers:
    """The table with one point for so many steps; min, max, mean and last value as in HistoryResult."""
    if table.shape[1] == 0:
        return table
    bins = (table[STEP] - 1) // steps_per_point
    starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    ends = np.append(starts[1:], table.shape[1]) - 1
    weights = np.diff(table[STEP], prepend=0)
    weights[0] = min(weights[0], weights[1]) if len(weights) > 1 else 1  # what came before it is not known
    out = np.empty((len(NAMES), len(starts)))
    for row in _LAST:
        out[row] = table[row][ends]
    totals = np.add.reduceat(weights, starts)
    for row in _MEAN:
        out[row] = np.add.reduceat(table[row] * weights, starts) / totals
    out[_ROW_OF["loss_min"]] = np.minimum.reduceat(table[_ROW_OF["loss_min"]], starts)
    out[_ROW_OF["loss_max"]] = np.maximum.reduceat(table[_ROW_OF["loss_max"]], starts)
    return out


class Columns:
    """A table with room at its end. Views handed out stay as they are while points are appended."""

    def __init__(self, table: Numbers | None = None) -> None:
        self._num = 0 if table is None else table.shape[1]
        self._buffer = np.empty((len(NAMES), max(_FIRST_CAPACITY, 2 * self._num)))
        if table is not None:
            self._buffer[:, : self._num] = table

    def __len__(self) -> int:
        return self._num

    def column(self, name: str) -> Numbers:
        """One column, read-only, without a copy."""
        view = self._buffer[_ROW_OF[name], : self._num]
        view.flags.writeable = False
        return view

    def table(self) -> Numbers:
        """All columns, without a copy."""
        return self._buffer[:, : self._num]

    def append(self, values: Sequence[float]) -> None:
        """One more point."""
        if self._num == self._buffer.shape[1]:
            grown = np.empty((len(NAMES), 2 * self._num))
            grown[:, : self._num] = self._buffer
            self._buffer = grown
        self._buffer[:, self._num] = values
        self._num += 1

    def replace(self, at: int, values: Sequence[float]) -> None:
        """Another point at a place."""
        self._buffer[:, at] = values

    def last(self, name: str, default: float = 0.0) -> float:
        """The newest value of a column."""
        return float(self._buffer[_ROW_OF[name], self._num - 1]) if self._num else default
