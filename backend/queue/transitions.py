"""The job state machine: which state may follow which. Pure."""

from __future__ import annotations

from backend.contract.errors import ConflictError
from backend.contract.jobs import JobState

S = JobState
_RUN = {S.STARTING, S.TRAINING, S.EVALUATING, S.SAVING, S.PAUSED, S.STOPPING}
_ENDED = {S.FINISHED, S.SKIPPED, S.FAILED, S.QUARANTINED}
_AGAIN = frozenset({S.CHECKING, S.QUEUED, S.BLOCKED})

ALLOWED: dict[JobState, frozenset[JobState]] = {
    S.CHECKING: frozenset({S.QUEUED, S.HELD, S.BLOCKED, S.FAILED}),
    S.BLOCKED: frozenset({S.CHECKING, S.QUEUED, S.HELD, S.FAILED}),
    S.QUEUED: frozenset({S.CHECKING, S.HELD, S.BLOCKED, S.STARTING, S.FAILED, S.QUARANTINED}),
    S.HELD: frozenset({S.CHECKING, S.QUEUED, S.BLOCKED, S.FAILED}),
    # A running job goes from phase to phase as the trainer tells, back to QUEUED when it was interrupted, or ends.
    S.STARTING: frozenset(_RUN | _ENDED | {S.QUEUED, S.BLOCKED}),
    S.TRAINING: frozenset(_RUN | _ENDED | {S.QUEUED, S.BLOCKED}),
    S.EVALUATING: frozenset(_RUN | _ENDED | {S.QUEUED, S.BLOCKED}),
    S.SAVING: frozenset(_RUN | _ENDED | {S.QUEUED, S.BLOCKED}),
    S.PAUSED: frozenset(_RUN | _ENDED | {S.QUEUED, S.BLOCKED}),
    # What is stopping never runs on: it ends, or goes back into the queue.
    S.STOPPING: frozenset(_ENDED | {S.QUEUED, S.BLOCKED}),
    S.FINISHED: _AGAIN,
    S.SKIPPED: _AGAIN,
    S.FAILED: _AGAIN,
    S.QUARANTINED: _AGAIN,
}


def is_allowed(old: JobState, new: JobState) -> bool:
    """May a job go from `old` to `new`? Staying is always allowed."""
    return new == old or new in ALLOWED[old]


def check_move(old: JobState, new: JobState) -> None:
    """Raises ConflictError when a job may not go from `old` to `new`."""
    if not is_allowed(old, new):
        raise ConflictError(f"A job that is {old} cannot become {new}.", code="bad_transition")
