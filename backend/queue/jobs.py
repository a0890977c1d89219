"""Rows of the jobs table and how they look to people."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from backend.contract.errors import NotFoundError
from backend.contract.events import JobChanged
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, WAITING_STATES, JobState, JobView, Priority
from backend.store import meta
from backend.store.database import Transaction

PRIORITIES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
"""A priority is stored as its place here."""

ACTIVE_SQL, WAITING_SQL, TERMINAL_SQL = (
    ", ".join(f"'{one}'" for one in sorted(states)) for states in (ACTIVE_STATES, WAITING_STATES, TERMINAL_STATES)
)

_COLUMNS = (
    "job_id, file_name, state, priority, position, reason, dataset_id, size_bytes, num_rows, num_tokens, total_steps, "
    "done_steps, first_global_step, last_global_step, last_loss, lineage_id, num_problems, restarts, eta_seconds, "
    "added_at, started_at, finished_at"
)
_IN = "WHERE removed_at IS NULL AND state IN ({})"
_STATES = {str(state): state for state in JobState}


def get(tx: Transaction, job_id: int) -> JobView:
    """One job of the queue. Raises NotFoundError, also for a removed one."""
    row = tx.one(f"SELECT {_COLUMNS} FROM jobs WHERE job_id = ? AND removed_at IS NULL", (job_id,))
    if row is None:
        raise NotFoundError(f"There is no job {job_id}.", hint="`queue list` shows the jobs and their numbers.")
    view = _view(row, row[4])
    return view if view.state not in WAITING_STATES else _view(row, _place(tx, job_id))


def get_many(tx: Transaction, job_ids: Iterable[int]) -> list[JobView]:
    """Several jobs in the order asked for. Raises NotFoundError."""
    wanted = list(job_ids)
    if len(wanted) < 20:
        return [get(tx, job_id) for job_id in wanted]
    known = {view.job_id: view for view in [*waiting(tx), *_list(tx, f"state NOT IN ({WAITING_SQL})", "job_id")]}
    return [known[job_id] if job_id in known else get(tx, job_id) for job_id in wanted]


def active(tx: Transaction) -> list[JobView]:
    """Jobs in the trainer's hands."""
    return _list(tx, f"state IN ({ACTIVE_SQL})", "started_at, job_id")


def waiting(tx: Transaction) -> list[JobView]:
    """Waiting jobs in the order they will be trained, with their places counted."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE removed_at IS NULL AND state IN ({WAITING_SQL}) "
        "ORDER BY priority, rank, job_id"
    )
    next_place = dict.fromkeys(range(len(PRIORITIES)), 0)
    views = []
    for row in rows:
        views.append(_view(row, next_place[row[3]]))
        next_place[row[3]] += 1
    interrupted = {row[0] for row in tx.execute("SELECT job_id FROM jobs WHERE is_interrupted = 1")}
    return sorted(views, key=lambda view: view.job_id not in interrupted)


def ended(tx: Transaction) -> list[JobView]:
    """Jobs that ended, newest first."""
    return _list(tx, f"state IN ({TERMINAL_SQL})", "finished_at DESC, job_id DESC")


@dataclass(frozen=True)
class WaitingTotals:
    """Waiting jobs in numbers."""

    num_jobs: int
    num_steps: int
    """Steps they will take, as far as known."""
    num_unknown: int
    """Jobs whose number of steps is not known yet."""


def waiting_totals(tx: Transaction, states: Collection[JobState]) -> WaitingTotals:
    """Jobs in these states, counted by the database."""
    row = tx.one(
        "SELECT count(*), coalesce(sum(max(0, total_steps - done_steps)), 0), coalesce(sum(total_steps = 0), 0) "
        f"FROM jobs WHERE removed_at IS NULL AND state IN ({_quoted(states)})"
    )
    return WaitingTotals(*(int(value) for value in row or (0, 0, 0)))


def first_in(tx: Transaction, states: Collection[JobState]) -> JobView | None:
    """The first of the waiting ones, else the one that ended last."""
    waiting, others = (_quoted(set(states) & set(group)) for group in (WAITING_STATES, TERMINAL_STATES))
    for where, by in ((waiting, "priority, rank, job_id"), (others, "finished_at DESC, job_id DESC")):
        found = where and tx.one(
            f"SELECT job_id FROM jobs WHERE removed_at IS NULL AND state IN ({where}) ORDER BY {by} LIMIT 1"
        )
        if found:
            return get(tx, found[0])
    return None


def state(tx: Transaction, job_id: int) -> JobState | None:
    """Its state; None for a job that is not there or was removed."""
    row = tx.one("SELECT state FROM jobs WHERE job_id = ? AND removed_at IS NULL", (job_id,))
    return _STATES[row[0]] if row else None


def _quoted(states: Collection[JobState]) -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


def page(tx: Transaction, *, every: bool, offset: int, limit: int) -> tuple[list[JobView], int]:
    """A part of `active`, `waiting`, `ended` one after the other, and how many there are; only the part is read."""
    ids = [
        row[0] for row in tx.execute(f"SELECT job_id FROM jobs {_IN.format(ACTIVE_SQL)} ORDER BY started_at, job_id")
    ]
    places: dict[int, int] = {}
    next_place = dict.fromkeys(range(len(PRIORITIES)), 0)
    first: list[int] = []
    others: list[int] = []
    for job_id, priority, is_interrupted in tx.execute(
        f"SELECT job_id, priority, is_interrupted FROM jobs {_IN.format(WAITING_SQL)} ORDER BY priority, rank, job_id"
    ):
        places[job_id] = next_place[priority]
        next_place[priority] += 1
        (first if is_interrupted else others).append(job_id)
    ids += first + others
    if every:
        by = "finished_at DESC, job_id DESC"
        ids += [row[0] for row in tx.execute(f"SELECT job_id FROM jobs {_IN.format(TERMINAL_SQL)} ORDER BY {by}")]
    wanted = ids[offset : offset + limit]
    rows = tx.execute(f"SELECT {_COLUMNS} FROM jobs WHERE job_id IN ({', '.join(map(str, wanted))})")
    views = {row[0]: _view(row, places[row[0]] if row[0] in places else row[4]) for row in rows}
    return [views[job_id] for job_id in wanted], len(ids)


def column(tx: Transaction, job_id: int, name: str) -> Any:
    """One column of a job. Raises NotFoundError."""
    row = tx.one(f"SELECT {name} FROM jobs WHERE job_id = ? AND removed_at IS NULL", (job_id,))
    if row is None:
        raise NotFoundError(f"There is no job {job_id}.", hint="`queue list` shows the jobs and their numbers.")
    return row[0]


def cursor(tx: Transaction, job_id: int) -> int:
    """Steps of this job inside the newest committed checkpoint; none of it counts in another lineage."""
    lineage_id = column(tx, job_id, "lineage_id")
    now = meta.get(tx, "lineage_id")
    is_other_lineage = lineage_id is not None and now is not None and now != str(lineage_id)
    return 0 if is_other_lineage else int(column(tx, job_id, "cursor"))


def change(tx: Transaction, job_id: int, cause: str, **columns: Any) -> JobView:
    """Write columns of a job and tell it."""
    tx.put("jobs", {"job_id": job_id, **columns})
    view = get(tx, job_id)
    tx.record(JobChanged(at=tx.now, job=view, cause=cause))
    return view


def tell(tx: Transaction, job_ids: Iterable[int], cause: str) -> list[JobView]:
    """Record JobChanged for jobs that were written already."""
    views = get_many(tx, job_ids)
    for view in views:
        tx.record(JobChanged(at=tx.now, job=view, cause=cause))
    return views


def _place(tx: Transaction, job_id: int) -> int:
    row = tx.one(
        "SELECT count(*) FROM jobs j JOIN jobs me ON me.job_id = ? AND j.priority = me.priority "
        f"WHERE j.removed_at IS NULL AND j.state IN ({WAITING_SQL}) "
        "AND (j.rank < me.rank OR (j.rank = me.rank AND j.job_id < me.job_id))",
        (job_id,),
    )
    return int(row[0]) if row else 0


def _list(tx: Transaction, condition: str, order: str) -> list[JobView]:
    rows = tx.execute(f"SELECT {_COLUMNS} FROM jobs WHERE removed_at IS NULL AND {condition} ORDER BY {order}")
    return [_view(row, row[4]) for row in rows]


def _view(row: tuple[Any, ...], position: int) -> JobView:
    return JobView(
        job_id=row[0],
        file_name=row[1],
        state=_STATES[row[2]],
        priority=PRIORITIES[row[3]],
        position=position,
        reason=row[5],
        dataset_id=row[6],
        size_bytes=row[7],
        num_rows=row[8],
        num_tokens=row[9],
        total_steps=row[10],
        done_steps=row[11],
        first_global_step=row[12],
        last_global_step=row[13],
        last_loss=row[14],
        lineage_id=row[15],
        num_problems=row[16],
        restarts=row[17],
        eta_seconds=row[18],
        added_at=row[19],
        started_at=row[20],
        finished_at=row[21],
    )
