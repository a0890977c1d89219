"""Jobs: one file's turn in the queue."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Priority(StrEnum):
    """Groups of the queue; a higher one is served first and never interrupts the running file."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class JobState(StrEnum):
    """Where a job is. Words a user can read; each terminal state carries a reason."""

    CHECKING = "checking"
    BLOCKED = "blocked"
    QUEUED = "queued"
    HELD = "held"
    STARTING = "starting"
    TRAINING = "training"
    EVALUATING = "evaluating"
    SAVING = "saving"
    PAUSED = "paused"
    STOPPING = "stopping"
    FINISHED = "finished"
    SKIPPED = "skipped"
    FAILED = "failed"
    QUARANTINED = "quarantined"


ACTIVE_STATES = frozenset(
    {
        JobState.STARTING,
        JobState.TRAINING,
        JobState.EVALUATING,
        JobState.SAVING,
        JobState.PAUSED,
        JobState.STOPPING,
    }
)
TERMINAL_STATES = frozenset({JobState.FINISHED, JobState.SKIPPED, JobState.FAILED, JobState.QUARANTINED})
WAITING_STATES = frozenset({JobState.CHECKING, JobState.BLOCKED, JobState.QUEUED, JobState.HELD})


class JobView(Struct, frozen=True, kw_only=True):
    """A job as every screen and prompt shows it."""

    job_id: int
    file_name: str
    state: JobState
    priority: Priority
    position: int
    """Place within its priority, 0 first; terminal jobs keep their last one."""
    reason: str = ""
    dataset_id: str
    size_bytes: int
    num_rows: int = 0
    """Rows that will be trained on (held-out, rejected and excluded ones not counted)."""
    num_tokens: int = 0
    total_steps: int = 0
    """Optimiser steps this file takes, all epochs; 0 until it was checked."""
    done_steps: int = 0
    """Steps of this file inside the newest committed checkpoint, or trained so far while it runs."""
    first_global_step: int | None = None
    last_global_step: int | None = None
    last_loss: float | None = None
    lineage_id: int | None = None
    num_problems: int = 0
    """Rows of the file that were set aside or cut, with reasons in the report."""
    restarts: int = 0
    eta_seconds: float | None = None
    added_at: float
    started_at: float | None = None
    finished_at: float | None = None
