"""A curve of any length in a few points: nothing lost, nothing invented, nothing sorted wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from gui.widgets.chart_levels import FACTOR, Series, joined_runs, pauses_in, runs


def noisy(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    return np.arange(num_points, dtype=np.float64), random.normal(1.0, 0.2, num_points)


@pytest.mark.parametrize("num_points", [5_000, 1_000_000])
def test_columns_are_few_and_keep_every_extreme_when_the_curve_is_long(num_points: int) -> None:
    x, y = noisy(num_points)
    y[num_points // 3], y[num_points // 2] = 9.0, -9.0

    columns = Series(x, y).columns(0, num_points, 1000)

    assert len(columns.x) <= 1000 + FACTOR
    assert columns.hi.max() == 9.0
    assert columns.lo.min() == -9.0
    assert columns.mean.mean() == pytest.approx(y.mean(), abs=0.01)


def test_columns_are_the_points_themselves_when_there_is_room() -> None:
    x, y = noisy(200)

    columns = Series(x, y).columns(50, 60, 1000)

    assert columns.x.tolist() == [49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61]
    assert columns.is_exact
    assert np.array_equal(columns.mean, y[49:62])


def test_columns_hold_the_newest_point_when_reduced() -> None:
    x, y = noisy(100_003)

    columns = Series(x, y).columns(0, 100_003, 700)

    assert columns.x[-1] == 100_002


def test_columns_stay_the_same_when_the_view_moves() -> None:
    x, y = noisy(100_000)
    series = Series(x, y)

    here = series.columns(10_000, 60_000, 500)
    beside = series.columns(10_700, 60_700, 500)

    inner = [at for at in beside.x.tolist() if 12_000 < at < 58_000]
    assert set(inner) <= set(here.x.tolist())


def test_sparse_points_survive_beside_dense_ones() -> None:
    dense = np.linspace(0.0, 1.0, 50_000)
    x = np.concatenate((dense, [10.0, 20.0, 30.0]))
    y = np.concatenate((np.zeros(50_000), [1.0, 2.0, 3.0]))

    columns = Series(x, y).columns(0.0, 30.0, 600)

    assert columns.hi.max() == 3.0
    assert columns.x[-1] == 30.0


def test_gaps_stay_gaps_and_do_not_spread_when_reduced() -> None:
    x, y = noisy(40_000)
    y[5_000:15_000] = np.nan
    y[20_000] = np.inf

    columns = Series(x, y).columns(0, 40_000, 400)

    assert np.isnan(columns.mean).sum() == pytest.approx(100, abs=2)
    assert np.isfinite(columns.mean).sum() == pytest.approx(300, abs=3)
    assert len(runs(columns.mean)) == 2


def test_points_are_put_in_order_and_those_without_a_place_left_out() -> None:
    series = Series([3.0, np.nan, 1.0, 2.0, np.inf], [30.0, 0.0, 10.0, 20.0, 0.0])

    assert series.x.tolist() == [1.0, 2.0, 3.0]
    assert series.mean.tolist() == [10.0, 20.0, 30.0]


def test_huge_values_have_finite_means() -> None:
    series = Series(np.arange(50_000.0), np.full(50_000, 1.7e308))

    assert np.isfinite(series.columns(0, 50_000, 100).mean).all()


@pytest.mark.parametrize("num_points", [0, 1])
def test_columns_of_next_to_nothing(num_points: int) -> None:
    series = Series(np.zeros(num_points), np.ones(num_points))

    assert len(series.columns(-1.0, 1.0, 100).x) == num_points
    assert series.nearest(5.0) == (0 if num_points else None)
    assert series.latest() == (0 if num_points else None)


def test_nearest_passes_over_gaps() -> None:
    series = Series([0.0, 1.0, 2.0, 3.0], [5.0, np.nan, np.nan, 8.0])

    assert series.nearest(1.2) == 0
    assert series.nearest(1.9) == 3
    assert series.latest(2.5) == 0


def test_nearest_is_nothing_when_all_is_gap() -> None:
    assert Series([0.0, 1.0], [np.nan, np.inf]).nearest(0.0) is None


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        Series([1.0, 2.0], [1.0])


def test_a_pause_breaks_the_line_between_its_neighbours() -> None:
    x = np.concatenate((np.arange(0.0, 100.0, 2.0), np.arange(9_000.0, 9_100.0, 2.0)))
    pauses = pauses_in(x, np.ones(100))

    assert pauses.tolist() == [98.0]
    assert joined_runs(x, np.ones(100), pauses) == [slice(0, 50), slice(50, 100)]


def test_points_for_many_steps_beside_points_for_one_are_no_pauses() -> None:
    step = np.concatenate((np.arange(250.0, 100_000.0, 250.0), np.arange(100_000.0, 100_500.0)))

    assert len(pauses_in(step * 2.0, np.diff(step, prepend=0.0))) == 0


def test_a_slow_step_is_no_pause_when_it_is_short() -> None:
    assert len(pauses_in(np.array([0.0, 0.1, 0.2, 30.0, 30.1]), np.ones(5))) == 0
