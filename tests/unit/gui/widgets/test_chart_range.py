"""What is seen: fit grows, follow slides, zoom keeps its place, and nobody gets lost."""

from __future__ import annotations

import numpy as np
import pytest

from gui.widgets.chart_levels import EMPTY, Columns
from gui.widgets.chart_range import VisibleRange, fitted_y


@pytest.fixture
def seen() -> VisibleRange:
    made = VisibleRange()
    made.set_extent(0.0, 1000.0)
    return made


def test_all_is_seen_and_grows_with_the_data(seen: VisibleRange) -> None:
    seen.set_extent(0.0, 2000.0)

    assert (seen.x0, seen.x1) == pytest.approx((-24.0, 2060.0))


def test_zoom_keeps_what_is_under_the_cursor(seen: VisibleRange) -> None:
    share = (700.0 - seen.x0) / seen.span

    seen.zoom(0.5, 700.0)

    assert (700.0 - seen.x0) / seen.span == pytest.approx(share)
    assert seen.span == pytest.approx(521.0)


def test_following_slides_with_the_newest_step_when_zoomed(seen: VisibleRange) -> None:
    seen.zoom(0.1, 1000.0)
    span = seen.span

    seen.set_extent(0.0, 1500.0)

    assert seen.is_following
    assert seen.span == pytest.approx(span)
    assert seen.x0 < 1500.0 <= seen.x1


def test_following_ends_when_the_user_pans(seen: VisibleRange) -> None:
    seen.zoom(0.1, 1000.0)
    seen.pan(-50.0)
    before = (seen.x0, seen.x1)

    seen.set_extent(0.0, 1500.0)

    assert not seen.is_following
    assert (seen.x0, seen.x1) == before


def test_following_ends_when_zooming_leaves_the_newest_step(seen: VisibleRange) -> None:
    seen.zoom(0.1, 200.0)

    assert not seen.is_following


def test_zooming_out_ends_at_the_whole(seen: VisibleRange) -> None:
    seen.zoom(0.01, 300.0)
    for _ in range(60):
        seen.zoom(1.25, 300.0)

    assert seen.is_whole
    assert (seen.x0, seen.x1) == pytest.approx((-12.0, 1030.0))


def test_zooming_in_ends_at_a_few_steps(seen: VisibleRange) -> None:
    for _ in range(200):
        seen.zoom(0.8, 500.3)

    assert seen.span == pytest.approx(seen.least_span)
    assert seen.x0 < 500.3 < seen.x1


def test_panning_stays_on_the_data(seen: VisibleRange) -> None:
    seen.zoom(0.1, 500.0)
    seen.pan(1e9)

    assert (seen.x0 + seen.x1) / 2 == pytest.approx(1000.0)


def test_a_single_point_stands_in_the_middle_of_the_view() -> None:
    seen = VisibleRange()
    seen.set_extent(7.0, 7.0)

    assert seen.x0 < 7.0 < seen.x1


def line(*values: float) -> Columns:
    y = np.array(values)
    return Columns(np.arange(len(y), dtype=np.float64), y, y, y)


def test_fitted_y_shows_the_lines_with_some_air() -> None:
    lo, hi = fitted_y([line(0.5, 2.0)], EMPTY, is_log=False)

    assert 0.3 < lo < 0.5
    assert 2.0 < hi < 2.3


def test_fitted_y_is_not_ruled_by_one_huge_value() -> None:
    _, hi = fitted_y([line(0.5, 0.6, 0.7, 1e30)], EMPTY, is_log=False)

    assert hi < 1.0


def test_fitted_y_leaves_out_the_rarest_noise() -> None:
    noise = np.random.default_rng(0).uniform(0.4, 0.6, 1000)
    noise[500] = 5.0

    _, hi = fitted_y([], line(*noise), is_log=False)

    assert hi < 1.0


@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize("values", [(), (float("nan"),), (0.7,), (0.7, 0.7, 0.7), (0.0, 0.0), (-1.0,), (1e-300, 1e100)])
def test_fitted_y_is_a_range_whatever_comes(values: tuple[float, ...], is_log: bool) -> None:
    lo, hi = fitted_y([line(*values)], EMPTY, is_log=is_log)

    assert np.isfinite([lo, hi]).all()
    assert hi > lo
