"""What the trainer said, put into the database: all events of one reading in one transaction.

Applying the same events twice changes nothing the second time. What was recorded of steps, evaluations and samples
holds whatever became of the job; a job's state only follows the trainer while the job is the active one.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from backend.contract.errors import DamagedError, NotFoundError
from backend.contract.events import EvaluationDone, Notice, SampleDone
from backend.contract.jobs import JobState, JobView
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
    Sampled,
    Step,
)
from backend.contract.status import RunState
from backend.formats.workspace import Workspace
from backend.queue import queue
from backend.service import intent
from backend.store import durable, history
from backend.store.database import Transaction
from backend.supervisor import attempts
from backend.versions import checkpoints, lineages

_PHASES = {
    "training": JobState.TRAINING,
    "evaluating": JobState.EVALUATING,
    "sampling": JobState.EVALUATING,
    "saving": JobState.SAVING,
    "paused": JobState.PAUSED,
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Events read together, and what is needed to apply them."""

    workspace: Workspace
    attempt_seq: int
    events: list[AnyTrainerEvent]
    last_n: int
    events_offset: int
    problems: dict[str, list[str]] = field(default_factory=dict)
    """For each checkpoint among the events, by path, what reading it back found."""
    is_exact: bool = False
    """On a processor a replayed step must give the same bits."""


def apply(tx: Transaction, reading: Reading) -> None:
    """Everything of one reading."""
    for event in reading.events:
        _apply_one(tx, reading, event)
    attempts.note_read(tx, reading.attempt_seq, last_n=reading.last_n, events_offset=reading.events_offset)


def apply_history(tx: Transaction, attempt_seq: int, events: list[AnyTrainerEvent]) -> None:
    """Only what is recorded for good; no job follows it. For spools of attempts that ended long ago."""
    for event in events:
        if isinstance(event, Step):
            history.add_step(tx, _branch(tx, event.job_id), attempt_seq, event)
        elif isinstance(event, Evaluated):
            history.add_evaluation(tx, _branch(tx, event.job_id), attempt_seq, event)
        elif isinstance(event, Sampled):
            history.add_sampled(tx, _branch(tx, event.job_id), attempt_seq, event)


def _apply_one(tx: Transaction, reading: Reading, event: AnyTrainerEvent) -> None:
    match event:
        case Step():
            _on_step(tx, reading, event)
        case Evaluated() | Sampled():
            _on_measured(tx, reading, event)
        case CheckpointSaved():
            _on_checkpoint(tx, reading, event)
        case JobStarted():
            _on_job_started(tx, event)
        case PhaseChanged() | Paused() | Resumed():
            _on_phase(tx, event)
        case JobFinished() | JobLeft() | JobFailed():
            _on_job_ended(tx, event)
        case RequestDone():
            _on_request_done(tx, event)
        case BudgetChanged():
            _on_budget(tx, event)


def _on_measured(tx: Transaction, reading: Reading, event: Evaluated | Sampled) -> None:
    branch = _branch(tx, event.job_id)
    if isinstance(event, Evaluated):
        if history.add_evaluation(tx, branch, reading.attempt_seq, event):
            tx.record(EvaluationDone(at=tx.now, evaluation=event))
    elif history.add_sampled(tx, branch, reading.attempt_seq, event):
        tx.record(SampleDone(at=tx.now, sample=event))


def _active(tx: Transaction, job_id: int | None) -> JobView | None:
    """The active job if it is the one the trainer speaks of."""
    job = queue.active(tx)
    return job if job is not None and job.job_id == job_id else None


def _branch(tx: Transaction, job_id: int) -> int:
    """The branch a job's steps are counted on; that of its checkpoints, else the current one, for a job that is not
    known any more."""
    lineage = None
    with suppress(NotFoundError):
        lineage = queue.get(tx, job_id).lineage_id
    if lineage is None:
        row = tx.one("SELECT branch FROM checkpoints WHERE job_id = ? ORDER BY attempt_seq DESC LIMIT 1", (job_id,))
        if row is not None:
            return int(row[0])
        current = lineages.current(tx)
        lineage = current.lineage_id if current else None
    return lineages.branch(tx, lineage) if lineage is not None else 0


def _on_step(tx: Transaction, reading: Reading, step: Step) -> None:
    branch = _branch(tx, step.job_id)
    is_new = history.add_step(tx, branch, reading.attempt_seq, step)
    is_compared = is_new and reading.is_exact
    other = history.replay_differs(tx, branch, reading.attempt_seq, step) if is_compared else None
    if other is not None:
        tx.record(
            Notice(
                at=tx.now,
                level="error",
                title="A repeated step gave another result",
                message=f"Step {step.global_step:,} was trained again after a restart and its loss is "
                f"{step.loss_hex} instead of {other}. Training goes on, but resuming was not exact.",
                job_id=step.job_id,
            )
        )
    job = _active(tx, step.job_id)
    if job is not None:
        if job.state is JobState.STARTING:
            queue.set_state(tx, job.job_id, JobState.TRAINING)
        queue.note_progress(
            tx, job.job_id, done_steps=step.job_step, last_global_step=step.global_step, last_loss=step.loss
        )
        known = intent.non_finite_step(tx, job.job_id)
        if known is not None and step.global_step > known:
            intent.set_non_finite_step(tx, job.job_id, None)


def _on_checkpoint(tx: Transaction, reading: Reading, saved: CheckpointSaved) -> None:
    folder = checkpoints.at_home(reading.workspace, saved.path, saved.manifest_sha256)
    if folder is None:
        return  # read a second time, long after it was retired or set aside, or another workspace's
    try:
        meta = checkpoints.read_meta(folder)
    except DamagedError as problem:
        tx.record(Notice(at=tx.now, level="error", title=problem.title, message=problem.message, job_id=saved.job_id))
        return
    view = checkpoints.index(tx, saved, meta, folder=folder)
    problems = reading.problems.get(saved.path, [])
    if problems:
        checkpoints.set_aside(tx, reading.workspace, view, problems)
        return
    checkpoints.mark_verified(tx, view.checkpoint_id)
    if _active(tx, saved.job_id) is not None:
        queue.set_cursor(tx, saved.job_id, saved.job_step)


def read_back(workspace: Workspace, saved: CheckpointSaved) -> list[str]:
    """Compare a folder just committed with what the trainer says it committed. Slow."""
    folder = checkpoints.at_home(workspace, saved.path, saved.manifest_sha256)
    return durable.verify_folder(folder, saved.manifest_sha256) if folder is not None else []


def _on_job_started(tx: Transaction, event: JobStarted) -> None:
    job = _active(tx, event.job_id)
    if job is None or job.state is JobState.STOPPING:
        return
    first = job.first_global_step if job.first_global_step is not None else event.global_step + 1
    queue.set_state(tx, job.job_id, JobState.TRAINING, first_global_step=first, total_steps=event.total_steps)
    queue.note_progress(tx, job.job_id, done_steps=event.job_step, last_global_step=event.global_step)
    if event.token_budget and not queue.token_budget(tx, job.job_id):
        queue.set_token_budget(tx, job.job_id, event.token_budget)
    if event.num_threads and not intent.num_threads(tx, job.job_id):
        intent.set_num_threads(tx, job.job_id, event.num_threads)


def _on_phase(tx: Transaction, event: PhaseChanged | Paused | Resumed) -> None:
    job = _active(tx, event.job_id)
    if job is None or job.state is JobState.STOPPING:
        return
    if isinstance(event, PhaseChanged):
        if event.phase in _PHASES:
            queue.set_state(tx, job.job_id, _PHASES[event.phase])
    elif isinstance(event, Paused):
        reason = "" if event.reason in ("", "asked") else event.reason.replace("_", " ")
        queue.set_state(tx, job.job_id, JobState.PAUSED, reason=reason)
        if event.reason == "disk_full":
            tx.record(
                Notice(
                    at=tx.now,
                    level="warning",
                    title="The disk is nearly full",
                    message="Training paused at the step boundary; everything trained is safe. It goes on by itself "
                    "when there is space.",
                    job_id=job.job_id,
                )
            )
    else:
        queue.set_state(tx, job.job_id, JobState.TRAINING)


def _on_job_ended(tx: Transaction, event: JobFinished | JobLeft | JobFailed) -> None:
    intent.set_ended_turn(tx, event.turn)
    job = _active(tx, event.job_id)
    if job is None:
        return
    match event:
        case JobFinished():
            finish_job(tx, job, job_step=event.job_step, global_step=event.global_step)
        case JobLeft():
            leave_job(tx, job, reason=event.reason)
        case JobFailed():
            queue.fail(tx, job.job_id, event.error.sentence())
            _after_job(tx)


def finish_job(tx: Transaction, job: JobView, *, job_step: int, global_step: int) -> None:
    """All rows were trained on, if the checkpoint that says so could be read back; else the job goes on from the
    one before, once."""
    if queue.cursor(tx, job.job_id) < job_step:
        reason = "its last checkpoint could not be read back"
        if intent.has_lost_its_end(tx, job.job_id):
            queue.block(tx, job.job_id, f"{reason}, twice; the disk may be failing")
        else:
            intent.set_lost_its_end(tx, job.job_id)
            queue.interrupt(tx, job.job_id, reason)
        return
    queue.set_state(
        tx, job.job_id, JobState.FINISHED, done_steps=job_step, last_global_step=global_step, eta_seconds=None
    )
    _after_job(tx)


def leave_job(tx: Transaction, job: JobView, *, reason: str) -> None:
    """The trainer saved and let go of the job: skipped, put back into the queue, or kept for the end of a pause."""
    done = queue.cursor(tx, job.job_id)
    if intent.leaving_job(tx) == job.job_id:
        text = f"skipped after {done:,} of {job.total_steps:,} steps; `queue retry {job.job_id}` goes on there"
        queue.set_state(tx, job.job_id, JobState.SKIPPED, reason=text, done_steps=done)
        _after_job(tx)
    elif intent.run_state(tx) is RunState.PAUSED and job.state is not JobState.STOPPING:
        queue.set_state(tx, job.job_id, JobState.PAUSED, reason="paused; the trainer was ended", done_steps=done)
    else:
        why = "stopped by the .stop file" if reason == "stop_file" else "stopped"
        queue.interrupt(tx, job.job_id, f"{why} after {done:,} of {job.total_steps:,} steps")


def _after_job(tx: Transaction) -> None:
    intent.set_leaving_job(tx, None)
    if intent.stops_after_file(tx):
        intent.set_stops_after_file(tx, False)
        intent.set_run_state(tx, RunState.STOPPED, "the file that was to be finished first is done")


def _on_request_done(tx: Transaction, event: RequestDone) -> None:
    intent.drop_requests(tx, event.request_id)
    if event.error is not None:
        tx.record(Notice(at=tx.now, level="warning", title=event.error.title, message=event.error.sentence()))


def _on_budget(tx: Transaction, event: BudgetChanged) -> None:
    if _active(tx, event.job_id) is None:
        return
    queue.set_token_budget(tx, event.job_id, event.token_budget)
    if event.reason == "out_of_memory":
        tx.record(
            Notice(
                at=tx.now,
                level="warning",
                title="Memory was short",
                message=f"From step {event.global_step:,} on the work is cut into portions of {event.token_budget:,} "
                "tokens. The same examples are trained, as many a step as before; nothing is lost.",
                job_id=event.job_id,
            )
        )
