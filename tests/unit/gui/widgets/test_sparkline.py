"""The small curve: its words, its crosshair, what it survives."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from gui.widgets import sparkline
from gui.widgets.chart_geometry import Mapping
from gui.widgets.sparkline import Sparkline


@pytest.fixture
def small(qtbot: QtBot) -> Sparkline:
    made = Sparkline("Gradient norm")
    qtbot.addWidget(made)
    made.resize(140, 90)
    made.set_value("0.41")
    made.set_data(np.arange(101.0), np.arange(101.0) / 10)
    made.show()
    return made


def move_mouse(small: Sparkline, x: float) -> None:
    place, no_button = QPointF(x, 60.0), Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove, place, small.mapToGlobal(place), no_button, no_button, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(small, event)


def test_mouse_tells_the_point_it_is_at(qtbot: QtBot, small: Sparkline) -> None:
    with qtbot.waitSignal(small.hovered) as told:
        move_mouse(small, 70.0)

    assert told.args[0] == pytest.approx(50.0, abs=1.0)


def test_leaving_takes_the_crosshair_away(qtbot: QtBot, small: Sparkline) -> None:
    move_mouse(small, 70.0)

    with qtbot.waitSignal(small.hovered) as told:
        QApplication.sendEvent(small, QEvent(QEvent.Type.Leave))

    assert told.args == [None]


def test_set_hover_is_shown_and_silent(qtbot: QtBot, small: Sparkline) -> None:
    before = small.grab().toImage()

    with qtbot.assertNotEmitted(small.hovered):
        small.set_hover(50.0)

    assert small.grab().toImage() != before


def test_value_under_the_crosshair_is_written_as_asked(small: Sparkline) -> None:
    asked: list[float] = []
    small.set_format(lambda value: asked.append(value) or "shown")
    small.set_hover(30.0)
    small.grab()

    assert asked == [3.0]


def test_crosshair_stays_where_it_was_when_points_come(small: Sparkline) -> None:
    small.set_hover(50.0)
    small.set_data(np.arange(201.0), np.arange(201.0))
    asked: list[float] = []
    small.set_format(lambda value: asked.append(value) or "shown")
    small.grab()

    assert asked == [50.0]


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [2.0, 2.0], [float("nan")] * 3, [1.0, float("inf"), 2.0], [1e308, -1e308], [0.0, 0.0, 0.0]],
)
def test_sparkline_survives(small: Sparkline, values: list[float]) -> None:
    small.set_data(np.arange(len(values), dtype=np.float64), values)
    small.set_hover(1.0)

    assert not small.grab().isNull()


@pytest.fixture
def num_shapes(small: Sparkline, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often the curve was laid out since it was first painted, as the length of a list."""
    small.grab()
    made: list[int] = []
    make = sparkline.fitted_y
    monkeypatch.setattr(sparkline, "fitted_y", lambda *args, **more: made.append(1) or make(*args, **more))
    return made


def test_shape_is_kept_when_only_words_and_crosshair_change(small: Sparkline, num_shapes: list[int]) -> None:
    small.set_value("0.42")
    small.set_hover(20.0)
    small.grab()

    assert num_shapes == []


def test_shape_is_made_anew_when_points_come_or_the_room_changes(small: Sparkline, num_shapes: list[int]) -> None:
    before = small.grab().toImage()
    small.set_data(np.arange(101.0), np.arange(101.0)[::-1])
    assert small.grab().toImage() != before
    small.resize(150, 90)
    small.grab()

    assert len(num_shapes) == 2


def test_points_are_placed_all_at_once(small: Sparkline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mapping, "x_of", lambda *_: pytest.fail("a point was placed by itself"))
    small.set_data(np.arange(10_000.0), np.sin(np.arange(10_000.0)))

    assert not small.grab().isNull()


def test_long_titles_and_small_places_are_borne(small: Sparkline) -> None:
    small.set_title("x" * 5000)
    small.set_value("y" * 5000)
    small.resize(8, 8)

    assert not small.grab().isNull()


def test_sparkline_says_its_name_and_value(small: Sparkline) -> None:
    assert small.accessibleName() == "Gradient norm"
    assert small.accessibleDescription() == "0.41"
