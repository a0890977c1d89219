"""Round numbers along the axes, at every size, and how they are written."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from gui.widgets import chart_ticks as ticks
from gui.widgets.numbers import THIN_SPACE


@pytest.mark.parametrize("span", [1e-9, 3e-4, 0.7, 1.0, 42.0, 1e6, 1e30])
@pytest.mark.parametrize("share", [0.0, 11_880.0, -5.0])
def test_linear_gives_a_few_round_values_inside(span: float, share: float) -> None:
    start = span * share
    step, values = ticks.linear(start, start + span, 8)

    assert 2 <= len(values) <= 9
    assert all(start - step * 1e-6 <= value <= start + span + step * 1e-6 for value in values)
    assert round(step / 10.0 ** math.floor(math.log10(step) + 1e-9), 6) in (1, 2, 5)


def test_linear_gives_whole_numbers_when_asked() -> None:
    step, values = ticks.linear(3.2, 6.1, 20, whole=True)

    assert (step, values) == (1.0, [4.0, 5.0, 6.0])


@pytest.mark.parametrize(("lo", "hi"), [(-0.3, 0.4), (-2.0, 1.0), (-12.0, 8.0), (-0.01, 0.01)])
def test_logarithmic_gives_a_few_values_inside(lo: float, hi: float) -> None:
    values = ticks.logarithmic(lo, hi, 10)

    assert 2 <= len(values) <= 12
    assert all(lo <= value <= hi + 1e-9 for value in values)


@pytest.mark.parametrize("hours", [0.002, 0.1, 1, 9, 40, 24 * 20, 24 * 400])
def test_times_are_round_on_the_clock(hours: float) -> None:
    start = datetime(2026, 11, 23, 9, 17, 41).timestamp()

    step, values = ticks.times(start, start + hours * 3600, 8)

    assert 1 <= len(values) <= 9
    for value in values:
        moment = datetime.fromtimestamp(value)
        since_midnight = moment.hour * 3600 + moment.minute * 60 + moment.second
        assert since_midnight % min(step, 86400) == 0


@pytest.mark.parametrize(("lo", "hi"), [(-5.0, 5.0), (0.0, 1e18), (1e17, 1e18)])
def test_times_survive_what_is_no_time(lo: float, hi: float) -> None:
    step, values = ticks.times(lo, hi, 8)

    assert values
    assert all(ticks.clock_text(value, step) for value in values)


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.5832, 0.0, "0.583"),
        (1.5, 0.5, "1.5"),
        (0.0, 0.5, "0.0"),
        (0.62, 0.02, "0.62"),
        (1.25e-7, 0.0, "1.25e-7"),
        (3e9, 0.0, "3.00e9"),
        (math.nan, 0.0, "–"),
    ],
)
def test_loss_text(value: float, step: float, text: str) -> None:
    assert ticks.loss_text(value, step) == text


@pytest.mark.parametrize(("value", "text"), [(0.25, "0.25"), (2.0, "2"), (1.5, "1.5"), (2e5, "2e5"), (1e-4, "1e-4")])
def test_short_text(value: float, text: str) -> None:
    assert ticks.short_text(value) == text


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [(950.0, 50.0, "950"), (1.25e6, 5e4, f"1.25{THIN_SPACE}M"), (2e9, 1e9, f"2{THIN_SPACE}G"), (0.0, 10.0, "0")],
)
def test_amount_text(value: float, step: float, text: str) -> None:
    assert ticks.amount_text(value, step) == text


def test_clock_text_is_as_fine_as_needed() -> None:
    at = datetime(2026, 11, 23, 14, 2, 30).timestamp()

    assert ticks.clock_text(at, 60) == "14:02"
    assert ticks.clock_text(at, 5) == "14:02:30"
    assert ticks.clock_text(datetime(2026, 11, 23).timestamp(), 3600) == "23 Nov"
