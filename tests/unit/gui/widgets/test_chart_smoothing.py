"""The smooth line against the formula, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from gui.widgets.chart_smoothing import smoothed, steps_of


def one_by_one(losses: list[float], factor: float) -> list[float]:
    """The formula of single steps, as the module's text gives it."""
    total, line = 0.0, []
    for t, loss in enumerate(losses, 1):
        total = factor * total + (1 - factor) * loss
        line.append(total / (1 - factor**t))
    return line


@pytest.mark.parametrize("factor", [0.3, 0.94, 0.999])
def test_smoothed_is_the_formula_when_each_point_is_a_step(factor: float) -> None:
    losses = np.random.default_rng(1).normal(2.0, 0.5, 3_000)

    assert smoothed(losses, np.ones(3_000), factor) == pytest.approx(one_by_one(losses.tolist(), factor), rel=1e-9)


@pytest.mark.parametrize("factor", [0.5, 0.97])
def test_smoothed_is_the_formula_when_points_stand_for_several_steps(factor: float) -> None:
    means, counts = [2.0, 1.0, 4.0, 3.0], [1, 7, 250, 2]
    every = [mean for mean, count in zip(means, counts, strict=True) for _ in range(count)]
    ends = np.cumsum(counts) - 1

    line = smoothed(means, counts, factor)

    assert line == pytest.approx([one_by_one(every, factor)[end] for end in ends], rel=1e-9)


def test_smoothed_begins_at_the_first_loss() -> None:
    assert smoothed([5.0, 1.0], [1, 1], 0.999)[0] == pytest.approx(5.0)


def test_smoothed_is_the_raw_line_when_the_factor_is_zero() -> None:
    assert smoothed([1.0, np.nan, 3.0], [1, 1, 1], 0.0).tolist()[::2] == [1.0, 3.0]


def test_gaps_show_nothing_and_change_nothing() -> None:
    with_gaps = smoothed([1.0, np.nan, np.inf, 2.0], [1, 1, 1, 1], 0.9)
    without = smoothed([1.0, 2.0], [1, 1], 0.9)

    assert np.isnan(with_gaps[1:3]).all()
    assert with_gaps[[0, 3]] == pytest.approx(without)


@pytest.mark.parametrize("factor", [-1.0, 7.0])
def test_factors_outside_are_brought_inside(factor: float) -> None:
    assert np.isfinite(smoothed(np.ones(100), np.ones(100), factor)).all()


def test_a_constant_stays_what_it_is() -> None:
    assert smoothed(np.full(10_000, 0.7), np.full(10_000, 250.0), 0.999) == pytest.approx(np.full(10_000, 0.7))


def test_steps_of_counts_from_point_to_point() -> None:
    assert steps_of([10, 20, 25, 26]).tolist() == [10, 10, 5, 1]
    assert steps_of([7]).tolist() == [1]
    assert steps_of([]).tolist() == []
