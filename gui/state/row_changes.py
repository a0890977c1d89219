"""From one list of rows to another in as few signals as it takes, so that selection and scroll place survive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

MAX_RUNS = 40
"""With more runs of rows to insert or take out, one change of layout is cheaper for views."""
_CHUNK = 256
"""Rows compared at once: comparing slices costs a fiftieth of comparing row by row."""


@dataclass(frozen=True)
class Removed:
    """Rows first..last go."""

    first: int
    last: int


@dataclass(frozen=True)
class Moved:
    """Rows first..last go before row `before`, counted as it was."""

    first: int
    last: int
    before: int


@dataclass(frozen=True)
class Permuted:
    """Same rows, another order."""


@dataclass(frozen=True)
class Inserted:
    """Rows come to stand at first..last."""

    first: int
    last: int


@dataclass(frozen=True)
class Replaced:
    """Too much is new to say it row by row."""


Change = Removed | Moved | Permuted | Inserted | Replaced
Carry = Callable[[Change, list[int]], None]
"""Told each change and the rows after it, one after the other."""


def carry_out(old: Sequence[int], new: Sequence[int], carry: Carry) -> None:
    """Tell the changes that lead from `old` to `new`; rows are distinct numbers."""
    if old == new:
        return
    head = _common_head(old, new)
    tail = _common_tail(old, new, head)
    was, now = list(old[head : len(old) - tail]), list(new[head : len(new) - tail])
    if not was:
        carry(Inserted(head, head + len(now) - 1), list(new))
    elif not now:
        carry(Removed(head, head + len(was) - 1), list(new))
    elif (moved := _rotation(was, now, head)) is not None:
        carry(moved, list(new))
    else:
        _in_steps(list(old), list(new), carry)


def _common_head(old: Sequence[int], new: Sequence[int]) -> int:
    most = min(len(old), len(new))
    head = 0
    while head < most and old[head : head + _CHUNK] == new[head : head + _CHUNK]:
        head += _CHUNK
    while head < most and old[head] == new[head]:
        head += 1
    return min(head, most)


def _common_tail(old: Sequence[int], new: Sequence[int], head: int) -> int:
    most = min(len(old), len(new)) - head
    ends = len(old), len(new)
    tail = 0
    while tail + _CHUNK <= most and (
        old[ends[0] - tail - _CHUNK : ends[0] - tail] == new[ends[1] - tail - _CHUNK : ends[1] - tail]
    ):
        tail += _CHUNK
    while tail < most and old[ends[0] - tail - 1] == new[ends[1] - tail - 1]:
        tail += 1
    return tail


def _rotation(was: list[int], now: list[int], head: int) -> Moved | None:
    """The one block move that does it, if there is one; the shorter of both blocks is said to move."""
    if len(was) != len(now) or now[0] not in was:
        return None
    split = was.index(now[0])
    if now != was[split:] + was[:split]:
        return None
    if split <= len(was) - split:
        return Moved(head, head + split - 1, head + len(was))
    return Moved(head + split, head + len(was) - 1, head)


def _in_steps(old: list[int], new: list[int], carry: Carry) -> None:
    had, wanted = set(old), set(new)
    gone = _runs([at for at, row in enumerate(old) if row not in wanted])
    come = _runs([at for at, row in enumerate(new) if row not in had])
    if len(gone) > MAX_RUNS or len(come) > MAX_RUNS:
        carry(Replaced(), new)
        return
    rows = old
    for first, last in reversed(gone):
        rows = rows[:first] + rows[last + 1 :]
        carry(Removed(first, last), rows)
    stay = [row for row in new if row in had]
    if rows != stay:
        head = _common_head(rows, stay)
        tail = _common_tail(rows, stay, head)
        moved = _rotation(rows[head : len(rows) - tail], stay[head : len(stay) - tail], head)
        carry(moved or Permuted(), stay)
        rows = stay
    for first, last in come:
        rows = rows[:first] + new[first : last + 1] + rows[first:]
        carry(Inserted(first, last), rows)


def _runs(places: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] == place - 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs
