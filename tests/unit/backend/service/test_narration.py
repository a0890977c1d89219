"""What `serve` tells: each file once at its start and once at its end, in words or as objects."""

from __future__ import annotations

import json
from pathlib import Path

from backend.contract.events import JobChanged, Notice, RunStateChanged
from backend.contract.jobs import JobState
from backend.formats.workspace import Workspace
from backend.service.narration import Narrator
from tests.fakes.fake_service import job


def tell(*states: JobState, as_json: bool = False) -> list[str]:
    told: list[str] = []
    narrator = Narrator(told.append, as_json=as_json)
    for number, state in enumerate(states):
        narrator.saw(number, JobChanged(at=1.0, job=job(1, state, total_steps=9, done_steps=number), cause="x"))
    narrator.goodbye("Goodbye.")
    return told


def test_narrator_tells_start_and_end_of_a_file_in_one_line_each() -> None:
    told = tell(
        JobState.CHECKING, JobState.QUEUED, JobState.STARTING, JobState.TRAINING, JobState.SAVING, JobState.FINISHED
    )
    assert [line.split(" ", 1)[1].strip() for line in told] == [
        "file_1.jsonl (job 1) goes on after 2 of 9 steps.",
        "file_1.jsonl (job 1) finished: 5 of 9 steps.",
        "Goodbye.",
    ]


def test_narrator_tells_that_a_file_waits_again_and_goes_on() -> None:
    told = tell(JobState.STARTING, JobState.TRAINING, JobState.QUEUED, JobState.STARTING)
    assert [" ".join(line.split()[4:6]) for line in told[:-1]] == ["starts: 9", "waits again", "goes on"]


def test_narrator_writes_one_object_a_line_when_json_was_asked() -> None:
    told = [json.loads(line) for line in tell(JobState.STARTING, JobState.FINISHED, as_json=True)]
    assert [one["event"] for one in told] == ["job_started", "job_ended", "goodbye"]
    assert told[1]["file"] == "file_1.jsonl"


def test_narrator_says_where_it_serves_and_how_to_leave(tmp_path: Path) -> None:
    told: list[str] = []
    narrator = Narrator(told.append)
    workspace = Workspace(tmp_path)
    narrator.serving(workspace, pid=7, until_idle=False)
    narrator.saw(1, Notice(at=1.0, level="warning", title="Odd\x1b", message="Very."))
    narrator.saw(2, RunStateChanged(at=1.0, run_state="paused", cause=""))
    narrator.goodbye("Goodbye.")
    text = "".join(told)
    assert all(part in text for part in (str(workspace.root), str(workspace.inbox), "Ctrl-C", "shutdown", "Paused."))
    assert "\x1b" not in text


def test_narrator_goes_on_when_nobody_reads() -> None:
    def broken(_text: str) -> None:
        raise BrokenPipeError

    narrator = Narrator(broken)
    narrator.ready("Nothing to do.")
    narrator.goodbye("Goodbye.")
