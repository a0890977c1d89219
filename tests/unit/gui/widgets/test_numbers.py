"""Numbers as people read them, in several languages, and what is no number at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from PySide6.QtCore import QLocale

from gui.widgets import numbers
from gui.widgets.numbers import UNKNOWN

NOON = datetime(2026, 11, 23, 12, 0).timestamp()  # a Monday
HOUR, DAY = 3600, 86400
NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = QLocale()
    QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom))
    yield
    QLocale.setDefault(before)


def spaced(text: str) -> str:
    """The text with its narrow spaces as `_`."""
    return text.replace(numbers.THIN_SPACE, "_")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (7, "7"),
        (12480, "12_480"),
        (1234567, "1_234_567"),
        (-12480, "-12_480"),
        (1e15, "1_000_000_000_000_000"),
    ],
)
def test_count_has_thin_spaces(number: float, shown: str) -> None:
    assert spaced(numbers.count(number)) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (0.000184, "0.000184"),
        (0.4123, "0.412"),
        (21.44, "21.4"),
        (0.9999, "1.00"),
        (999.7, "1_000"),
        (5310, "5_310"),
    ],
)
def test_compact_keeps_three_digits_that_count(number: float, shown: str) -> None:
    assert spaced(numbers.compact(number)) == shown


@pytest.mark.parametrize(("number", "shown"), [(1.84e-4, "1.84e-4"), (2.5e12, "2.50e12"), (0, "0"), (1, "1.00e0")])
def test_scientific_is_short(number: float, shown: str) -> None:
    assert numbers.scientific(number) == shown


@pytest.mark.parametrize(("share", "shown"), [(0, "0_%"), (0.62, "62_%"), (1, "100_%"), (0.003, "0_%")])
def test_percent_has_its_sign(share: float, shown: str) -> None:
    assert spaced(numbers.percent(share)) == shown


def test_percent_takes_digits() -> None:
    assert spaced(numbers.percent(0.003, 1)) == "0.3_%"


@pytest.mark.parametrize(
    ("num_bytes", "shown"),
    [(0, "0_B"), (999, "999_B"), (1000, "1.00_kB"), (999_600, "1.00_MB"), (12_345_678, "12.3_MB"), (412e9, "412_GB")],
)
def test_size_counts_in_thousands(num_bytes: float, shown: str) -> None:
    assert spaced(numbers.size(num_bytes)) == shown


def test_memory_counts_in_powers_of_two_and_says_so() -> None:
    assert spaced(numbers.memory(21.4 * 2**30)) == "21.4_GiB"
    assert spaced(numbers.memory_of(21.4 * 2**30, 24 * 2**30)) == "21.4 / 24.0_GiB"


def test_size_of_uses_one_unit_for_both() -> None:
    assert spaced(numbers.size_of(120e6, 270e6)) == "120 / 270_MB"
    assert spaced(numbers.size_of(120e6, None)) == "120_MB"
    assert spaced(numbers.size_of(None, 270e6)) == f"{UNKNOWN} / 270_MB"


@pytest.mark.parametrize(("rate", "shown"), [(5310, "5_310 tok/s"), (12.34, "12.3 tok/s"), (0.5, "0.500 tok/s")])
def test_token_rate_has_its_unit(rate: float, shown: str) -> None:
    assert spaced(numbers.token_rate(rate)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0_s"), (0.44, "0.4_s"), (9.96, "10_s"), (44, "44_s"), (59.6, "1_min"), (60, "1_min"), (660, "11_min"),
        (3599, "1_h"), (3600, "1_h"), (3 * HOUR + 300, "3_h 05_min"), (9 * HOUR + 2400, "9_h 40_min"),
        (47.9 * HOUR, "47_h 54_min"), (48 * HOUR, "2_d"), (31 * DAY, "31_d"),
    ],
)  # fmt: skip
def test_duration_has_its_two_largest_parts(seconds: float, shown: str) -> None:
    assert spaced(numbers.duration(seconds)) == shown


def test_time_left_and_ago_are_words() -> None:
    assert spaced(numbers.time_left(2280)) == "38_min left"
    assert spaced(numbers.ago(0.4)) == "0.4_s ago"
    assert numbers.time_left(None) == ""


@pytest.mark.parametrize(
    ("offset", "shown"),
    [
        (11 * HOUR, "23:00"), (13 * HOUR, "tomorrow 01:00"), (-13 * HOUR, "yesterday 23:00"),
        (3 * DAY, "Thu 12:00"), (-3 * DAY, "Fri 12:00"), (30 * DAY, "23 Dec 12:00"),
    ],
)  # fmt: skip
def test_clock_names_the_day_when_it_is_another(offset: float, shown: str) -> None:
    assert numbers.clock(NOON + offset, NOON) == shown


def test_done_at_is_a_clock_time_from_now() -> None:
    assert numbers.done_at(11 * HOUR + 40 * 60, NOON) == "23:40"
    assert numbers.done_at(None, NOON) == ""
    assert numbers.done_at(-1, NOON) == ""


@pytest.mark.parametrize("nothing", [None, NAN, INF, -INF])
def test_every_function_says_unknown_when_there_is_no_number(nothing: float | None) -> None:
    for write in (
        numbers.count, numbers.decimal, numbers.compact, numbers.scientific, numbers.percent, numbers.size,
        numbers.memory, numbers.token_rate, numbers.temperature, numbers.duration, numbers.ago, numbers.clock,
    ):  # fmt: skip
        assert write(nothing) == UNKNOWN


@pytest.mark.parametrize(("name", "shown"), [("de_DE", "0,58"), ("C", "0.58"), ("en_US", "0.58")])
def test_decimal_sign_is_the_locales(name: str, shown: str) -> None:
    QLocale.setDefault(QLocale(name))

    assert numbers.decimal(0.583) == shown
    assert spaced(numbers.count(12480)) == "12_480"


def test_clock_time_has_no_seconds_in_the_c_locale() -> None:
    QLocale.setDefault(QLocale.c())

    assert numbers.clock(NOON, NOON) == "12:00"
