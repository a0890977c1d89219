"""After a loss: jobs whose trained steps went with the checkpoints that held them come back into the queue, in the old
order; after a loss of the list of jobs new ones get numbers that no trace of an old one bears."""

from __future__ import annotations

from collections.abc import Mapping

from backend.contract.jobs import JobState, JobView
from backend.queue import jobs, order, undo_stack
from backend.store.database import Transaction

_REASON = "trained again: the checkpoint that held it was lost"


def finished_beyond(tx: Transaction, lineage_id: int, global_step: int) -> dict[int, int]:
    """Finished jobs of a lineage that ended after this step, to the step they ended at, in the order they were
    trained; also those that were cleared from the list since."""
    rows = tx.execute(
        "SELECT job_id, last_global_step FROM jobs WHERE state = 'finished' AND lineage_id = ? "
        "AND last_global_step > ? ORDER BY last_global_step, job_id",
        (lineage_id, global_step),
    )
    return {int(job_id): int(last) for job_id, last in rows}


def train_again(tx: Transaction, done_steps: Mapping[int, int]) -> list[JobView]:
    """Queue these finished jobs again, in this order before everything that waits. Each goes on after as many of its
    steps as are safe; one that was cleared from the list is there again."""
    for job_id in reversed(done_steps):
        cursor = done_steps[job_id]
        row = tx.one("SELECT priority, first_global_step FROM jobs WHERE job_id = ?", (job_id,))
        assert row is not None
        tx.put(
            "jobs",
            {
                "job_id": job_id,
                "state": JobState.QUEUED,
                "reason": _REASON,
                "rank": order.first_rank(tx, row[0]),
                "is_interrupted": int(cursor > 0),
                "cursor": cursor,
                "done_steps": cursor,
                "restarts": 0,
                "first_global_step": row[1] if cursor else None,
                "last_global_step": None,
                "last_loss": None,
                "finished_at": None,
                "removed_at": None,
            },
        )
        undo_stack.forget_stale(tx, job_id)
    _yield_to(tx, done_steps)
    views = jobs.tell(tx, done_steps, "lost")
    order.tell(tx)
    return views


def _yield_to(tx: Transaction, job_ids: Mapping[int, int]) -> None:
    """An interrupted job of which nothing is left has no reason to go first any more."""
    rows = tx.execute("SELECT job_id FROM jobs WHERE is_interrupted = 1 AND cursor = 0 AND state = 'queued'")
    for (job_id,) in rows:
        if job_id not in job_ids:
            tx.put("jobs", {"job_id": job_id, "is_interrupted": 0})


def reserve_numbers(tx: Transaction) -> None:
    """Let new jobs be numbered above every job that checkpoints and history speak of. Not journalled: asked for at
    every start."""
    tables = ("checkpoints", "job_spans", "evaluations", "samples")
    union = " UNION ALL ".join(f"SELECT max(job_id) AS job_id FROM {table}" for table in tables)
    row = tx.one(f"SELECT max(job_id) FROM ({union})")
    highest = int(row[0]) if row and row[0] is not None else 0
    given = tx.one("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'")
    if given is None:
        tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', ?)", (highest,))
    elif given[0] < highest:
        tx.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'", (highest,))


def fall_back(tx: Transaction, lineage_id: int, global_step: int, done_steps: Mapping[int, int]) -> None:
    """Other jobs that were trained beyond this step go on after as many of their steps as are safe."""
    rows = tx.execute(
        "SELECT job_id, cursor FROM jobs WHERE state != 'finished' AND lineage_id = ? AND cursor > 0 "
        "AND last_global_step > ?",
        (lineage_id, global_step),
    )
    for job_id, cursor in rows:
        safe = done_steps.get(job_id, 0)
        if safe < cursor:
            tx.put("jobs", {"job_id": job_id, "cursor": safe, "done_steps": safe})
            if jobs.state(tx, job_id) is not None:
                jobs.tell(tx, [job_id], "checkpoint")
