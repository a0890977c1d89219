"""Round numbers along an axis, and how they are written."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from gui.widgets import numbers

_TIME_STEPS = (
    1,
    2,
    5,
    15,
    30,
    60,
    120,
    300,
    900,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
    172800,
    604800,
    1209600,
)
_DAY = 86400
_MOST_TICKS = 50
_LATEST = 4e9


def nice_step(span: float, most: float) -> float:
    """The smallest of 1, 2, 5 x 10^n that divides the span into at most `most` parts."""
    if not (span > 0 and math.isfinite(span)):
        return 1.0
    least = span / max(most, 1.0)
    power = 10.0 ** math.floor(math.log10(least))
    return next((power * part for part in (1, 2, 5) if power * part >= least * (1 - 1e-9)), power * 10)


def linear(lo: float, hi: float, most: float, *, whole: bool = False) -> tuple[float, list[float]]:
    """Step and round values from lo to hi; `whole` allows no fractions."""
    step = nice_step(hi - lo, most)
    if whole:
        step = max(step, 1.0)
    first = math.ceil(lo / step - 1e-9)
    number = min(math.floor(hi / step + 1e-9) - first + 1, _MOST_TICKS)
    return step, [(first + at) * step for at in range(max(number, 0))]


def logarithmic(lo: float, hi: float, most: float) -> list[float]:
    """Powers of ten between 10**lo and 10**hi, with 2 and 5 where they fit; round values where a decade is not seen.

    Values are returned as log10.
    """
    if hi - lo < 1.0:
        _, values = linear(10.0**lo, 10.0**hi, most)
        return [math.log10(value) for value in values if value > 0]
    parts = (1, 2, 5) if 3 * (hi - lo) <= most else (1,)
    stride = max(1, math.ceil((hi - lo) / max(most, 1.0)))
    decades = range(math.floor(lo), math.floor(hi) + 1)
    values = [decade + math.log10(part) for decade in decades if decade % stride == 0 for part in parts]
    return [value for value in values if lo <= value <= hi]


def times(lo: float, hi: float, most: float) -> tuple[float, list[float]]:
    """Step and round local clock times between two Unix times."""
    if lo < 0 or hi >= _LATEST:  # not Unix times
        return linear(lo, hi, most)
    span = hi - lo
    step = next((wide for wide in _TIME_STEPS if span / wide <= most), None)
    if step is None:
        step = math.ceil(span / max(most, 1.0) / _DAY) * _DAY
    midnight = datetime.fromtimestamp(lo).replace(hour=0, minute=0, second=0, microsecond=0)
    values: list[float] = []
    number = 0 if step >= _DAY else int((lo - midnight.timestamp()) // step)
    while len(values) < _MOST_TICKS:
        # Days are counted on the calendar: with daylight saving they are not all equally long.
        at = (midnight + timedelta(days=number * step // _DAY) if step >= _DAY else midnight).timestamp()
        at += 0 if step >= _DAY else number * step
        number += 1
        if at > hi:
            break
        if at >= lo:
            values.append(at)
    return float(step), values


def amount_text(value: float, step: float = 0.0) -> str:
    """1.25 M, 40 k: large amounts in short, with as many decimals as neighbours `step` apart need."""
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            places = min(_places(step / size), 3) if step > 0 else 2
            return f"{numbers.decimal(value / size, places)}{numbers.THIN_SPACE}{sign}"
    return numbers.count(value)


def loss_text(value: float, step: float = 0.0) -> str:
    """0.583, 1.25e-7: three decimals, or as many as neighbours `step` apart need."""
    size = abs(value)
    if math.isfinite(value) and size != 0 and (size >= 1e5 or size < 5e-4):
        return numbers.scientific(value)
    return numbers.decimal(value, min(_places(step), 8) if step > 0 else (3 if size < 100 else 1))


def short_text(value: float) -> str:
    """0.25, 2, 1.5e5: a round value in as few figures as it needs."""
    if value == 0.0:  # a power of ten too small for a float
        return numbers.decimal(value, 0)
    if value >= 1e5 or value < 5e-4:
        places = next((number for number in range(6) if abs(float(f"{value:.{number}e}") / value - 1) < 1e-6), 6)
        return numbers.scientific(value, places)
    places = next((number for number in range(8) if abs(round(value, number) - value) <= value * 1e-6), 8)
    return numbers.decimal(value, places)


def _places(step: float) -> int:
    return max(0, math.ceil(-math.log10(step) - 1e-9))


def clock_text(at: float, step: float = 60.0) -> str:
    """14:02, 14:02:30 or 23 Nov, as fine as neighbours `step` seconds apart need."""
    if not 0 <= at < _LATEST:
        return numbers.duration(at)
    moment = datetime.fromtimestamp(at)
    if step >= _DAY or (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return f"{moment.day} {moment:%b}"
    return f"{moment:%H:%M}" if step >= 60 else f"{moment:%H:%M:%S}"


def moment_text(at: float) -> str:
    """23 Nov 14:02:30."""
    if not 0 <= at < _LATEST:
        return numbers.duration(at)
    moment = datetime.fromtimestamp(at)
    return f"{moment.day} {moment:%b %H:%M:%S}"
