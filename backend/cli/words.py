"""Numbers and times in words for people: commas in thousands as in every sentence of the program, units always."""

from __future__ import annotations

import time

NOTHING = "–"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: float | None, *, grouped: bool = True) -> str:
    """A whole number: 12,345; without commas where a program reads it."""
    if number is None:
        return NOTHING
    return f"{round(number):,}" if grouped else f"{round(number)}"


def loss(number: float | None) -> str:
    """A loss with four decimals, so that columns align."""
    return NOTHING if number is None else f"{number:.4f}"


def duration(seconds: float | None) -> str:
    """A span of time in its two largest units: 1 h 05 min."""
    if seconds is None:
        return NOTHING
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02} h"


def ago(moment: float | None) -> str:
    """How long ago a unix time was."""
    return NOTHING if moment is None else f"{duration(time.time() - moment)} ago"


def size(num_bytes: float | None) -> str:
    """Bytes in decimal units: 93.4 MB."""
    if num_bytes is None:
        return NOTHING
    number = float(num_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def gap(value: float | None) -> str:
    """The gap between validation and training loss, judged by the thresholds of the design."""
    if value is None:
        return NOTHING
    judged = "good" if value < 0.3 else "watch" if value <= 0.5 else "overfitting"
    return f"{value:+.3f} ({judged})"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def clean(text: str) -> str:
    """Text from a file or a model made safe for a terminal: no control and no direction-changing characters."""
    return "".join(
        char if char == "\n" or char.isprintable() or char == " " else "\N{REPLACEMENT CHARACTER}" for char in text
    )
