"""From values to pixels: right places, broken lines, coordinates the painter can bear."""

from __future__ import annotations

import numpy as np
import pytest

from gui.widgets.chart_geometry import Mapping, hair_lines, thinned, twin_lines
from gui.widgets.chart_levels import Columns

VIEW = Mapping(0.0, 100.0, 0.0, 2.0, 1000.0, 500.0, False)


def exact(x: list[float], y: list[float]) -> Columns:
    values = np.array(y)
    return Columns(np.array(x), values, values, values)


def test_mapping_turns_values_into_pixels_and_back() -> None:
    assert (VIEW.x_of(50.0), VIEW.y_of(0.5)) == (500.0, 375.0)
    assert (VIEW.x_at(500.0), VIEW.y_at(375.0)) == (50.0, 0.5)


def test_mapping_is_logarithmic_when_asked() -> None:
    view = VIEW._replace(y0=-1.0, y1=1.0, is_log=True)

    assert view.y_of(1.0) == pytest.approx(250.0)
    assert np.isnan(view.y_of(0.0))


def test_lines_break_at_gaps() -> None:
    lines = hair_lines(exact([10, 20, 30, 40, 50], [1.0, 1.0, np.nan, 1.0, 1.0]), VIEW)

    assert [line.size() for line in lines] == [2, 2]


def test_groups_are_drawn_from_lowest_to_highest() -> None:
    columns = Columns(np.array([10.0, 20.0]), np.array([1.0, 1.0]), np.array([0.5, 0.6]), np.array([1.5, 1.6]))

    (line,) = hair_lines(columns, VIEW)

    assert sorted(point.y() for point in line) == pytest.approx([100.0, 125.0, 350.0, 375.0])


def test_a_neighbour_far_outside_keeps_the_slope_of_the_line() -> None:
    view = Mapping(0.0, 1.0, 0.0, 2.0, 1000.0, 500.0, False)
    (line,) = hair_lines(exact([-1e6, 1e6], [0.0, 2.0]), view)

    assert [point.y() for point in line] == pytest.approx([250.0, 250.0], abs=0.1)
    assert all(-4000 <= point.x() <= 5000 for point in line)


def test_huge_values_stay_within_what_the_painter_can_bear() -> None:
    lines = [*hair_lines(exact([1, 2, 3], [1e100, -1e100, 1.0]), VIEW), *twin_lines(exact([1, 2], [1e100, 0.0]), VIEW)]

    assert all(abs(point.y()) < 10_000 for line in lines for point in line)


def test_the_smooth_line_is_two_pixels_wide() -> None:
    upper, lower = twin_lines(exact([0, 100], [1.0, 1.0]), VIEW)

    assert abs(upper[0].y() - lower[0].y()) == pytest.approx(1.0)  # centres of two lines one pixel wide


def test_a_lone_point_is_still_drawn() -> None:
    lines = twin_lines(exact([50], [1.0]), VIEW)

    assert [line.size() for line in lines] == [2, 2]


def test_points_too_close_become_their_mean() -> None:
    x, y = thinned(exact(list(np.linspace(0, 100, 2000)), [1.0] * 2000), VIEW, 6.0)

    assert 150 <= len(x) <= 170
    assert np.diff(x[1:-1]).min() > 5.0
    assert y == pytest.approx(250.0)


def test_points_with_room_stay_as_they_are() -> None:
    x, _ = thinned(exact([0, 50, 100], [1.0, np.nan, 1.0]), VIEW, 6.0)

    assert x.tolist() == [0.0, 1000.0]
