"""The list of the queue under real mouse and key events: what it asks for, and that it changes nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from backend.contract.arguments import MoveArgs
from backend.contract.jobs import JobState, Priority
from gui.pages.train.queue_delegate import HEADER_HEIGHT, JOB_HEIGHT, RUNNING_HEIGHT
from gui.pages.train.queue_landing import Landing
from gui.pages.train.queue_view import QueueView
from gui.state.queue_model import QueueModel
from gui.theme.palette import Look
from tests.fakes.example_session import job
from tests.fakes.hostile_strings import HOSTILE_STRINGS
from tests.unit.gui.pages.train.conftest import DONE, FIRST, HIGH, LOW, RUNNING, SECOND, THIRD, Wishes

LEFT, CONTROL, SHIFT = (
    Qt.MouseButton.LeftButton,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


@pytest.fixture
def view(qtbot: QtBot, dressed: Look, queue: QueueModel) -> Iterator[QueueView]:
    shown = QueueView(queue)
    qtbot.addWidget(shown)
    shown.resize(300, 700)
    shown.show()
    QApplication.processEvents()
    yield shown
    shown.drag.end()


def middle(view: QueueView, job_id: int) -> QPoint:
    return view.visualRect(view.model().index_of(job_id)).center()  # type: ignore[attr-defined]


def upper(view: QueueView, job_id: int) -> QPoint:
    return view.visualRect(view.model().index_of(job_id)).topLeft() + QPoint(80, 6)  # type: ignore[attr-defined]


def lift(view: QueueView, job_id: int) -> None:
    """Press on a job and move far enough to take it up."""
    at = middle(view, job_id)
    QTest.mousePress(view.viewport(), LEFT, pos=at)
    for distance in (4, 8, 16):
        QTest.mouseMove(view.viewport(), at + QPoint(0, distance))


def move_to(view: QueueView, at: QPoint) -> None:
    QTest.mouseMove(view.viewport(), at)


def let_go(view: QueueView, at: QPoint) -> None:
    QTest.mouseRelease(view.viewport(), LEFT, pos=at)


def test_rows_have_the_height_of_their_kind(view: QueueView) -> None:
    heights = [view.rowHeight(row) for row in range(6)]

    assert heights == [HEADER_HEIGHT, RUNNING_HEIGHT, HEADER_HEIGHT, JOB_HEIGHT, HEADER_HEIGHT, JOB_HEIGHT]


def test_rows_keep_the_height_of_their_kind_when_jobs_come_and_go(view: QueueView, queue: QueueModel) -> None:
    queue.upsert(job(20, priority=Priority.HIGH, position=1))
    queue.remove(RUNNING)

    kinds = [queue.job_at(queue.index(row)) is None for row in range(queue.rowCount())]
    heights = [view.rowHeight(row) for row in range(queue.rowCount())]
    assert heights == [HEADER_HEIGHT if is_header else JOB_HEIGHT for is_header in kinds]


def test_rows_lose_the_height_of_what_runs_when_it_ran_or_moved(view: QueueView, queue: QueueModel) -> None:
    queue.upsert(job(RUNNING, JobState.FINISHED))
    queue.upsert(job(HIGH, JobState.TRAINING))
    queue.upsert(job(HIGH, JobState.QUEUED, priority=Priority.HIGH))
    queue.reorder([THIRD, HIGH, SECOND, FIRST, LOW])
    queue.upsert(job(THIRD, JobState.TRAINING))

    kinds = [queue.number_at(row) for row in range(queue.rowCount())]
    heights = [view.rowHeight(row) for row in range(queue.rowCount())]
    special = {THIRD: RUNNING_HEIGHT}
    assert heights == [HEADER_HEIGHT if (kind or 0) <= 0 else special.get(kind, JOB_HEIGHT) for kind in kinds]


def test_selection_and_scroll_place_stay_when_too_much_is_new_to_say_it_row_by_row(
    view: QueueView, queue: QueueModel, qtbot: QtBot
) -> None:
    jobs = [job(number, position=number) for number in range(1, 400)]
    queue.load(jobs)
    view.select_jobs([301, 303, 304])
    view.verticalScrollBar().setValue(2000)

    with qtbot.waitSignal(queue.modelReset):
        queue.load([one for one in jobs if one.job_id > 200 or one.job_id % 2])

    assert view.selected_ids() == [301, 303, 304]
    assert queue.job_at(view.currentIndex()) is queue.job(301)
    assert view.verticalScrollBar().value() == 2000


def test_drag_asks_for_a_move_before_the_row_it_was_dropped_on(view: QueueView) -> None:
    wishes = Wishes(view, "move_requested", "priority_requested")

    lift(view, THIRD)
    move_to(view, upper(view, FIRST))
    assert view.drag.landing is not None
    let_go(view, upper(view, FIRST))

    assert wishes.said == [("move_requested", MoveArgs(job_ids=[THIRD], before=FIRST))]
    assert not view.drag.is_active


def test_drag_changes_no_row_by_itself(view: QueueView, queue: QueueModel) -> None:
    before = queue.shown_job_ids()

    lift(view, THIRD)
    move_to(view, upper(view, FIRST))
    let_go(view, upper(view, FIRST))

    assert queue.shown_job_ids() == before


def test_drag_into_another_group_names_its_job(view: QueueView) -> None:
    wishes = Wishes(view, "move_requested")

    lift(view, FIRST)
    move_to(view, upper(view, LOW))
    let_go(view, upper(view, LOW))

    assert wishes.said == [("move_requested", MoveArgs(job_ids=[FIRST], before=LOW))]


def test_drag_into_an_empty_group_asks_for_its_priority(view: QueueView, queue: QueueModel) -> None:
    queue.remove(LOW)
    wishes = Wishes(view, "move_requested", "priority_requested")

    lift(view, FIRST)
    last = view.drag.sections()[-2]
    assert last.priority is Priority.LOW
    header = view.visualRect(queue.index(last.header)).bottomLeft() + QPoint(80, -4)
    move_to(view, header)
    let_go(view, header)

    assert wishes.said == [("priority_requested", [FIRST], Priority.LOW)]


def test_drag_of_several_rows_keeps_their_order(view: QueueView) -> None:
    wishes = Wishes(view, "move_requested")
    view.select_jobs([THIRD, FIRST])

    lift(view, THIRD)
    move_to(view, upper(view, HIGH))
    let_go(view, upper(view, HIGH))

    assert wishes.said == [("move_requested", MoveArgs(job_ids=[FIRST, THIRD], before=HIGH))]


def test_drag_asks_for_nothing_when_dropped_where_it_came_from(view: QueueView) -> None:
    wishes = Wishes(view, "move_requested", "priority_requested")

    lift(view, SECOND)
    let_go(view, middle(view, SECOND))

    assert wishes.said == []


def test_drag_ends_without_a_wish_on_escape(view: QueueView) -> None:
    wishes = Wishes(view, "move_requested")

    lift(view, THIRD)
    move_to(view, upper(view, FIRST))
    QTest.keyClick(view, Qt.Key.Key_Escape)
    let_go(view, upper(view, FIRST))

    assert wishes.said == []
    assert view.drag.landing is None


def test_drag_does_not_take_up_the_running_job(view: QueueView) -> None:
    lift(view, RUNNING)

    assert not view.drag.is_active
    let_go(view, middle(view, SECOND))


def test_drag_goes_on_over_the_new_list_when_the_service_changes_it(view: QueueView, queue: QueueModel) -> None:
    wishes = Wishes(view, "move_requested")

    lift(view, THIRD)
    queue.remove(FIRST)
    move_to(view, upper(view, SECOND))
    let_go(view, upper(view, SECOND))

    assert [wish[1].job_ids for wish in wishes.said] in ([], [[THIRD]])
    assert all(wish[1].before != THIRD for wish in wishes.said)


def test_drag_scrolls_when_held_at_the_edge(qtbot: QtBot, view: QueueView, queue: QueueModel) -> None:
    queue.load([job(number, position=number) for number in range(1, 60)])
    view.resize(300, 300)
    QApplication.processEvents()

    lift(view, 2)
    move_to(view, QPoint(100, 298))

    qtbot.waitUntil(lambda: view.verticalScrollBar().value() > 200, timeout=5000)
    let_go(view, QPoint(100, 298))
    after = view.verticalScrollBar().value()
    QTest.qWait(60)
    assert view.verticalScrollBar().value() == after


def test_first_waiting_is_what_trains_next(view: QueueView) -> None:
    assert view.first_waiting([]) == HIGH
    assert view.first_waiting([HIGH]) == FIRST
    assert view.first_waiting([HIGH, FIRST, SECOND, THIRD, LOW]) is None


def test_everything_selected_names_jobs_and_no_groups(view: QueueView) -> None:
    view.selectAll()

    assert view.selected_ids() == [RUNNING, HIGH, FIRST, SECOND, THIRD, LOW, DONE]


def test_alt_arrows_ask_for_one_place_up_and_down(view: QueueView, queue: QueueModel) -> None:
    wishes = Wishes(queue, "move_requested")
    view.select_jobs([SECOND])

    QTest.keyClick(view, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert wishes.said == [("move_requested", [SECOND], MoveArgs(job_ids=[SECOND], before=FIRST))]
    QTest.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert wishes.said[1][2] == MoveArgs(job_ids=[SECOND], after=FIRST)
    assert view.selected_ids() == [SECOND]


def test_arrows_pass_over_the_names_of_groups(view: QueueView) -> None:
    view.setCurrentIndex(view.model().index_of(HIGH))  # type: ignore[attr-defined]

    QTest.keyClick(view, Qt.Key.Key_Down)
    assert view.selected_ids() == [FIRST]
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert view.selected_ids() == [HIGH]
    QTest.keyClick(view, Qt.Key.Key_Home)
    assert view.selected_ids() == [RUNNING]
    QTest.keyClick(view, Qt.Key.Key_Up)
    assert view.selected_ids() == [RUNNING]


@pytest.mark.parametrize(
    ("key", "modifiers", "expected"),
    [
        (Qt.Key.Key_Delete, Qt.KeyboardModifier.NoModifier, ("remove_requested", [FIRST, SECOND])),
        (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier, ("preview_requested", FIRST)),
        (Qt.Key.Key_F, CONTROL, ("find_requested",)),
    ],
    ids=["delete", "enter", "find"],
)
def test_keys_ask_for_what_they_are_known_for(
    view: QueueView, key: Qt.Key, modifiers: Qt.KeyboardModifier, expected: tuple[object, ...]
) -> None:
    wishes = Wishes(view, "remove_requested", "preview_requested", "find_requested")
    view.select_jobs([FIRST, SECOND])

    QTest.keyClick(view, key, modifiers)

    assert wishes.said == [expected]


def files(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def test_files_dropped_between_two_rows_land_there(view: QueueView, tmp_path: Path) -> None:
    wishes = Wishes(view, "files_dropped")
    data, at = files(tmp_path / "ä b.jsonl"), QPointF(upper(view, SECOND))
    actions, none = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction, Qt.KeyboardModifier.NoModifier

    enter = QDragEnterEvent(at.toPoint(), actions, data, LEFT, none)
    view.dragEnterEvent(enter)
    assert enter.isAccepted()
    assert enter.dropAction() is Qt.DropAction.CopyAction
    move = QDragMoveEvent(at.toPoint(), actions, data, LEFT, none)
    view.dragMoveEvent(move)
    view.dropEvent(QDropEvent(at, actions, data, LEFT, none))

    assert [(wish[1], wish[2].before) for wish in wishes.said] == [([str(tmp_path / "ä b.jsonl")], SECOND)]
    assert not view.drag.is_active


def test_files_that_leave_again_leave_no_line(view: QueueView, queue: QueueModel, tmp_path: Path) -> None:
    num_rows, data = queue.rowCount(), files(tmp_path / "a.jsonl")
    none = Qt.KeyboardModifier.NoModifier

    view.dragEnterEvent(QDragEnterEvent(upper(view, FIRST), Qt.DropAction.CopyAction, data, LEFT, none))
    assert view.drag.landing == Landing(Priority.NORMAL, 5, before=FIRST)
    view.dragLeaveEvent(QDragLeaveEvent())

    assert view.drag.landing is None
    assert queue.rowCount() == num_rows


def test_files_below_all_that_waits_land_behind_the_normal_ones(view: QueueView, tmp_path: Path) -> None:
    data, none = files(tmp_path / "a.jsonl"), Qt.KeyboardModifier.NoModifier

    for at in (middle(view, DONE), QPoint(100, 690)):
        view.dragEnterEvent(QDragEnterEvent(at, Qt.DropAction.CopyAction, data, LEFT, none))
        assert view.drag.landing is not None
        assert (view.drag.landing.priority, view.drag.landing.after) == (Priority.NORMAL, THIRD)


def test_rows_move_again_when_a_drag_ended_untold(view: QueueView, queue: QueueModel, tmp_path: Path) -> None:
    data, none = files(tmp_path / "a.jsonl"), Qt.KeyboardModifier.NoModifier
    view.dragEnterEvent(QDragEnterEvent(middle(view, FIRST), Qt.DropAction.CopyAction, data, LEFT, none))
    assert queue.show_empty_groups

    QTest.mouseMove(view.viewport(), middle(view, SECOND))

    assert not queue.show_empty_groups


def test_wheel_during_a_drag_moves_the_landing(view: QueueView, queue: QueueModel) -> None:
    queue.load([job(number, position=number) for number in range(1, 60)])
    view.resize(300, 300)
    QApplication.processEvents()
    lift(view, 2)
    move_to(view, QPoint(100, 150))
    before = view.drag.landing

    view.verticalScrollBar().setValue(400)

    assert view.drag.landing is not None
    assert before is not None
    assert view.drag.landing.row > before.row
    let_go(view, QPoint(100, 150))


def test_text_that_is_no_file_is_not_taken(view: QueueView) -> None:
    data = QMimeData()
    data.setText("hello")
    enter = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, LEFT, Qt.KeyboardModifier.NoModifier)

    view.dragEnterEvent(enter)

    assert not enter.isAccepted()


def test_hostile_names_are_painted_without_a_word(view: QueueView, queue: QueueModel) -> None:
    queue.load([job(number, file_name=name, reason=name) for number, name in enumerate(HOSTILE_STRINGS, start=1)])
    view.resize(300, 40 * JOB_HEIGHT + HEADER_HEIGHT)

    picture = view.grab()

    assert picture.width() > 0
    assert view.horizontalScrollBar().maximum() == 0
