"""Numbers and times in words."""

from __future__ import annotations

import pytest

from backend.cli import words


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (3661, "1 h 01 min"), (90_000, "1 d 01 h"), (None, "–")],
)
def test_duration_has_its_two_largest_units(seconds: float | None, told: str) -> None:
    assert words.duration(seconds) == told


def test_count_has_thin_spaces_only_when_grouped() -> None:
    assert words.count(1234567) == "1,234,567"
    assert words.count(1234567, grouped=False) == "1234567"


@pytest.mark.parametrize(("gap", "judged"), [(-0.1, "good"), (0.29, "good"), (0.3, "watch"), (0.51, "overfitting")])
def test_gap_is_judged_by_the_thresholds(gap: float, judged: str) -> None:
    assert words.gap(gap).endswith(f"({judged})")


@pytest.mark.parametrize(("num_bytes", "told"), [(999, "999 bytes"), (93_400_000, "93.4 MB"), (2e12, "2.0 TB")])
def test_size_uses_decimal_units(num_bytes: float, told: str) -> None:
    assert words.size(num_bytes) == told


def test_clean_takes_the_sting_out_of_a_file_name() -> None:
    assert words.clean("a\x1b[2Jb\u202ec\td") == "a�[2Jb�c�d"
