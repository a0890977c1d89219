"""From values to pixels: right places, broken lines, coordinates the painter can bear."""

from __future__ import annotations

import numpy as np
import pytest

from gui.widgets.chart_geometry import Mapping, dashes, hair_lines, pieces, polygon, thinned
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
    lines = [*hair_lines(exact([1, 2, 3], [1e100, -1e100, 1.0]), VIEW), *pieces(exact([1, 2], [1e100, 0.0]), VIEW)]

    assert all(abs(point.y()) < 10_000 for line in lines for point in line)


def test_the_smooth_line_is_unbroken_in_short_pieces() -> None:
    lines = pieces(exact(list(np.linspace(0, 100, 700)), [1.0] * 700), VIEW)

    assert all(2 <= line.size() <= 33 for line in lines)
    assert (lines[0][0].x(), lines[-1][-1].x()) == (0.0, 1000.0)
    assert [line[-1] for line in lines[:-1]] == [line[0] for line in lines[1:]]


def test_a_lone_point_is_still_drawn() -> None:
    (line,) = pieces(exact([50], [1.0]), VIEW)

    assert [point.x() for point in line] == [499.0, 501.0]


def test_points_too_close_become_their_mean() -> None:
    x, y = thinned(exact(list(np.linspace(0, 100, 2000)), [1.0] * 2000), VIEW, 6.0)

    assert 150 <= len(x) <= 170
    assert np.diff(x[1:-1]).min() > 5.0
    assert y == pytest.approx(250.0)


def test_points_with_room_stay_as_they_are() -> None:
    x, _ = thinned(exact([0, 50, 100], [1.0, np.nan, 1.0]), VIEW, 6.0)

    assert x.tolist() == [0.0, 1000.0]


def test_dashes_lie_on_the_line_and_leave_gaps() -> None:
    lines = dashes(np.array([0.0, 90.0]), np.array([50.0, 50.0]))

    drawn = {(line.x1(), line.x2()) for line in lines}
    assert len(drawn) == 10
    assert all(0.0 <= start < end <= 90.0 for start, end in drawn)
    assert sum(end - start for start, end in drawn) == pytest.approx(55.0)
    assert {line.y1() for line in lines} == {50.0}


def test_dashes_of_a_line_that_never_ends_are_not_countless() -> None:
    assert len(dashes(np.array([0.0, 1e9]), np.array([0.0, 0.0]))) < 10_000
    assert dashes(np.array([5.0]), np.array([5.0])) == []


@pytest.mark.parametrize("num_points", [0, 1, 500])
def test_polygon_holds_its_points_also_of_arrays_with_strides(num_points: int) -> None:
    both = np.arange(2.0 * num_points)

    points = polygon(both[::2], -both[1::2])
    del both

    assert [(point.x(), point.y()) for point in points.toList()] == [(2 * n, -2 * n - 1) for n in range(num_points)]
