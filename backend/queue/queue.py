"""What can be done with the queue: one verb a function, each in the caller's transaction.

Every verb records what it changed: JobChanged, JobRemoved, QueueReordered. Functions that name a job raise
NotFoundError when there is none. Verbs of the user return the jobs they changed.
"""

from __future__ import annotations

from typing import Any

from backend.contract.datasets import CheckReport
from backend.contract.jobs import JobState, JobView, Priority
from backend.contract.settings import TrainingSettings
from backend.contract.verbs import ClearArgs, JobArgs, MoveArgs, PriorityArgs, UndoResult
from backend.store.database import Transaction


def add(
    tx: Transaction,
    *,
    file_name: str,
    dataset_id: str,
    size_bytes: int,
    priority: Priority,
    settings: TrainingSettings,
) -> JobView:
    """A new job, CHECKING, at the end of its priority."""
    raise NotImplementedError


def get(tx: Transaction, job_id: int) -> JobView:
    """One job."""
    raise NotImplementedError


def list_jobs(tx: Transaction, *, every: bool = True) -> list[JobView]:
    """The active job, then the waiting ones in the order they will be trained, then (`every`) those that ended,
    newest first."""
    raise NotImplementedError


def settings_of(tx: Transaction, job_id: int) -> TrainingSettings:
    """The snapshot the job was added with."""
    raise NotImplementedError


def tokens_folder(tx: Transaction, job_id: int) -> str:
    """Absolute path of the folder `checked` was given; '' before."""
    raise NotImplementedError


def active(tx: Transaction) -> JobView | None:
    """The job that is being trained, paused or stopping."""
    raise NotImplementedError


def counts(tx: Transaction) -> dict[str, int]:
    """State to number of jobs, states without a job left out."""
    raise NotImplementedError


def checked(
    tx: Transaction, job_id: int, report: CheckReport, *, tokens_folder: str, total_steps: int
) -> JobView:
    """The check went well: QUEUED, or HELD when it was held meanwhile."""
    raise NotImplementedError


def fail(tx: Transaction, job_id: int, reason: str) -> JobView:
    """FAILED with a reason."""
    raise NotImplementedError


def block(tx: Transaction, job_id: int, reason: str) -> JobView:
    """BLOCKED: waits for a person, with a reason."""
    raise NotImplementedError


def recheck(tx: Transaction, job_id: int) -> JobView:
    """CHECKING again, e.g. because the base model's tokenizer is another one."""
    raise NotImplementedError


def next_runnable(tx: Transaction) -> JobView | None:
    """The job to train next: the interrupted one, else high, normal, low by position; QUEUED ones only."""
    raise NotImplementedError


def set_state(tx: Transaction, job_id: int, state: JobState, *, reason: str = "", **fields: Any) -> JobView:
    """Move a job to `state`; the same state again only changes `fields`.

    Fields: done_steps, total_steps, first_global_step, last_global_step, last_loss, lineage_id, branch, restarts,
    eta_seconds. `started_at` and `finished_at` are set here. Raises ConflictError for a move that is not allowed
    and when another job is active already.
    """
    raise NotImplementedError


def note_progress(
    tx: Transaction,
    job_id: int,
    *,
    done_steps: int,
    last_global_step: int,
    last_loss: float | None = None,
    eta_seconds: float | None = None,
) -> None:
    """Keep up the figures of the running job, a step at a time: no event, no journal line."""
    raise NotImplementedError


def interrupt(tx: Transaction, job_id: int, reason: str) -> JobView:
    """Back to QUEUED with its cursor; it goes first next time."""
    raise NotImplementedError


def cursor(tx: Transaction, job_id: int) -> int:
    """Steps of this job inside the newest committed checkpoint of the current lineage."""
    raise NotImplementedError


def set_cursor(tx: Transaction, job_id: int, job_step: int) -> None:
    """Note a committed checkpoint, or go back to an older one."""
    raise NotImplementedError


def token_budget(tx: Transaction, job_id: int) -> int:
    """Fixed at the job's first start, 0 before."""
    raise NotImplementedError


def set_token_budget(tx: Transaction, job_id: int, token_budget: int) -> None:
    """Fix the budget for the rest of the job."""
    raise NotImplementedError


def move(tx: Transaction, args: MoveArgs) -> list[JobView]:
    """Put jobs before or after another one (and into its priority), or at a place of their priority."""
    raise NotImplementedError


def set_priority(tx: Transaction, args: PriorityArgs) -> list[JobView]:
    """Put jobs at the end of another priority."""
    raise NotImplementedError


def hold(tx: Transaction, args: JobArgs) -> list[JobView]:
    """Keep jobs from being trained."""
    raise NotImplementedError


def release(tx: Transaction, args: JobArgs) -> list[JobView]:
    """Let held jobs train again."""
    raise NotImplementedError


def retry(tx: Transaction, args: JobArgs) -> list[JobView]:
    """Queue ended or blocked jobs again, at the end of their priority. A finished one starts anew, all others
    continue at their cursor. A job without a good check comes back as CHECKING: start its check."""
    raise NotImplementedError


def remove(tx: Transaction, args: JobArgs) -> list[JobView]:
    """Take jobs out of the queue; undo brings them back."""
    raise NotImplementedError


def clear(tx: Transaction, args: ClearArgs) -> list[JobView]:
    """Remove all jobs of a kind: finished (also skipped), failed (also quarantined) or waiting."""
    raise NotImplementedError


def undo(tx: Transaction) -> UndoResult:
    """Take back the last change of the queue. Raises ConflictError when there is none or the world moved on.
    A job that was CHECKING when it was removed comes back as CHECKING: start its check."""
    raise NotImplementedError


def redo(tx: Transaction) -> UndoResult:
    """Do again what was undone."""
    raise NotImplementedError


def undo_titles(tx: Transaction) -> tuple[str, str]:
    """What undo and redo would do, in words; '' for nothing."""
    raise NotImplementedError
