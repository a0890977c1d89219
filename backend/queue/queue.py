"""The queue: what the service does with jobs. What a user asks for stands in `wishes` and is reached here too.

Everything runs in the caller's transaction and records what it changed: JobChanged, JobRemoved, QueueReordered.
Functions that name a job raise NotFoundError when there is none or it was removed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from backend.contract.datasets import CheckReport
from backend.contract.errors import ConflictError
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, WAITING_STATES, JobState, JobView, Priority
from backend.contract.settings import TrainingSettings
from backend.queue import jobs, order, undo_stack
from backend.queue.jobs import WaitingTotals
from backend.queue.transitions import check_move
from backend.queue.wishes import (
    clear,
    hold,
    move,
    redo,
    release,
    remove,
    retry,
    set_priority,
    undo,
    undo_titles,
)
from backend.store.database import Transaction

__all__ = [
    "active",
    "add",
    "block",
    "checked",
    "clear",
    "counts",
    "cursor",
    "fail",
    "first_in",
    "get",
    "hold",
    "interrupt",
    "list_jobs",
    "move",
    "next_runnable",
    "note_added",
    "note_progress",
    "page",
    "recheck",
    "redo",
    "release",
    "remove",
    "retry",
    "set_cursor",
    "set_priority",
    "set_state",
    "set_token_budget",
    "settings_of",
    "state",
    "token_budget",
    "tokens_folder",
    "undo",
    "undo_titles",
    "waiting_totals",
]

_FIELDS = frozenset(
    [
        "done_steps",
        "total_steps",
        "first_global_step",
        "last_global_step",
        "last_loss",
        "lineage_id",
        "branch",
        "restarts",
        "eta_seconds",
    ]
)


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
    place = jobs.PRIORITIES.index(priority)
    job_id = tx.put(
        "jobs",
        {
            "file_name": file_name,
            "dataset_id": dataset_id,
            "size_bytes": size_bytes,
            "settings": msgspec.json.encode(settings).decode(),
            "state": JobState.CHECKING,
            "priority": place,
            "rank": order.last_rank(tx, place),
            "added_at": tx.now,
        },
    )
    return jobs.tell(tx, [job_id], "added")[0]


def note_added(tx: Transaction, job_ids: Sequence[int]) -> None:
    """The user added these: `queue undo` takes them out again as long as they have not begun."""
    undo_stack.note_added(tx, job_ids)


def get(tx: Transaction, job_id: int) -> JobView:
    """One job."""
    return jobs.get(tx, job_id)


def list_jobs(tx: Transaction, *, every: bool = True) -> list[JobView]:
    """The active job, then the waiting ones in the order they will be trained, then (`every`) those that ended,
    newest first."""
    return [*jobs.active(tx), *jobs.waiting(tx), *(jobs.ended(tx) if every else [])]


def first_in(tx: Transaction, states: Collection[JobState]) -> JobView | None:
    """The job in one of these states that a list shows first."""
    return jobs.first_in(tx, states)


def state(tx: Transaction, job_id: int) -> JobState | None:
    """State of a job; None when it is not there any more."""
    return jobs.state(tx, job_id)


def waiting_totals(tx: Transaction, *, checking: bool = True) -> WaitingTotals:
    """What waits to be trained, in numbers; with `checking` also what is still being checked."""
    states = (JobState.QUEUED, JobState.CHECKING) if checking else (JobState.QUEUED,)
    return jobs.waiting_totals(tx, states)


def page(tx: Transaction, *, every: bool, offset: int, limit: int) -> tuple[list[JobView], int]:
    """A part of what `list_jobs` gives, and how many jobs there are in all."""
    return jobs.page(tx, every=every, offset=offset, limit=limit)


def settings_of(tx: Transaction, job_id: int) -> TrainingSettings:
    """The snapshot the job was added with."""
    return msgspec.json.decode(jobs.column(tx, job_id, "settings"), type=TrainingSettings)


def tokens_folder(tx: Transaction, job_id: int) -> str:
    """Absolute path of the folder `checked` was given; '' before."""
    return tx.absolute(jobs.column(tx, job_id, "tokens_folder"))


def active(tx: Transaction) -> JobView | None:
    """The job that is being trained, paused or stopping."""
    found = jobs.active(tx)
    return found[0] if found else None


def counts(tx: Transaction) -> dict[str, int]:
    """State to number of jobs, states without a job left out."""
    rows = tx.execute("SELECT state, count(*) FROM jobs WHERE removed_at IS NULL GROUP BY state ORDER BY state")
    return {str(state): int(count) for state, count in rows}


def checked(tx: Transaction, job_id: int, report: CheckReport, *, tokens_folder: str, total_steps: int) -> JobView:
    """The check went well: QUEUED, or HELD when it was held meanwhile."""
    is_held = jobs.column(tx, job_id, "is_held_after_check")
    return _service_move(
        tx,
        job_id,
        JobState.HELD if is_held else JobState.QUEUED,
        cause="checked",
        reason="",
        is_held_after_check=0,
        tokens_folder=tx.relative(tokens_folder),
        total_steps=total_steps,
        num_rows=report.num_train,
        num_tokens=report.num_tokens,
        num_problems=report.num_rejected + report.num_cut + report.num_excluded,
    )


def fail(tx: Transaction, job_id: int, reason: str) -> JobView:
    """FAILED with a reason."""
    return set_state(tx, job_id, JobState.FAILED, reason=reason)


def block(tx: Transaction, job_id: int, reason: str) -> JobView:
    """BLOCKED: waits for a person, with a reason."""
    return set_state(tx, job_id, JobState.BLOCKED, reason=reason)


def recheck(tx: Transaction, job_id: int) -> JobView:
    """CHECKING again, e.g. because the base model's tokenizer is another one."""
    is_held = jobs.column(tx, job_id, "state") == JobState.HELD
    return _service_move(
        tx, job_id, JobState.CHECKING, cause="recheck", reason="", is_held_after_check=int(is_held), tokens_folder=""
    )


def next_runnable(tx: Transaction) -> JobView | None:
    """The job to train next: the interrupted one, else high, normal, low by position; QUEUED ones only."""
    row = tx.one(
        "SELECT job_id FROM jobs WHERE removed_at IS NULL AND state = 'queued' "
        "ORDER BY is_interrupted DESC, priority, rank, job_id LIMIT 1"
    )
    return jobs.get(tx, row[0]) if row else None


def set_state(tx: Transaction, job_id: int, state: JobState, *, reason: str = "", **fields: Any) -> JobView:
    """Move a job to `state`; the same state again only changes `fields`.

    Fields: done_steps, total_steps, first_global_step, last_global_step, last_loss, lineage_id, branch, restarts,
    eta_seconds. `started_at` and `finished_at` are set here. Raises ConflictError for a move that is not allowed
    and when another job is active already.
    """
    unknown = fields.keys() - _FIELDS
    if unknown:
        raise TypeError(f"set_state knows no {sorted(unknown)}")
    return _service_move(tx, job_id, state, cause=str(state), reason=reason, **fields)


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
    tx.execute(
        "UPDATE jobs SET done_steps = ?, last_global_step = ?, last_loss = ?, eta_seconds = ?, "
        "first_global_step = coalesce(first_global_step, ?) WHERE job_id = ?",
        (done_steps, last_global_step, last_loss, eta_seconds, last_global_step, job_id),
    )


def interrupt(tx: Transaction, job_id: int, reason: str) -> JobView:
    """Back to QUEUED with its cursor; it goes first next time."""
    place = jobs.column(tx, job_id, "priority")
    return _service_move(
        tx,
        job_id,
        JobState.QUEUED,
        cause="interrupted",
        reason=reason,
        is_interrupted=1,
        rank=order.first_rank(tx, place),
        done_steps=cursor(tx, job_id),
        eta_seconds=None,
    )


def cursor(tx: Transaction, job_id: int) -> int:
    """Steps of this job inside the newest committed checkpoint of the current lineage."""
    return jobs.cursor(tx, job_id)


def set_cursor(tx: Transaction, job_id: int, job_step: int) -> None:
    """Note a committed checkpoint, or go back to an older one."""
    columns = {"cursor": job_step}
    if jobs.column(tx, job_id, "state") in ACTIVE_STATES:
        tx.put("jobs", {"job_id": job_id, **columns})
    elif jobs.column(tx, job_id, "done_steps") != job_step or jobs.column(tx, job_id, "cursor") != job_step:
        jobs.change(tx, job_id, "checkpoint", done_steps=job_step, **columns)


def token_budget(tx: Transaction, job_id: int) -> int:
    """Fixed at the job's first start, 0 before."""
    return int(jobs.column(tx, job_id, "token_budget"))


def set_token_budget(tx: Transaction, job_id: int, token_budget: int) -> None:
    """Fix the budget for the rest of the job."""
    if jobs.column(tx, job_id, "token_budget") != token_budget:
        tx.put("jobs", {"job_id": job_id, "token_budget": token_budget})


def _service_move(tx: Transaction, job_id: int, state: JobState, *, cause: str, **columns: Any) -> JobView:
    """Change a job's state with everything that goes with it; says nothing when nothing changes."""
    before = jobs.get(tx, job_id)
    check_move(before.state, state)
    if state in ACTIVE_STATES and before.state not in ACTIVE_STATES:
        _require_none_active(tx, job_id)
        columns = {"is_interrupted": 0, "started_at": before.started_at or tx.now, **columns}
    if before.state in WAITING_STATES and state not in WAITING_STATES:
        columns["position"] = before.position
    if state in TERMINAL_STATES and before.state not in TERMINAL_STATES:
        columns |= {"finished_at": tx.now, "eta_seconds": None}
    lineage_id = columns.get("lineage_id")
    if lineage_id is not None and before.lineage_id not in (None, lineage_id):
        # Another lineage has seen nothing of this file.
        columns = {"cursor": 0, "done_steps": 0, "first_global_step": None, **columns}
    columns = {"state": state, **columns}
    present = tx.one(f"SELECT {', '.join(columns)} FROM jobs WHERE job_id = ?", (job_id,))
    if present == tuple(columns.values()):
        return before
    is_news = cause != state or before.state is not state
    view = jobs.change(tx, job_id, cause if is_news else "updated", **columns)
    if state not in ACTIVE_STATES:
        undo_stack.forget_stale(tx, job_id)
    return view


def _require_none_active(tx: Transaction, job_id: int) -> None:
    other = active(tx)
    if other is not None:
        raise ConflictError(f"Job {job_id} cannot start: job {other.job_id} is being trained.", code="job_active")
