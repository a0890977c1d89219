from __future__ import annotations

from pytestqt.qtbot import QtBot

from backend.contract.arguments import ClearArgs, DatasetArgs, JobArgs, MoveArgs, PriorityArgs
from backend.contract.datasets import DatasetView
from backend.contract.errors import ErrorBody
from backend.contract.jobs import Priority
from tests.unit.gui.actions.conftest import Desk

REFUSED = ErrorBody(code="conflict", title="Not possible right now", message="Job 5 is being trained.", status=409)


def test_each_verb_asks_the_service_with_its_arguments(desk: Desk) -> None:
    actions = desk.actions
    actions.hold([4])
    actions.release([4])
    actions.retry([1, 2])
    actions.remove([5, 6])
    actions.clear("failed")
    actions.set_priority([4], "low")
    assert desk.asked("queue.hold") == [JobArgs(job_ids=[4])]
    assert desk.asked("queue.release") == [JobArgs(job_ids=[4])]
    assert desk.asked("queue.retry") == [JobArgs(job_ids=[1, 2])]
    assert desk.asked("queue.remove") == [JobArgs(job_ids=[5, 6])]
    assert desk.asked("queue.clear") == [ClearArgs(what="failed")]
    assert desk.asked("queue.set-priority") == [PriorityArgs(job_ids=[4], priority=Priority.LOW)]


def test_rows_change_only_when_the_service_says_so(desk: Desk, qtbot: QtBot) -> None:
    before = desk.stores.queue.shown_job_ids()
    desk.actions.remove([5])
    desk.actions.hold([4])
    qtbot.wait(20)
    assert desk.stores.queue.shown_job_ids() == before


def test_move_is_shown_at_once_and_taken_back_when_the_service_refuses(desk: Desk, qtbot: QtBot) -> None:
    before = desk.stores.queue.shown_job_ids()
    desk.backend.answers["queue.move"] = REFUSED
    with qtbot.waitSignal(desk.actions.failed):
        desk.actions.move(MoveArgs(job_ids=[6], before=5))
        assert desk.stores.queue.shown_job_ids() != before
    assert desk.stores.queue.shown_job_ids() == before
    assert desk.errors == [REFUSED]


def test_move_into_an_empty_group_changes_the_priority(desk: Desk) -> None:
    args = PriorityArgs(job_ids=[6], priority=Priority.HIGH)
    desk.actions.move(args)
    assert desk.asked("queue.set-priority") == [args]
    assert desk.asked("queue.move") == []


def test_move_that_the_model_asks_for_is_shown_once(desk: Desk) -> None:
    queue = desk.stores.queue
    queue.move_requested.connect(lambda job_ids, args: desk.actions.move(args))
    queue.move_up([6])
    assert desk.asked("queue.move") == [MoveArgs(job_ids=[6], before=5)]
    queue.reorder([4, 5, 6, 7])  # the answer to the one move, which says no
    assert queue.shown_job_ids()[:4] == [3, 4, 5, 6]


def test_undo_says_what_was_undone(desk: Desk, qtbot: QtBot) -> None:
    with qtbot.waitSignal(desk.actions.done):
        desk.actions.undo()
    with qtbot.waitSignal(desk.actions.done):
        desk.actions.redo()
    assert desk.said == ["Undone: move job 4.", "Done again: move job 4."]


def test_remove_says_how_to_get_it_back(desk: Desk, qtbot: QtBot) -> None:
    desk.actions.remove([4])
    desk.actions.remove([4, 5])
    qtbot.waitUntil(lambda: len(desk.said) == 2)
    assert desk.said == [
        "hotfix-refunds.jsonl was removed. Undo brings it back.",
        "2 files were removed. Undo brings them back.",
    ]


def test_remove_leaves_out_what_is_being_trained_and_says_so(desk: Desk, qtbot: QtBot) -> None:
    running = [one for one in desk.stores.queue.jobs() if one.job_id in (3, 4, 5)]
    assert desk.actions.why_not("queue.remove", running) == ""
    desk.actions.remove([3, 4, 5])
    assert desk.asked("queue.remove") == [JobArgs(job_ids=[4, 5])]
    qtbot.waitUntil(lambda: bool(desk.said))
    assert desk.said == ["2 files were removed. Undo brings them back. 1 file stays: it is being trained."]


def test_remove_of_what_is_being_trained_alone_is_left_to_the_service_to_refuse(desk: Desk, qtbot: QtBot) -> None:
    desk.backend.answers["queue.remove"] = REFUSED
    with qtbot.waitSignal(desk.actions.failed):
        desk.actions.remove([3])
    assert (desk.errors, desk.said) == ([REFUSED], [])


def test_failure_is_told_as_it_came_and_nothing_is_said(desk: Desk, qtbot: QtBot) -> None:
    desk.backend.answers["queue.remove"] = REFUSED
    with qtbot.waitSignal(desk.actions.failed) as signal:
        desk.actions.remove([4])
    assert signal.args == [REFUSED]
    assert desk.said == []


def test_show_dataset_hands_the_reply_to_who_asked(desk: Desk, qtbot: QtBot) -> None:
    view = DatasetView(dataset_id="d", file_name="f.jsonl", size_bytes=1, added_at=1.0)
    desk.backend.answers["dataset.show"] = view
    reply = desk.actions.show_dataset(4)
    with qtbot.waitSignal(reply.done) as signal:
        pass
    assert signal.args == [view]
    assert desk.asked("dataset.show") == [DatasetArgs(job_id=4)]


def test_show_dataset_leaves_a_failure_to_who_asked(desk: Desk, qtbot: QtBot) -> None:
    desk.backend.answers["dataset.show"] = REFUSED
    reply = desk.actions.show_dataset(4)
    with qtbot.waitSignal(reply.failed) as signal:
        pass
    assert signal.args == [REFUSED]
    assert desk.errors == []
