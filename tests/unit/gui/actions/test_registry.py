from __future__ import annotations

import msgspec
import pytest
from pytestqt.qtbot import QtBot

from backend.contract.arguments import JobArgs, PauseArgs, PriorityArgs, StopArgs
from backend.contract.jobs import JobState, Priority
from backend.contract.status import RunState, StatusView
from backend.contract.verbs import BY_NAME, VERBS
from gui.actions.registry import NOT_IN_PALETTE, Command
from gui.client.connection_state import ConnectionState
from tests.fakes.fake_backend import job, status
from tests.unit.gui.actions.conftest import Desk


def command(desk: Desk, name: str) -> Command:
    return next(command for command in desk.actions.commands() if command.name == name)


def set_status(desk: Desk, **more: object) -> None:
    now = desk.stores.session.status
    assert now is not None
    desk.stores.session.set_status(msgspec.structs.replace(now, **more))


def test_every_verb_is_in_the_palette_or_says_why_not(desk: Desk) -> None:
    offered = {command.name.split()[0] for command in desk.actions.commands()}
    assert offered | set(NOT_IN_PALETTE) == {verb.name for verb in VERBS}
    assert not offered & set(NOT_IN_PALETTE)


def test_commands_take_their_words_from_the_contract_in_its_order(desk: Desk) -> None:
    commands = desk.actions.commands()
    for one in commands:
        verb = BY_NAME[one.name.split()[0]]
        assert one.title.split(" · ")[0] == verb.title
        assert one.help
    verbs = [one.name.split()[0] for one in commands]
    assert verbs == sorted(verbs, key=list(BY_NAME).index)
    assert len({one.name for one in commands}) == len(commands)


def test_commands_offer_each_choice_of_an_argument(desk: Desk) -> None:
    names = {one.name for one in desk.actions.commands()}
    assert {"stop", "stop now", "pause", "pause free"} <= names
    assert {"queue.set-priority high", "queue.set-priority low", "queue.clear finished"} <= names
    assert not {"queue.set-priority", "queue.clear"} & names
    assert command(desk, "stop now").help != command(desk, "stop").help


def test_commands_run_with_their_arguments(desk: Desk) -> None:
    desk.actions.set_selection([4, 5])
    command(desk, "stop now").run()
    command(desk, "pause free").run()
    command(desk, "queue.set-priority low").run()
    command(desk, "queue.hold").run()
    assert desk.asked("stop") == [StopArgs(now=True)]
    assert desk.asked("pause") == [PauseArgs(free=True)]
    assert desk.asked("queue.set-priority") == [PriorityArgs(job_ids=[4, 5], priority=Priority.LOW)]
    assert desk.asked("queue.hold") == [JobArgs(job_ids=[4, 5])]


def test_every_enabled_command_can_be_run(desk: Desk, qtbot: QtBot) -> None:
    desk.actions.set_selection([5])
    for one in desk.actions.commands():
        if one.enabled:
            one.run()
    qtbot.wait(20)
    assert desk.errors == []


def test_commands_that_need_more_ask_the_shell(desk: Desk, qtbot: QtBot) -> None:
    for name in ("add", "base.set"):
        with qtbot.waitSignal(desk.actions.input_requested) as signal:
            command(desk, name).run()
        assert signal.args == [name]
    desk.actions.set_selection([5])
    with qtbot.waitSignal(desk.actions.dataset_requested) as signal:
        command(desk, "dataset.show").run()
    assert signal.args == [5]


def test_commands_about_jobs_say_what_is_missing_without_a_selection(desk: Desk) -> None:
    desk.actions.set_selection([])
    for name in ("queue.hold", "queue.release", "queue.retry", "queue.remove", "queue.set-priority high"):
        assert command(desk, name).why_not == "Select files in the queue first."


@pytest.mark.parametrize(
    ("verb", "state", "is_enabled"),
    [
        ("queue.hold", JobState.QUEUED, True),
        ("queue.hold", JobState.HELD, False),
        ("queue.hold", JobState.TRAINING, False),
        ("queue.release", JobState.HELD, True),
        ("queue.release", JobState.QUEUED, False),
        ("queue.retry", JobState.FAILED, True),
        ("queue.retry", JobState.BLOCKED, True),
        ("queue.retry", JobState.QUEUED, False),
        ("queue.remove", JobState.FINISHED, True),
        ("queue.remove", JobState.PAUSED, False),
        ("queue.set-priority", JobState.QUEUED, True),
        ("queue.set-priority", JobState.TRAINING, False),
        ("dataset.show", JobState.QUEUED, True),
        ("dataset.show", JobState.CHECKING, False),
    ],
)
def test_rules_of_jobs_follow_their_state(desk: Desk, verb: str, state: JobState, is_enabled: bool) -> None:
    why_not = desk.actions.why_not(verb, [job(4, state)])
    assert (why_not == "") == is_enabled
    assert is_enabled or why_not.endswith(".")


def enabled(desk: Desk, *names: str) -> list[str]:
    return [name for name in names if command(desk, name).enabled]


TRAINING = ("pause", "resume", "skip", "stop", "stop now", "evaluate", "sample")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["pause", "skip", "stop", "stop now", "evaluate", "sample"]),
        ({"run_state": RunState.PAUSED}, ["resume", "skip", "stop", "stop now", "evaluate", "sample"]),
        ({"run_state": RunState.STOPPED, "job": None}, ["resume"]),
        ({"job": None}, ["pause", "stop now"]),
        ({"stop_after_file": True}, ["pause", "resume", "skip", "stop now", "evaluate", "sample"]),
        ({"stop_file": True, "run_state": RunState.STOPPED, "job": None}, []),
        ({"job": job(3, JobState.STOPPING)}, ["pause", "stop", "stop now", "evaluate", "sample"]),
    ],
)
def test_rules_of_training_follow_the_status(desk: Desk, more: dict[str, object], expected: list[str]) -> None:
    set_status(desk, **more)
    assert enabled(desk, *TRAINING) == expected


def test_rules_of_training_refuse_before_the_first_status(desk: Desk) -> None:
    desk.stores.session.status = None
    assert enabled(desk, *TRAINING) == []


def test_rules_refuse_what_the_service_could_not_hear(desk: Desk) -> None:
    desk.actions.set_selection([5])
    for state in (ConnectionState.INCOMPATIBLE, ConnectionState.REFUSED):
        desk.stores.session.set_connection(state)
        assert {one.why_not for one in desk.actions.commands()} == {state.sentence}


def test_rules_let_wishes_wait_for_a_service_that_is_on_its_way_or_was_ended(desk: Desk) -> None:
    desk.actions.set_selection([5])
    set_status(desk, run_state=RunState.STOPPED, job=None)
    for state in (ConnectionState.STARTING, ConnectionState.GONE):
        desk.stores.session.set_connection(state)
        assert enabled(desk, "add", "resume", "queue.hold", "queue.undo", "base.set")[:3] == [
            "add",
            "resume",
            "queue.hold",
        ]
        assert enabled(desk, "pause", "skip", "stop", "stop now", "evaluate", "shutdown") == []


def test_undo_rules_follow_what_there_is_to_undo(desk: Desk) -> None:
    assert enabled(desk, "queue.undo", "queue.redo") == ["queue.undo"]
    set_status(desk, can_undo="", can_redo="move job 4")
    assert enabled(desk, "queue.undo", "queue.redo") == ["queue.redo"]


def test_clear_rules_follow_what_is_in_the_queue(desk: Desk) -> None:
    desk.stores.queue.load([job(1, JobState.SKIPPED)])
    names = [f"queue.clear {what}" for what in ("finished", "failed", "waiting")]
    assert enabled(desk, *names) == ["queue.clear finished"]


def test_selection_forgets_jobs_that_left_the_queue(desk: Desk) -> None:
    desk.actions.set_selection([4, 5, 999])
    desk.stores.queue.remove(5)
    assert [one.job_id for one in desk.actions.selection] == [4]


def test_answer_with_a_status_is_shown_at_once(desk: Desk, qtbot: QtBot) -> None:
    answer = status(run_state=RunState.PAUSED)
    desk.backend.answers["pause"] = answer
    with qtbot.waitSignal(desk.stores.session.status_changed) as signal:
        desk.actions.pause()
    assert signal.args == [answer]
    assert isinstance(answer, StatusView)
