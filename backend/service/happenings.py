"""What happened lately, read back from the change log: what a person would want to be told, nothing else."""

from __future__ import annotations

import msgspec

from backend.contract.events import (
    AnyServiceEvent,
    BaseChanged,
    CheckpointCommitted,
    ConfigChanged,
    EvaluationDone,
    JobChanged,
    Notice,
    RunStateChanged,
)
from backend.contract.jobs import JobState
from backend.store.database import Transaction
from backend.store.journal import decode

_EVENTS = msgspec.json.Decoder(AnyServiceEvent)
_TOLD = (Notice, CheckpointCommitted, EvaluationDone, RunStateChanged, ConfigChanged)
_TOLD_STATES = frozenset(
    {JobState.STARTING, JobState.BLOCKED, JobState.FINISHED, JobState.SKIPPED, JobState.FAILED, JobState.QUARANTINED}
)
_PAGE = 500


def newest(tx: Transaction, limit: int) -> list[AnyServiceEvent]:
    """At most so many, oldest first; as far back as the change log reaches."""
    found: list[AnyServiceEvent] = []
    below = 2**62
    while len(found) < limit:
        rows = tx.execute(
            "SELECT sequence, line FROM changes WHERE sequence < ? ORDER BY sequence DESC LIMIT ?", (below, _PAGE)
        )
        if not rows:
            break
        below = rows[-1][0]
        for _, line in rows:
            text = decode(line).event
            if bytes(text) != b"null" and _is_told(event := _EVENTS.decode(text)):
                found.append(event)
    return found[:limit][::-1]


def _is_told(event: AnyServiceEvent) -> bool:
    """A file that began or ended, a model that is there, not every step on their way."""
    if isinstance(event, JobChanged):
        return event.cause == "interrupted" or (event.job.state in _TOLD_STATES and event.cause == event.job.state)
    if isinstance(event, BaseChanged):
        return event.base.progress is None
    return isinstance(event, _TOLD)
