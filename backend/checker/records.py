"""What every reader yields: one row of a file, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from backend.checker.json_rows import MAX_ROW_BYTES, parse_row
from backend.checker.problems import RowError

OnRead = Callable[[int], None]
"""Told of the bytes read, chunk by chunk."""


class Record(NamedTuple):
    """One row of a file."""

    line: int
    """1-based line, or element of an array."""
    value: Any
    problem: RowError | None = None


def parsed(line: int, data: bytes) -> Record:
    """The record of one row of JSON text."""
    try:
        return Record(line, parse_row(data))
    except RowError as problem:
        return Record(line, None, problem)


def value_or_none(data: bytes) -> Any:
    """The value of one row of JSON text, None when it is broken."""
    return parsed(0, data).value


def over_the_cap() -> RowError:
    """The problem of a row that was too long to be kept in memory."""
    return RowError("line_too_long", f"The row is longer than {MAX_ROW_BYTES >> 20} MB.")


def is_conversation(value: Any) -> bool:
    """Whether a value is a bare list of turns."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(turn, dict) and ({"role", "content"} <= turn.keys() or {"from", "value"} <= turn.keys())
            for turn in value
        )
    )
