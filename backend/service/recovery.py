"""What becomes of the job when its trainer is gone. In one transaction with the attempt's end."""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract.events import Notice
from backend.contract.jobs import JobState, JobView
from backend.contract.status import RunState
from backend.formats.workspace import Workspace
from backend.queue import queue
from backend.service import base_damage, intent, trainer_events
from backend.service.assignments import RECOVERING
from backend.store.database import Transaction
from backend.supervisor.outcome import EndKind, Outcome
from backend.supervisor.restarts import RestartBudget
from backend.versions import checkpoints


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What was decided."""

    delay_seconds: float = 0.0
    """Wait that long before the next trainer is started."""
    error: str | None = None
    """For the status, until training goes on."""


@dataclass(frozen=True, kw_only=True)
class Death:
    """A trainer's end and what stood around it."""

    outcome: Outcome
    has_begun: bool
    """Whether it came as far as to begin a file."""
    stop_file: bool


_NEEDS_YOU = {EndKind.OUT_OF_MEMORY, EndKind.BAD_MODEL}
_FAILS = {EndKind.BAD_ASSIGNMENT}


def settle(tx: Transaction, workspace: Workspace, death: Death, budget: RestartBudget) -> Settled:
    """Move the active job to where it belongs after this end of its trainer."""
    outcome = death.outcome
    intent.set_ended_turn(tx, intent.last_turn(tx))
    if outcome.kind is EndKind.BAD_BASE:
        base_damage.note(tx, outcome.sentence)
    job = queue.active(tx)
    if job is None:
        return Settled(error=None if outcome.kind is EndKind.ORDERLY else outcome.sentence)
    if intent.leaving_job(tx) == job.job_id:
        trainer_events.leave_job(tx, job, reason="skip")
        return Settled()
    run_state = intent.run_state(tx)
    if run_state is RunState.STOPPED or death.stop_file:
        reason = "stop_file" if death.stop_file else "stop"
        trainer_events.leave_job(tx, job, reason=reason)
        return Settled()
    if outcome.kind in _NEEDS_YOU:
        queue.block(tx, job.job_id, outcome.sentence)
        return _tell(tx, job, outcome, done="The file waits for you; the queue goes on.")
    if outcome.kind is EndKind.BAD_BASE:
        queue.interrupt(tx, job.job_id, "waits for the base model, which is damaged")
        return Settled()  # the status says it as long as it is so
    if outcome.kind in _FAILS:
        queue.fail(tx, job.job_id, outcome.sentence)
        return _tell(tx, job, outcome, done="The queue goes on with the next file.")
    if run_state is RunState.PAUSED:
        _back_to(tx, job, JobState.PAUSED, "paused; the trainer ended")
        return Settled()
    if outcome.kind is EndKind.NON_FINITE:
        return _settle_non_finite(tx, job, outcome)
    if outcome.kind is EndKind.BAD_CHECKPOINT:
        _set_head_aside(tx, workspace, job, outcome)
    if outcome.kind is EndKind.ORDERLY:
        _back_to(tx, job, JobState.STARTING, "starting again")
        return Settled()
    return _restart(tx, job, death, budget)


def _restart(tx: Transaction, job: JobView, death: Death, budget: RestartBudget) -> Settled:
    outcome = death.outcome
    delay = budget.saw_death(own_fault=outcome.is_own_fault, has_begun=death.has_begun)
    if budget.is_hopeless:
        return _give_up(tx, job, outcome, budget)
    if budget.is_poisoned:
        done = queue.cursor(tx, job.job_id)
        reason = f"set aside after ending the trainer again and again without a new step: {outcome.sentence}"
        queue.set_state(tx, job.job_id, JobState.QUARANTINED, reason=reason, done_steps=done)
        budget.forget()
        return _tell(tx, job, outcome, done="The file was set aside, model and data are safe, the queue goes on.")
    _back_to(tx, job, JobState.STARTING, f"{RECOVERING}: {outcome.sentence}", restarts=job.restarts + 1)
    return Settled(delay_seconds=delay, error=outcome.sentence)


def _give_up(tx: Transaction, job: JobView, outcome: Outcome, budget: RestartBudget) -> Settled:
    """Trainers end before they come to any file: no file is to blame, and none would fare better."""
    budget.forget()
    queue.interrupt(tx, job.job_id, f"the trainer does not start: {outcome.sentence}")
    intent.set_run_state(tx, RunState.STOPPED, "the trainer does not start")
    tx.record(
        Notice(
            at=tx.now,
            level="error",
            title="The trainer does not start",
            message=f"{outcome.sentence} Training is stopped; the queue and everything trained are safe. `resume` "
            "tries again.",
        )
    )
    return Settled(error=outcome.sentence)


def _back_to(tx: Transaction, job: JobView, state: JobState, reason: str, *, restarts: int | None = None) -> None:
    if job.state is JobState.STOPPING:  # what is stopping never runs on: it takes its turn again
        queue.interrupt(tx, job.job_id, reason)
        return
    more = {} if restarts is None else {"restarts": restarts}
    queue.set_state(tx, job.job_id, state, reason=reason, done_steps=queue.cursor(tx, job.job_id), **more)


def _settle_non_finite(tx: Transaction, job: JobView, outcome: Outcome) -> Settled:
    step = outcome.global_step or 0
    if intent.non_finite_step(tx, job.job_id) is None:
        intent.set_non_finite_step(tx, job.job_id, step)
        _back_to(tx, job, JobState.STARTING, f"{RECOVERING}: {outcome.sentence}", restarts=job.restarts + 1)
        return Settled(error=outcome.sentence)
    intent.set_non_finite_step(tx, job.job_id, None)
    queue.block(tx, job.job_id, f"{outcome.sentence} It happened again after going back to the last checkpoint.")
    return _tell(tx, job, outcome, done="The model is as the last checkpoint left it; the file waits for you.")


def _set_head_aside(tx: Transaction, workspace: Workspace, job: JobView, outcome: Outcome) -> None:
    """The trainer could not use the checkpoint it was given: it goes, and the one before is next."""
    head = checkpoints.newest(tx, job.lineage_id) if job.lineage_id is not None else None
    if head is not None:
        checkpoints.set_aside(tx, workspace, head, [outcome.sentence])
        before = checkpoints.newest(tx, head.lineage_id)
        queue.set_cursor(tx, job.job_id, checkpoints.job_steps(tx, before).get(job.job_id, 0))


def _tell(tx: Transaction, job: JobView, outcome: Outcome, *, done: str) -> Settled:
    tx.record(
        Notice(
            at=tx.now,
            level="error",
            title=f"{job.file_name} cannot go on",
            message=f"{outcome.sentence} {done}",
            job_id=job.job_id,
        )
    )
    return Settled(error=outcome.sentence)
