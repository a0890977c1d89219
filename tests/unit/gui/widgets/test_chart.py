"""The loss chart as people use it: wheel, drag, keys, crosshair, legend, files; and what it survives."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QMenu
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.chart import Band, LossChart, Mark
from tests.fakes.accessibility import unnamed_widgets
from tests.fakes.dressed import look

__all__ = ["look"]

NAN, INF = float("nan"), float("inf")
NOTHING_HELD = Qt.KeyboardModifier.NoModifier


@pytest.fixture
def chart(qtbot: QtBot) -> LossChart:
    made = LossChart()
    qtbot.addWidget(made)
    made.resize(700, 500)
    made.show()
    step = np.arange(1, 1001, dtype=np.float64)
    made.set_raw(step, 2.0 - step / 1000)
    made.set_validation([100.0, 500.0, 900.0], [2.1, 1.7, 1.4], gap=[0.2, NAN, 0.3])
    return made


def turn_wheel(chart: LossChart, at: float, notches: int, held: Qt.KeyboardModifier = NOTHING_HELD) -> None:
    viewport = chart.plot.viewport()
    place = QPointF(chart.plot.box.sceneBoundingRect().left() + chart.plot.mapping().x_of(at), 200.0)
    event = QWheelEvent(
        place, QPointF(viewport.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, held, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, event)


def drag(qtbot: QtBot, chart: LossChart, right: int, down: int = 0) -> None:
    viewport, start = chart.plot.viewport(), QPoint(350, 200)
    qtbot.mouseMove(viewport, start)
    qtbot.mousePress(viewport, Qt.MouseButton.LeftButton, pos=start)
    for part in range(1, 6):
        qtbot.mouseMove(viewport, start + QPoint(right * part // 5, down * part // 5))
        qtbot.wait(12)  # pyqtgraph takes a hundred moves a second
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=start + QPoint(right, down))


def words(chart: LossChart) -> str:
    return " ".join(label.text() for label in chart.findChildren(QLabel))


def test_chart_shows_everything_at_first(chart: LossChart) -> None:
    x0, x1 = chart.visible_range()

    assert x0 == pytest.approx(-10.988)  # the dot of the first step is whole
    assert x1 > 1000.0
    assert chart.is_following


def test_wheel_zooms_at_the_cursor(chart: LossChart) -> None:
    before = chart.plot.mapping()
    pixel = before.x_of(300.0)

    turn_wheel(chart, 300.0, 3)

    after = chart.plot.mapping()
    assert after.x1 - after.x0 < (before.x1 - before.x0) / 1.9
    assert after.x_of(300.0) == pytest.approx(pixel, abs=1.0)


def test_wheel_scales_y_alone_when_control_is_held(chart: LossChart) -> None:
    before = chart.plot.mapping()

    turn_wheel(chart, 300.0, 2, Qt.KeyboardModifier.ControlModifier)

    after = chart.plot.mapping()
    assert (after.x0, after.x1) == (before.x0, before.x1)
    assert after.y1 - after.y0 < before.y1 - before.y0


def test_y_follows_what_is_seen_until_it_is_taken_over(chart: LossChart) -> None:
    turn_wheel(chart, 1000.0, 8)
    seen = chart.plot.mapping()
    assert seen.y1 < 1.6

    turn_wheel(chart, 1000.0, 1, Qt.KeyboardModifier.ControlModifier)
    taken = chart.plot.mapping()
    chart.set_raw(np.arange(1.0, 1002.0), np.full(1001, 9.0))

    assert (chart.plot.mapping().y0, chart.plot.mapping().y1) == (taken.y0, taken.y1)


def test_drag_pans_and_ends_following(qtbot: QtBot, chart: LossChart) -> None:
    turn_wheel(chart, 800.0, 5)
    chart.set_follow(True)
    before = chart.visible_range()

    with qtbot.waitSignal(chart.follow_changed) as told:
        drag(qtbot, chart, 100)

    after = chart.visible_range()
    assert told.args == [False]
    assert after[0] < before[0]
    assert after[1] - after[0] == pytest.approx(before[1] - before[0])


def test_double_click_fits_again(qtbot: QtBot, chart: LossChart) -> None:
    turn_wheel(chart, 300.0, 6)
    place = QPoint(300, 200)

    qtbot.mouseClick(chart.plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(chart.plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseRelease(chart.plot.viewport(), Qt.MouseButton.LeftButton, pos=place)

    assert chart.visible_range()[0] == pytest.approx(-10.988)
    assert chart.is_following


def test_newest_step_stays_in_view_when_following(chart: LossChart) -> None:
    turn_wheel(chart, 1000.0, 8)

    chart.set_raw(np.arange(1.0, 3001.0), np.ones(3000))

    x0, x1 = chart.visible_range()
    assert x0 < 3000.0 < x1
    assert x0 > 2000.0


def test_view_stays_when_not_following(chart: LossChart) -> None:
    turn_wheel(chart, 300.0, 8)
    before = chart.visible_range()

    chart.set_raw(np.arange(1.0, 3001.0), np.ones(3000))

    assert not chart.is_following
    assert chart.visible_range() == before


def test_keys_move_zoom_follow_and_fit(qtbot: QtBot, chart: LossChart) -> None:
    whole = chart.visible_range()
    for _ in range(4):
        qtbot.keyClick(chart.plot, Qt.Key.Key_Plus)
    zoomed = chart.visible_range()
    qtbot.keyClick(chart.plot, Qt.Key.Key_Left)
    moved = chart.visible_range()
    qtbot.keyClick(chart.plot, Qt.Key.Key_F)
    following = chart.visible_range()
    qtbot.keyClick(chart.plot, Qt.Key.Key_0)

    assert zoomed[1] - zoomed[0] < (whole[1] - whole[0]) / 2
    assert moved[0] < zoomed[0]
    assert following[0] < 1000.0 < following[1]
    assert chart.visible_range() == whole


def test_crosshair_walks_by_keys_and_leaves_with_escape(qtbot: QtBot, chart: LossChart) -> None:
    places: list[float | None] = []
    chart.hovered.connect(places.append)

    for _ in range(3):
        qtbot.keyClick(chart.plot, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(chart.plot, Qt.Key.Key_Escape)

    assert places == [1000.0, 999.0, 998.0, None]


def test_crosshair_walks_over_gaps(qtbot: QtBot, chart: LossChart) -> None:
    chart.set_raw([1.0, 2.0, 3.0, 4.0], [1.0, NAN, INF, 2.0])
    chart.show_hover(4.0)

    qtbot.keyClick(chart.plot, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)

    assert chart.plot.hover.card is not None
    assert chart.plot.hover.card.x == 1.0


def test_another_history_is_shown_whole(chart: LossChart) -> None:
    turn_wheel(chart, 900.0, 10)

    chart.set_validation([], [])
    chart.set_raw(np.arange(1.0, 21.0), np.ones(20))

    assert chart.visible_range() == pytest.approx((0.772, 20.57))


def test_an_emptied_chart_is_as_at_first(chart: LossChart) -> None:
    turn_wheel(chart, 900.0, 10)
    chart.set_validation([], [])
    chart.set_raw([], [])
    chart.set_raw(np.arange(1.0, 2001.0), np.ones(2000))

    assert chart.is_following
    assert chart.visible_range()[0] == pytest.approx(-22.988)


def test_hovering_tells_the_step_and_its_values(qtbot: QtBot, chart: LossChart) -> None:
    place = QPoint(400, 200)

    with qtbot.waitSignal(chart.hovered, timeout=1000) as told:
        qtbot.mouseMove(chart.plot.viewport(), place - QPoint(5, 0))
        qtbot.mouseMove(chart.plot.viewport(), place)

    assert told.args[0] == round(told.args[0])
    assert "train" in words(chart)


def test_card_tells_train_validation_and_the_measured_gap(chart: LossChart) -> None:
    chart.set_smoothing(0.0)
    chart.set_hover(920.0)

    assert chart.plot.hover.card is not None
    lines = [text for text, _ in chart.plot.hover.card.lines]
    assert lines == ["step 920", "train 1.080", "validation 1.400", "gap 0.30"]


def test_card_tells_the_gap_of_the_curves_when_none_was_measured(chart: LossChart) -> None:
    chart.set_smoothing(0.0)
    chart.set_hover(600.0)

    assert chart.plot.hover.card is not None
    assert "gap 0.20" in [text for text, _ in chart.plot.hover.card.lines]


def test_card_names_a_mark_beside_it_when_there_is_no_room_for_its_words(chart: LossChart) -> None:
    chart.set_marks([Mark(float(at), f"crash {at} · resumed") for at in range(50, 1000, 50)])
    chart.plot.grab()

    chart.set_hover(500.0)

    assert chart.plot.hover.card is not None
    assert "crash 500 · resumed" in [text for text, _ in chart.plot.hover.card.lines]


def test_card_leaves_out_a_mark_whose_words_can_be_read(chart: LossChart) -> None:
    chart.set_marks([Mark(500.0, "crash · resumed")])
    chart.plot.grab()

    chart.set_hover(500.0)

    assert chart.plot.hover.card is not None
    assert "crash · resumed" not in [text for text, _ in chart.plot.hover.card.lines]


def test_header_gives_up_words_and_no_buttons_when_it_is_narrow(qtbot: QtBot, chart: LossChart) -> None:
    chart.resize(330, 300)
    QApplication.processEvents()

    header = chart.header
    assert header.export.geometry().right() <= header.width()
    assert header.smooth.text().startswith("0.94")
    chart.resize(900, 300)
    QApplication.processEvents()
    assert header.smooth.text().startswith("smooth")


def test_long_words_do_not_widen_the_chart(chart: LossChart) -> None:
    least = chart.minimumSizeHint().width()
    chart.set_marks([Mark(float(at), "killed from outside " * 20) for at in range(50, 1000, 50)])
    chart.plot.grab()

    chart.set_hover(500.0)

    assert chart.minimumSizeHint().width() == least


def test_set_hover_is_silent_so_that_plots_do_not_answer_each_other(qtbot: QtBot, chart: LossChart) -> None:
    with qtbot.assertNotEmitted(chart.hovered):
        chart.set_hover(500.0)
        chart.set_hover(None)


def num_different(one: QImage, other: QImage) -> int:
    pair = [np.frombuffer(image.constBits(), dtype=np.uint32) for image in (one, other)]
    return int(np.count_nonzero(pair[0] != pair[1]))


def test_the_crosshair_leaves_nothing_behind_when_the_view_has_moved(qtbot: QtBot, chart: LossChart) -> None:
    def on_screen() -> QImage:
        QApplication.processEvents()
        return chart.screen().grabWindow(chart.winId()).toImage()

    turn_wheel(chart, 300.0, 2)
    turn_wheel(chart, 300.0, -1)
    turn_wheel(chart, 300.0, 1)
    chart.set_hover(600.0)
    turn_wheel(chart, 300.0, -1)
    with_crosshair = on_screen()
    chart.set_hover(None)
    left_over = on_screen()
    chart.plot.viewport().update()  # painted anew, whole
    without = on_screen()

    assert num_different(with_crosshair, without) > 300
    assert num_different(left_over, without) < 20  # a hair line painted in parts may differ in a few pixels


def test_range_is_told_once_the_view_moved_and_not_again(qtbot: QtBot, chart: LossChart) -> None:
    with qtbot.waitSignal(chart.range_changed, timeout=2000):
        turn_wheel(chart, 300.0, 5)
    with qtbot.assertNotEmitted(chart.range_changed, wait=300):
        chart.set_raw(np.arange(1.0, 1001.0), np.ones(1000))


def test_range_told_is_the_range_seen(qtbot: QtBot, chart: LossChart) -> None:
    qtbot.waitSignal(chart.range_changed, timeout=2000).wait()
    with qtbot.waitSignal(chart.range_changed, timeout=2000) as told:
        turn_wheel(chart, 300.0, 5)

    assert tuple(told.args[:2]) == chart.visible_range()
    assert told.args[2] == int(chart.plot.mapping().width)


def test_axis_fits_anew_and_asks_for_points(qtbot: QtBot, chart: LossChart) -> None:
    with qtbot.waitSignal(chart.axis_changed) as told:
        chart.set_axis("time")
    at = 1.79e9 + np.arange(1000.0) * 2
    chart.set_raw(at, np.ones(1000), step=np.arange(1.0, 1001.0))

    assert told.args == ["time"]
    assert chart.visible_range()[0] == pytest.approx(1.79e9 - 23.976, abs=1e-3)
    assert chart.visible_steps() == (1, 1000)
    assert "step 1" in words(chart)


def test_log_leaves_out_what_has_no_logarithm(chart: LossChart) -> None:
    chart.set_log(True)
    chart.set_raw([1.0, 2.0, 3.0], [-1.0, 0.0, 0.5])
    chart.grab()

    assert chart.plot.mapping().is_log
    assert chart.plot.mapping().y0 < np.log10(0.5) < chart.plot.mapping().y1


def test_smoothing_follows_its_menu(qtbot: QtBot, chart: LossChart) -> None:
    with qtbot.waitSignal(chart.smoothing_changed) as told:
        next(item for item in chart.header.smoothing_menu.actions() if item.text() == "0.99").trigger()

    assert told.args == [0.99]
    assert chart.smoothing == 0.99


def test_a_line_smoothed_elsewhere_is_shown_until_it_is_taken_back(chart: LossChart) -> None:
    chart.set_smoothed([1.0, 1000.0], [7.0, 7.0])
    assert "train 7.000" in words(chart)

    chart.set_smoothed([], [])
    assert "train 7.000" not in words(chart)


def test_legend_hides_and_shows(qtbot: QtBot, chart: LossChart) -> None:
    chart.set_validation([500.0], [50.0])
    high = chart.plot.mapping().y1

    qtbot.mouseClick(chart.header.validation, Qt.MouseButton.LeftButton)

    assert chart.plot.mapping().y1 < high / 5


def test_the_empty_chart_says_what_will_come(qtbot: QtBot) -> None:
    empty = LossChart()
    qtbot.addWidget(empty)
    empty.resize(600, 400)
    empty.show()
    empty.grab()

    assert "first step" in empty.plot.accessibleDescription()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([5.0], [0.5]),
        ([1.0, 2.0], [0.7, 0.7]),
        ([1.0, 2.0, 3.0], [NAN, NAN, NAN]),
        ([1.0, 2.0, 3.0], [1.0, INF, -INF]),
        ([1.0, 2.0, 3.0], [1.0, 1e308, -1e308]),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]),
        ([3.0, 1.0, NAN], [1.0, 2.0, 3.0]),
        ([1.0, 1e15], [1.0, 2.0]),
        (list(range(0, 3000, 3)), [NAN if at % 2 else 1.0 for at in range(1000)]),
    ],
)
@pytest.mark.parametrize("is_log", [False, True])
def test_chart_survives(qtbot: QtBot, chart: LossChart, x: list[float], y: list[float], is_log: bool) -> None:
    chart.set_log(is_log)
    chart.set_validation(x, y)
    chart.set_raw(x, y)
    chart.set_hover(x[0])
    for notches in (5, 40, -80):
        turn_wheel(chart, x[0], notches)
        assert not chart.plot.grab().isNull()
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_Minus, Qt.Key.Key_End, Qt.Key.Key_Home):
        qtbot.keyClick(chart.plot, key)
    assert not chart.grab().isNull()


def test_a_million_points_are_drawn_as_a_few_thousand(chart: LossChart) -> None:
    chart.set_raw(np.arange(1_000_000.0), np.random.default_rng(1).random(1_000_000))
    chart.grab()

    assert sum(line.size() for line in chart.plot.curves._raw) < 4 * 700
    assert sum(line.size() for line in chart.plot.curves._smooth) < 4 * 700


@pytest.mark.parametrize("label", ["<b>bold</b>", "a\u202eb", "x" * 10_000, "zwei\nZeilen", ""])
def test_labels_from_data_are_shown_as_they_are(chart: LossChart, label: str) -> None:
    chart.set_bands([Band(1.0, 500.0, label), Band(500.0, 1000.0, label)])
    chart.set_marks([Mark(float(at), label) for at in range(100, 1000, 50)])

    assert not chart.grab().isNull()


def test_thousands_of_files_and_resumes_are_drawn_at_once(chart: LossChart) -> None:
    chart.set_bands([Band(at / 10, at / 10 + 0.1, f"{at}.jsonl") for at in range(10_000)])
    chart.set_marks([Mark(at / 10, "killed · resumed") for at in range(10_000)])
    chart.plot.grab()

    began = time.process_time()
    chart.plot.grab()

    assert time.process_time() - began < 0.25  # a loop over all of them with text takes seconds
    turn_wheel(chart, 300.0, 30)
    assert not chart.plot.grab().isNull()


def test_pictures_and_table_are_saved(qtbot: QtBot, chart: LossChart, tmp_path: Path) -> None:
    chart.set_bands([Band(1.0, 1000.0, "support & <chats>.jsonl")])
    for suffix in ("png", "svg", "csv"):
        with qtbot.waitSignal(chart.exported, timeout=5000) as told:
            chart.export(str(tmp_path / f"loss.{suffix}"))
        assert told.args == [str(tmp_path / f"loss.{suffix}")]

    image = QImage(str(tmp_path / "loss.png"))
    drawing = xml.etree.ElementTree.parse(tmp_path / "loss.svg").getroot()
    with open(tmp_path / "loss.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert image.width() > 2 * chart.plot.width()
    assert drawing.tag.endswith("svg")
    assert len(rows) == 1000
    assert float(rows[499]["loss"]) == 2.0 - 500 / 1000
    assert rows[499]["validation_loss"] == "1.7"
    assert rows[500]["validation_loss"] == ""


def test_saving_says_why_it_could_not(qtbot: QtBot, chart: LossChart, tmp_path: Path) -> None:
    with qtbot.waitSignal(chart.export_failed, timeout=5000) as told:
        chart.export(str(tmp_path / "nowhere" / "loss.csv"))

    assert "loss.csv" in told.args[0]


def test_saving_refuses_other_kinds_of_file(qtbot: QtBot, chart: LossChart, tmp_path: Path) -> None:
    with qtbot.waitSignal(chart.export_failed):
        chart.export(str(tmp_path / "loss.exe"))

    assert not list(tmp_path.iterdir())


def test_right_click_opens_our_own_menu(qtbot: QtBot, chart: LossChart, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[QMenu] = []
    monkeypatch.setattr(QMenu, "popup", lambda menu, place: opened.append(menu))
    place = QPoint(300, 200)

    qtbot.mousePress(chart.plot.viewport(), Qt.MouseButton.RightButton, pos=place)
    qtbot.mouseRelease(chart.plot.viewport(), Qt.MouseButton.RightButton, pos=place)

    (menu,) = opened
    assert [action.text() for action in menu.actions()][:3] == ["Fit", "Follow the newest step", "Logarithmic"]


def test_everything_has_a_name_for_those_who_cannot_see(chart: LossChart) -> None:
    assert unnamed_widgets(chart) == []
    assert "validation 1.400" in chart.plot.accessibleDescription()


def test_the_looks_follow_the_tokens(chart: LossChart, look: Look) -> None:
    chart.set_tokens(look.tokens)

    picture = chart.plot.grab().toImage()

    assert picture.pixelColor(1, 1).name() == look.tokens.panel


def test_only_the_chart_brings_pyqtgraph() -> None:
    code = (
        "import sys, gui.widgets, gui.widgets.sparkline\n"
        "assert 'pyqtgraph' not in sys.modules\n"
        "import gui.widgets.chart\n"
        "assert 'pyqtgraph' in sys.modules\n"
        "assert 'torch' not in sys.modules and 'backend' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])
