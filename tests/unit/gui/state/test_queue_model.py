from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QListView
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from backend.contract.arguments import MoveArgs, PriorityArgs
from backend.contract.jobs import JobState, JobView, Priority
from gui.state.queue_groups import Group
from gui.state.queue_model import QueueModel, QueueRole
from tests.fakes.fake_backend import job

NOWHERE = QModelIndex()


def queue() -> list[JobView]:
    return [
        job(1, JobState.TRAINING, total_steps=100, done_steps=40, eta_seconds=60.0),
        job(2, priority=Priority.HIGH, position=0),
        job(3, position=0),
        job(4, position=1),
        job(5, position=2),
        job(9, JobState.FINISHED),
    ]


@pytest.fixture
def model(qtmodeltester: ModelTester, qapp: object) -> QueueModel:
    made = QueueModel()
    made.load(queue())
    return made


def shown(model: QueueModel) -> list[str | int]:
    rows: list[str | int] = []
    for row in range(model.rowCount()):
        one = model.job_at(model.index(row))
        rows.append(one.job_id if one is not None else model.data(model.index(row)))
    return rows


def row_of(model: QueueModel, job_id: int) -> int:
    return model.index_of(job_id).row()


def drop(model: QueueModel, job_ids: list[int], before: int) -> bool:
    """As QListView does it: row by row, each behind the one before."""
    places = sorted((QPersistentModelIndex(model.index_of(job_id)) for job_id in job_ids), key=lambda p: p.row())
    is_moved = False
    for place in places:
        if before not in (place.row(), place.row() + 1):
            is_moved |= model.moveRow(NOWHERE, place.row(), NOWHERE, before)
        before = place.row() + 1
    return is_moved


def asked(model: QueueModel) -> list[Any]:
    seen: list[Any] = []
    model.move_requested.connect(lambda job_ids, args: seen.append(args))
    return seen


def test_model_keeps_qts_rules_through_every_kind_of_change(model: QueueModel, qtmodeltester: ModelTester) -> None:
    qtmodeltester.check(model)
    model.upsert(job(6, priority=Priority.LOW, position=0))
    model.reorder([2, 5, 3, 4, 6])
    model.reorder([6, 4, 2, 3, 5])
    model.remove(3)
    drop(model, [4], row_of(model, 2))
    model.begin_drag()
    model.remove(5)
    model.end_drag()
    model.set_filter("file-2")
    model.set_filter("")
    model.load([job(n, position=n) for n in range(100, 200)])
    model.load([])
    qtmodeltester.check(model)


def test_rows_stand_in_groups_with_headers_when_loaded(model: QueueModel) -> None:
    assert shown(model) == ["RUNNING", 1, "HIGH", 2, "NORMAL", 3, 4, 5, "ENDED", 9]
    groups = [model.data(model.index(row), QueueRole.GroupRole) for row in range(model.rowCount())]
    assert groups == [0, 0, 1, 1, 2, 2, 2, 2, 4, 4]


def test_roles_tell_a_job_and_a_header_apart(model: QueueModel) -> None:
    header, row = model.index(0), model.index(1)
    assert model.data(header, QueueRole.HeaderRole) == "RUNNING"
    assert model.data(header, QueueRole.JobRole) is None
    assert model.data(row, QueueRole.HeaderRole) is None
    assert model.data(row, QueueRole.JobRole).job_id == 1
    assert model.data(row, QueueRole.ProgressRole) == 0.4
    assert "40" in model.data(row, QueueRole.DetailRole)
    assert "file-1.jsonl, training" in model.data(row, Qt.ItemDataRole.AccessibleTextRole)


def test_data_passes_hostile_names_on_as_they_are(model: QueueModel) -> None:
    name = "<b>x</b>\u202egnp.exe\x07" + "a" * 10_000
    model.upsert(job(7, file_name=name))
    assert model.data(model.index_of(7)) == name


def test_flags_let_only_waiting_jobs_be_dragged_and_nothing_be_dropped_on_rows(model: QueueModel) -> None:
    draggable = [bool(model.flags(model.index(row)) & Qt.ItemFlag.ItemIsDragEnabled) for row in range(10)]
    assert draggable == [False, False, False, True, False, True, True, True, False, False]
    assert not any(model.flags(model.index(row)) & Qt.ItemFlag.ItemIsDropEnabled for row in range(10))
    assert model.flags(NOWHERE) == Qt.ItemFlag.ItemIsDropEnabled
    assert not model.flags(model.index(0)) & Qt.ItemFlag.ItemIsSelectable


def test_move_is_shown_at_once_and_asked_for_as_one_when_rows_are_dropped(model: QueueModel, qtbot: QtBot) -> None:
    seen = asked(model)
    assert drop(model, [3, 4], row_of(model, 2))
    assert shown(model) == ["RUNNING", 1, "HIGH", 3, 4, 2, "NORMAL", 5, "ENDED", 9]
    assert seen == []
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [MoveArgs(job_ids=[3, 4], before=2)]


def test_move_asks_for_a_priority_when_the_group_is_empty(model: QueueModel, qtbot: QtBot) -> None:
    seen = asked(model)
    model.begin_drag()
    assert shown(model) == ["RUNNING", 1, "HIGH", 2, "NORMAL", 3, 4, 5, "LOW", "ENDED", 9]
    assert drop(model, [4], row_of(model, 5) + 2)
    model.end_drag()
    assert shown(model) == ["RUNNING", 1, "HIGH", 2, "NORMAL", 3, 5, "LOW", 4, "ENDED", 9]
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == [PriorityArgs(job_ids=[4], priority=Priority.LOW)]


@pytest.mark.parametrize("before", [0, 1, 9, 10])
def test_move_is_refused_when_it_would_overtake_what_runs_or_join_what_ended(model: QueueModel, before: int) -> None:
    assert not drop(model, [4], before)
    assert shown(model) == ["RUNNING", 1, "HIGH", 2, "NORMAL", 3, 4, 5, "ENDED", 9]


@pytest.mark.parametrize("job_id", [1, 9])
def test_move_is_refused_when_the_job_runs_or_ended(model: QueueModel, job_id: int) -> None:
    assert not drop(model, [job_id], row_of(model, 4))


def test_move_is_taken_back_when_the_service_refuses(model: QueueModel) -> None:
    drop(model, [5], row_of(model, 2))
    model.reject_moves()
    assert shown(model) == ["RUNNING", 1, "HIGH", 2, "NORMAL", 3, 4, 5, "ENDED", 9]


def test_move_is_corrected_when_the_service_says_another_order(model: QueueModel) -> None:
    drop(model, [5], row_of(model, 3))
    model.reorder([2, 4, 5, 3])
    assert shown(model) == ["RUNNING", 1, "HIGH", 2, "NORMAL", 4, 5, 3, "ENDED", 9]


def test_moves_still_unanswered_stay_shown_when_the_first_is_answered(model: QueueModel) -> None:
    model.move_up([5])
    model.move_up([5])
    assert shown(model)[4:8] == ["NORMAL", 5, 3, 4]
    model.reorder([2, 3, 5, 4])
    assert shown(model)[4:8] == ["NORMAL", 5, 3, 4]
    model.reorder([2, 5, 3, 4])
    assert shown(model)[4:8] == ["NORMAL", 5, 3, 4]


def test_move_survives_other_news_when_its_answer_is_on_the_way(model: QueueModel) -> None:
    drop(model, [5], row_of(model, 2))
    model.upsert(job(6, position=3))
    assert shown(model)[2:] == ["HIGH", 5, 2, "NORMAL", 3, 4, 6, "ENDED", 9]


def test_move_over_groups_stays_when_priority_comes_before_order(model: QueueModel) -> None:
    drop(model, [5], row_of(model, 2))
    expected = ["RUNNING", 1, "HIGH", 5, 2, "NORMAL", 3, 4, "ENDED", 9]
    model.upsert(job(5, priority=Priority.HIGH, position=0))
    assert shown(model) == expected
    model.reorder([5, 2, 3, 4])
    assert shown(model) == expected


def test_show_move_shows_a_wish_from_elsewhere_once(model: QueueModel) -> None:
    args = MoveArgs(job_ids=[5], before=3)
    model.show_move(args)
    model.show_move(args)
    assert shown(model)[4:8] == ["NORMAL", 5, 3, 4]
    model.reorder([2, 3, 4, 5])  # the one answer
    assert shown(model)[4:8] == ["NORMAL", 3, 4, 5]


def test_show_move_puts_jobs_last_when_only_the_priority_is_said(model: QueueModel) -> None:
    model.show_move(PriorityArgs(job_ids=[4], priority=Priority.HIGH))
    assert shown(model)[2:6] == ["HIGH", 2, 4, "NORMAL"]


def test_move_up_and_down_cross_groups_and_ask(model: QueueModel) -> None:
    seen = asked(model)
    model.move_up([3])
    assert shown(model)[2:6] == ["HIGH", 2, 3, "NORMAL"]
    model.move_down([3])
    assert seen == [MoveArgs(job_ids=[3], after=2), MoveArgs(job_ids=[3], before=4)]


def test_refresh_is_held_back_until_the_drag_ends(model: QueueModel) -> None:
    model.begin_drag()
    before = shown(model)
    model.load([job(1, JobState.FINISHED), job(8, priority=Priority.HIGH, position=0), job(4, position=0)])
    model.upsert(job(7, position=5))
    model.reorder([8, 7, 4])
    assert shown(model) == before
    assert model.job_at(model.index_of(3)) is not None
    assert not model.moveRow(NOWHERE, row_of(model, 3), NOWHERE, row_of(model, 2))  # gone meanwhile
    model.end_drag()
    assert shown(model) == ["HIGH", 8, "NORMAL", 7, 4, "ENDED", 1]


def test_progress_is_told_during_a_drag(model: QueueModel, qtbot: QtBot) -> None:
    model.begin_drag()
    with qtbot.waitSignal(model.dataChanged):
        model.upsert(msgspec.structs.replace(queue()[0], done_steps=50))
    assert model.data(model.index_of(1), QueueRole.ProgressRole) == 0.5


def test_upsert_puts_a_job_where_it_belongs_when_its_state_changes(model: QueueModel) -> None:
    model.upsert(job(1, JobState.FINISHED))
    model.upsert(job(3, JobState.STARTING))
    assert shown(model) == ["RUNNING", 3, "HIGH", 2, "NORMAL", 4, 5, "ENDED", 1, 9]
    model.upsert(job(3, JobState.QUEUED, position=7))  # interrupted: goes first
    assert shown(model)[2:5] == ["NORMAL", 3, 4]


def test_upsert_repaints_one_row_and_nothing_else_when_only_numbers_changed(model: QueueModel, qtbot: QtBot) -> None:
    rows: list[tuple[int, int]] = []
    model.dataChanged.connect(lambda first, last: rows.append((first.row(), last.row())))
    with qtbot.assertNotEmitted(model.layoutChanged), qtbot.assertNotEmitted(model.rowsInserted):
        model.upsert(msgspec.structs.replace(queue()[2], num_rows=7))
        model.upsert(msgspec.structs.replace(queue()[2], num_rows=7))
    assert rows == [(5, 5)]


def test_selection_follows_its_job_when_rows_move(model: QueueModel, qtbot: QtBot) -> None:
    view = QListView()
    qtbot.addWidget(view)
    view.setModel(model)
    view.selectionModel().select(model.index_of(4), QItemSelectionModel.SelectionFlag.Select)
    model.reorder([2, 5, 4, 3])
    model.reorder([2, 3, 5, 4])
    model.remove(3)
    selected = [job.job_id for index in view.selectedIndexes() if (job := model.job_at(index)) is not None]
    assert selected == [4]


def test_filter_hides_what_does_not_match_and_empty_groups(model: QueueModel) -> None:
    model.set_filter(" FILE-4 ")
    assert shown(model) == ["NORMAL", 4]
    model.upsert(job(41, priority=Priority.LOW))
    model.upsert(job(6))
    assert shown(model) == ["NORMAL", 4, "LOW", 41]
    model.set_filter("")
    assert len(shown(model)) == 13


def test_place_at_says_where_files_would_land(model: QueueModel) -> None:
    place = model.place_at(row_of(model, 4))
    assert place is not None
    assert (place.group, place.priority, place.before) == (Group.NORMAL, Priority.NORMAL, 4)
    assert model.place_at(model.rowCount()) is None


def test_summary_counts_files_and_time_when_the_speed_is_known(model: QueueModel, qtbot: QtBot) -> None:
    assert model.summary[:2] == (5, 60.0)
    with qtbot.waitSignal(model.summary_changed):
        model.set_seconds_per_step(2.0)
    steps = sum(one.total_steps for one in queue()[1:5])
    assert model.summary[:2] == (5, 60.0 + 2.0 * steps)
    assert model.data(model.index_of(2), QueueRole.EtaRole) == 52.0
    model.upsert(msgspec.structs.replace(queue()[0], eta_seconds=50.0))
    assert model.summary[:2] == (5, 50.0 + 2.0 * steps)
    model.upsert(job(5, JobState.HELD, position=2))
    model.remove(4)
    assert model.summary[:2] == (4, 50.0 + 2.0 * (steps - 13 * 9))
    model.upsert(job(1, JobState.FINISHED))
    assert model.summary[:2] == (3, 2.0 * (steps - 13 * 9))


def test_summary_says_at_least_while_a_file_is_being_checked(model: QueueModel) -> None:
    model.set_seconds_per_step(2.0)
    assert not model.summary.is_least
    model.upsert(job(6, JobState.CHECKING, total_steps=0))
    assert model.summary.is_least
    model.upsert(job(6, JobState.QUEUED, total_steps=9))
    assert not model.summary.is_least


def test_rows_change_once_a_turn_when_thousands_of_jobs_leave(qtbot: QtBot) -> None:
    model = QueueModel()
    model.gather(5)
    model.load([job(n, position=n) for n in range(1, 3001)])
    changes: list[str] = []
    for name in ("rowsRemoved", "rowsMoved", "layoutChanged", "modelReset"):
        getattr(model, name).connect(lambda *_, name=name: changes.append(name))
    for number in range(1, 2991):
        model.remove(number)
        model.upsert(job(5000 + number, JobState.FINISHED))
    assert model.job_at(model.index_of(2990)) is not None  # its row stands until the turn ends
    assert not model.moveRow(NOWHERE, row_of(model, 2990), NOWHERE, 1)
    qtbot.waitUntil(lambda: 2990 not in model.shown_job_ids())
    assert len(changes) < 10
    assert model.shown_job_ids() == [*range(2991, 3001), *range(7990, 5000, -1)]
    model.remove(3000)
    qtbot.waitUntil(lambda: 3000 not in model.shown_job_ids())


def test_check_progress_is_shown_while_a_file_is_checked(model: QueueModel) -> None:
    model.upsert(job(6, JobState.CHECKING))
    model.set_check_progress({6: 0.43})
    assert model.data(model.index_of(6), QueueRole.ProgressRole) == 0.43
    assert "43" in model.data(model.index_of(6), QueueRole.DetailRole)


def test_ten_thousand_jobs_are_loaded_and_reordered_within_a_frame(qapp: object) -> None:
    """Limits are several times what was measured, so that a busy machine does not fail them."""
    jobs = [job(n, position=n) for n in range(1, 10_001)]
    model = QueueModel()
    spent = time.process_time()
    model.load(jobs)
    assert time.process_time() - spent < 0.3
    order = [*range(2, 10_001), 1]
    model.reorder(order)
    spent = time.process_time()
    for turn in range(10):
        model.reorder(order[turn:] + order[:turn])
    assert (time.process_time() - spent) / 10 < 0.05
