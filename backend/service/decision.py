"""What the trainer shall do now: one pure function from facts to a decision."""

from __future__ import annotations

from dataclasses import dataclass

from backend.contract.spool import Desired
from backend.contract.status import RunState


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything the decision depends on."""

    run_state: RunState
    stop_file: bool = False
    is_shutting_down: bool = False
    is_safe_mode: bool = False
    frees_when_paused: bool = False
    next_job: int | None = None
    """The active job, else the one to train next."""
    is_leaving: bool = False
    """The active job is to be left (skip)."""
    may_start: bool = True
    """False while a restart waits or the disk is too full."""
    has_trainer: bool = False
    was_told_to_stop: bool = False
    assigned_job: int | None = None
    """Job the trainer has and did not end."""
    trainer_fits: bool = True
    """Whether the living process can take the next job; another base model needs a new one."""
    is_idle_for_long: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do about it."""

    desired: Desired | None = None
    """What control.json says; None: there is no trainer to tell anything."""
    job_id: int | None = None
    """The job control.json names."""
    starts_trainer: bool = False


_NOTHING = Decision()


def decide(facts: Facts) -> Decision:
    """First what forbids training, then pause, then work."""
    if facts.is_safe_mode:
        return _NOTHING
    if facts.has_trainer and facts.was_told_to_stop:
        return Decision(desired=Desired.STOP, job_id=facts.assigned_job)  # it is on its way out, whatever comes
    is_paused = facts.run_state is RunState.PAUSED
    if (
        facts.is_shutting_down
        or facts.stop_file
        or facts.run_state is RunState.STOPPED
        or (is_paused and facts.frees_when_paused)
    ):
        return _end_trainer(facts)
    if is_paused:
        job = None if facts.is_leaving else facts.assigned_job
        return Decision(desired=Desired.PAUSE, job_id=job) if facts.has_trainer else _NOTHING
    return _work(facts)


def _end_trainer(facts: Facts) -> Decision:
    return Decision(desired=Desired.STOP, job_id=facts.assigned_job) if facts.has_trainer else _NOTHING


def _work(facts: Facts) -> Decision:
    if facts.is_leaving:
        return Decision(desired=Desired.RUN) if facts.has_trainer else _NOTHING
    if facts.next_job is None:
        if facts.has_trainer and facts.is_idle_for_long:
            return Decision(desired=Desired.STOP)
        return Decision(desired=Desired.RUN) if facts.has_trainer else _NOTHING
    if not facts.has_trainer:
        return Decision(starts_trainer=facts.may_start)
    if facts.assigned_job != facts.next_job and not facts.trainer_fits:
        return Decision(desired=Desired.STOP)
    return Decision(desired=Desired.RUN, job_id=facts.next_job)
