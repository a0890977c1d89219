from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from backend.contract.arguments import AddArgs, MoveArgs
from backend.contract.errors import ErrorBody
from backend.contract.jobs import JobState, Priority
from backend.contract.results import AddResult, RefusedFile
from gui.actions.files import SLICE
from tests.fakes.fake_backend import job
from tests.unit.gui.actions.conftest import Desk

AWAY = ErrorBody(code="service_unavailable", title="Gone", message="Nobody answers.", status=503)


class Intake:
    """Adds what it is given; what is named in `vanished` it refuses, as the service does."""

    def __init__(self, desk: Desk) -> None:
        self.num_jobs = 0
        self.vanished: set[str] = set()
        desk.backend.answers["add"] = self

    def __call__(self, args: AddArgs) -> AddResult:
        refused = [path for path in args.paths if path in self.vanished]
        first = 1000 + self.num_jobs
        self.num_jobs += len(args.paths) - len(refused)
        return AddResult(
            jobs=[job(number, JobState.CHECKING) for number in range(first, 1000 + self.num_jobs)],
            refused=[RefusedFile(path=path, code="not_found", message="It is not there any more.") for path in refused],
        )


@pytest.fixture
def intake(desk: Desk) -> Intake:
    return Intake(desk)


def paths(number: int) -> list[str]:
    return [f"/data/file-{n}.jsonl" for n in range(number)]


def test_add_sends_absolute_paths_once_each(desk: Desk, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    desk.actions.add_files(["/data/a.jsonl", "sub/b.jsonl", "/data/folder", "/data/a.jsonl"], "high")
    expected = AddArgs(paths=["/data/a.jsonl", "/sub/b.jsonl", "/data/folder"], priority=Priority.HIGH)
    assert desk.asked("add") == [expected]


def test_add_says_how_many_came_in(desk: Desk, intake: Intake, qtbot: QtBot) -> None:
    desk.actions.add_files(paths(1))
    desk.actions.add_files(paths(3))
    qtbot.waitUntil(lambda: len(desk.said) == 2)
    assert desk.said == ["1 file was added.", "3 files were added."]
    assert desk.errors == []
    assert not desk.actions.files.is_adding


def test_add_puts_files_where_they_were_dropped_and_in_order(desk: Desk, intake: Intake, qtbot: QtBot) -> None:
    desk.actions.add_files(paths(SLICE + 2), Priority.NORMAL, after=5)
    qtbot.waitUntil(lambda: bool(desk.said))
    last = 1000 + SLICE - 1
    assert desk.asked("queue.move") == [
        MoveArgs(job_ids=list(range(1000, last + 1)), after=5),
        MoveArgs(job_ids=[last + 1, last + 2], after=last),
    ]
    desk.actions.add_files(paths(SLICE + 1), before=5)
    qtbot.waitUntil(lambda: len(desk.said) == 2)
    assert [args.before for args in desk.asked("queue.move")[2:]] == [5, 5]


def test_add_sends_five_thousand_files_in_slices_and_shows_how_far(desk: Desk, intake: Intake, qtbot: QtBot) -> None:
    seen: list[tuple[int, int]] = []
    desk.actions.files.progressed.connect(lambda done, of: seen.append((done, of)))
    desk.actions.add_files(paths(5000))
    qtbot.waitUntil(lambda: bool(desk.said))
    assert [len(args.paths) for args in desk.asked("add")] == [SLICE] * 25
    assert [path for args in desk.asked("add") for path in args.paths] == paths(5000)
    assert seen == [*((n * SLICE, 5000) for n in range(25)), (0, 0)]
    assert desk.said == ["5\u202f000 files were added."]


def test_add_can_be_cancelled_between_slices(desk: Desk, intake: Intake, qtbot: QtBot) -> None:
    desk.actions.files.progressed.connect(lambda done, of: desk.actions.cancel_adding() if done >= 400 else None)
    desk.actions.add_files(paths(5000))
    desk.actions.add_files(paths(7))  # waits behind it; cancelled too
    qtbot.waitUntil(lambda: bool(desk.stopped))
    assert len(desk.asked("add")) == 3
    assert desk.said == []
    assert desk.stopped == ["Stopped: 600 files were added, 4\u202f400 were not."]
    assert not desk.actions.files.is_adding
    desk.actions.add_files(paths(7))
    qtbot.waitUntil(lambda: desk.said == ["7 files were added."])


def test_add_hands_on_what_was_refused_with_its_sentence_while_the_others_go_on(
    desk: Desk, intake: Intake, qtbot: QtBot
) -> None:
    intake.vanished = {"/data/file-1.jsonl", "/data/file-250.jsonl"}
    with qtbot.waitSignal(desk.actions.files.refused) as signal:
        desk.actions.add_files(paths(300))
    assert [(file.path, file.message) for file in signal.args[0]] == [
        ("/data/file-1.jsonl", "It is not there any more."),
        ("/data/file-250.jsonl", "It is not there any more."),
    ]
    assert desk.said == ["298 files were added."]
    assert desk.errors == []


def test_add_refuses_names_that_are_no_text_itself(desk: Desk, intake: Intake, qtbot: QtBot) -> None:
    with qtbot.waitSignal(desk.actions.files.refused) as signal:
        desk.actions.add_files(["/data/ok.jsonl", "/data/\udcff.jsonl"])
    assert desk.asked("add") == [AddArgs(paths=["/data/ok.jsonl"])]
    (refused,) = signal.args[0]
    assert refused.path == "/data/?.jsonl"
    assert refused.message == "Its name is not valid text. Rename it and add it again."


def test_add_of_nothing_says_nothing(desk: Desk, intake: Intake) -> None:
    desk.actions.add_files([])
    assert (desk.asked("add"), desk.said, desk.errors) == ([], [], [])
    assert not desk.actions.files.is_adding


def test_add_stops_with_one_message_when_the_service_fails(desk: Desk, intake: Intake, qtbot: QtBot) -> None:
    def answer(args: AddArgs) -> AddResult | ErrorBody:
        return AWAY if len(desk.asked("add")) == 3 else intake(args)

    desk.backend.answers["add"] = answer
    desk.actions.add_files(paths(1000))
    qtbot.waitUntil(lambda: bool(desk.stopped))
    assert desk.errors == [AWAY]
    assert desk.said == []
    assert desk.stopped == ["Stopped: 400 files were added, 600 were not."]


def test_add_passes_hostile_names_on_as_they_are(desk: Desk, intake: Intake, tmp_path: Path) -> None:
    name = "/data/<b>x</b>\u202egnp\x07" + "a" * 10_000
    desk.actions.add_files([name])
    assert desk.asked("add") == [AddArgs(paths=[name])]
