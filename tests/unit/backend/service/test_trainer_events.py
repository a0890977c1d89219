"""What the trainer says and what the database says afterwards: once, twice, too late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.contract.datasets import CheckReport
from backend.contract.errors import ErrorBody
from backend.contract.events import JobChanged, Notice, ServiceEvent
from backend.contract.jobs import JobState, JobView, Priority
from backend.contract.models import BaseModelView
from backend.contract.settings import TrainingSettings
from backend.contract.spool import (
    AnyTrainerEvent,
    BudgetChanged,
    CheckpointSaved,
    Evaluated,
    JobFailed,
    JobFinished,
    JobLeft,
    JobStarted,
    Paused,
    PhaseChanged,
    RequestDone,
    Resumed,
    Step,
)
from backend.contract.status import RunState
from backend.formats.workspace import Workspace
from backend.queue import queue
from backend.service import intent, trainer_events
from backend.service.trainer_events import Reading
from backend.store import history
from backend.store.database import Database
from backend.supervisor import attempts
from backend.versions import bases, lineages

SETTINGS = TrainingSettings()


class Desk:
    """A database with one job that is being trained, and a spool to speak from."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        for folder in self.workspace.folders:
            folder.mkdir(parents=True, exist_ok=True)
        self.database = Database.open(self.workspace.database, self.workspace.journal)
        self.told: list[ServiceEvent] = []
        self.n = 0
        self.attempt_seq = 0
        self.job_id = self.database.run(self._prepare)
        self.database.subscribe(lambda _sequence, event: self.told.append(event))

    def _prepare(self, tx: Any) -> int:
        base = bases.put(tx, BaseModelView(base_id="b", source="x", folder=str(self.workspace.base_models / "b")))
        bases.choose(tx, "b")
        lineage = lineages.ensure(tx, base, SETTINGS)
        job = queue.add(
            tx, file_name="a", dataset_id="0" * 64, size_bytes=1, priority=Priority.NORMAL, settings=SETTINGS
        )
        report = CheckReport(ok=True, num_train=80)
        queue.checked(tx, job.job_id, report, tokens_folder=str(self.workspace.datasets / "t"), total_steps=10)
        queue.set_state(
            tx,
            job.job_id,
            JobState.STARTING,
            lineage_id=lineage.lineage_id,
            branch=lineages.branch(tx, lineage.lineage_id),
        )
        self.new_attempt(tx)
        return job.job_id

    def new_attempt(self, tx: Any) -> None:
        self.attempt_seq = attempts.begin(tx).attempt_seq
        self.n = 0

    def apply(self, *events: AnyTrainerEvent, is_exact: bool = True) -> None:
        reading = Reading(
            workspace=self.workspace,
            attempt_seq=self.attempt_seq,
            events=list(events),
            last_n=self.n,
            events_offset=7,
            is_exact=is_exact,
        )
        self.database.run(lambda tx: trainer_events.apply(tx, reading))

    def event(self, kind: type[Any], **fields: Any) -> Any:
        self.n += 1
        return kind(n=self.n, at=float(self.n), **{"job_id": self.job_id, **fields})

    def step(self, number: int, loss: float = 2.0, rows: list[int] | None = None) -> Step:
        made: Step = self.event(
            Step,
            global_step=number,
            job_step=number,
            loss=loss,
            loss_hex=loss.hex(),
            learning_rate=1.0,
            grad_norm=1.0,
            num_tokens=10,
            num_supervised=5,
            num_micro_batches=1,
            seconds=0.1,
            rows=rows or [number],
        )
        return made

    def job(self) -> JobView:
        return self.database.read(lambda tx: queue.get(tx, self.job_id))

    def started(self, **more: Any) -> JobStarted:
        fields = {"turn": 1, "global_step": 0, "job_step": 0, "total_steps": 10, "num_rows": 80, "warm": False}
        fields |= {"order_sha256": "x", "token_budget": 512, "num_threads": 2}
        made: JobStarted = self.event(JobStarted, **{**fields, **more})
        return made

    def notices(self) -> list[str]:
        return [event.title for event in self.told if isinstance(event, Notice)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.database.close()


def test_events_applied_twice_change_nothing_the_second_time(desk: Desk) -> None:
    evaluated = desk.event(Evaluated, global_step=2, validation_id="v", validation_loss=1.0)
    events = [desk.started(), desk.step(1), desk.step(2), evaluated]
    desk.apply(*events)
    before, told = desk.job(), len([event for event in desk.told if not isinstance(event, JobChanged)])
    desk.apply(*events)
    assert desk.job() == before
    assert len([event for event in desk.told if not isinstance(event, JobChanged)]) == told
    assert len(desk.database.read(lambda tx: history.metrics(tx, superseded=True))) == 2
    assert len(desk.database.read(history.evaluations)) == 1


def test_reading_is_noted_in_the_same_transaction(desk: Desk) -> None:
    desk.apply(desk.step(1))
    (attempt,) = desk.database.read(attempts.unended)
    assert (attempt.last_n, attempt.events_offset) == (1, 7)


def test_start_fixes_budget_and_threads_for_good(desk: Desk) -> None:
    desk.apply(desk.started())
    desk.apply(desk.started(token_budget=64, num_threads=9))
    assert desk.database.read(lambda tx: queue.token_budget(tx, desk.job_id)) == 512
    assert desk.database.read(lambda tx: intent.num_threads(tx, desk.job_id)) == 2
    assert desk.job().first_global_step == 1


def test_budget_halved_by_short_memory_is_said_and_kept(desk: Desk) -> None:
    desk.apply(desk.started(), desk.event(BudgetChanged, token_budget=256, reason="out_of_memory", global_step=3))
    assert desk.database.read(lambda tx: queue.token_budget(tx, desk.job_id)) == 256
    assert desk.notices() == ["Memory was short"]


@pytest.mark.parametrize(
    ("loss", "rows", "is_exact", "told"),
    [
        (2.0, [1], True, []),
        (2.5, [1], True, ["A repeated step gave another result"]),
        (2.5, [1], False, []),
        (2.5, [9], True, []),
    ],
)
def test_repeated_step_with_another_loss_is_a_loud_error_on_a_processor(
    desk: Desk, loss: float, rows: list[int], is_exact: bool, told: list[str]
) -> None:
    desk.apply(desk.started(), desk.step(1, loss=2.0))
    desk.database.run(desk.new_attempt)
    desk.apply(desk.started(), desk.step(1, loss=loss, rows=rows), is_exact=is_exact)
    assert desk.notices() == told


def test_state_of_the_job_follows_the_phases(desk: Desk) -> None:
    seen = []
    for event in (
        desk.started(),
        desk.event(PhaseChanged, phase="evaluating"),
        desk.event(PhaseChanged, phase="loading"),
        desk.event(PhaseChanged, phase="saving"),
        desk.event(Paused),
        desk.event(Resumed),
    ):
        desk.apply(event)
        seen.append(desk.job().state.value)
    assert seen == ["training", "evaluating", "evaluating", "saving", "paused", "training"]


def test_full_disk_pauses_with_a_notice(desk: Desk) -> None:
    desk.apply(desk.started(), desk.event(Paused, reason="disk_full"))
    assert (desk.job().state, desk.job().reason) == (JobState.PAUSED, "disk full")
    assert desk.notices() == ["The disk is nearly full"]


def test_job_that_is_stopping_does_not_run_on(desk: Desk) -> None:
    desk.apply(desk.started())
    desk.database.run(lambda tx: queue.set_state(tx, desk.job_id, JobState.STOPPING))
    desk.apply(desk.event(PhaseChanged, phase="saving"), desk.event(Resumed), desk.started(), desk.step(1))
    assert desk.job().state is JobState.STOPPING


def test_job_that_failed_says_why_and_stops_after_the_file_when_asked(desk: Desk) -> None:
    desk.database.run(lambda tx: intent.set_stops_after_file(tx, True))
    error = ErrorBody(code="x", title="This file", message="is empty.")
    desk.apply(desk.started(), desk.event(JobFailed, turn=1, error=error))
    assert (desk.job().state, desk.job().reason) == (JobState.FAILED, "This file: is empty.")
    assert desk.database.read(intent.run_state) is RunState.STOPPED
    assert desk.database.read(intent.ended_turn) == 1


def test_end_that_comes_too_late_moves_nothing(desk: Desk) -> None:
    left = {"turn": 1, "global_step": 3, "job_step": 3}
    desk.apply(desk.started(), desk.event(JobLeft, **left, reason="stop"))
    assert desk.job().state is JobState.QUEUED
    desk.apply(desk.event(JobFinished, **left), desk.event(JobLeft, **left, reason="skip"), desk.step(4))
    assert desk.job().state is JobState.QUEUED
    assert len(desk.database.read(history.metrics)) == 1, "what was trained is recorded all the same"


def test_end_without_its_checkpoint_is_no_end(desk: Desk) -> None:
    finished = {"turn": 1, "global_step": 10, "job_step": 10}
    desk.apply(desk.started(), desk.event(JobFinished, **finished))
    assert (desk.job().state, desk.job().reason) == (JobState.QUEUED, "its last checkpoint could not be read back")
    desk.database.run(lambda tx: queue.set_state(tx, desk.job_id, JobState.STARTING))
    desk.apply(desk.event(JobFinished, **finished))
    assert desk.job().state is JobState.BLOCKED


def test_checkpoint_that_is_gone_already_is_not_spoken_of(desk: Desk) -> None:
    saved = desk.event(
        CheckpointSaved,
        path=str(desk.workspace.current_model / "step-1"),
        manifest_sha256="x",
        global_step=1,
        job_step=1,
        size_bytes=1,
        seconds=0.0,
    )
    assert trainer_events.read_back(desk.workspace, saved) == []
    desk.apply(desk.started(), saved)
    assert desk.notices() == []


def test_request_leaves_the_list_when_it_was_carried_out(desk: Desk) -> None:
    request = desk.database.run(lambda tx: intent.add_request(tx, "sample"))
    error = ErrorBody(code="x", title="No samples", message="There is no prompt.")
    done = RequestDone(n=9, at=0.0, request_id=request.request_id, error=error)
    desk.apply(done)
    desk.apply(done)
    assert desk.database.read(intent.requests) == []
    assert desk.notices()[0] == "No samples"


def test_history_can_be_read_again_for_a_job_that_was_removed(desk: Desk) -> None:
    step = desk.step(1)
    orphan = Step(**{name: getattr(step, name) for name in step.__struct_fields__} | {"job_id": 999})
    desk.database.run(lambda tx: trainer_events.apply_history(tx, desk.attempt_seq, [orphan]))
    desk.apply(orphan, desk.started())
    assert desk.job().state is JobState.TRAINING
