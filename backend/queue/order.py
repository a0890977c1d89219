"""Places within a priority. A job has a rank, a whole number with wide gaps, so that a move writes only what moved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from backend.contract.events import QueueReordered
from backend.queue import undo_stack
from backend.queue.jobs import WAITING_SQL
from backend.store.database import Transaction

GAP = 2**32
_FEWEST_NEIGHBOURS = 32
_SMALLEST_GAP = 2**12


def last_rank(tx: Transaction, priority: int) -> int:
    """A rank behind every job of a priority, also behind removed and ended ones."""
    row = tx.one("SELECT max(rank) FROM jobs WHERE priority = ?", (priority,))
    return GAP if row is None or row[0] is None else int(row[0]) + GAP


def first_rank(tx: Transaction, priority: int) -> int:
    """A rank before every job of a priority."""
    row = tx.one("SELECT min(rank) FROM jobs WHERE priority = ?", (priority,))
    return GAP if row is None or row[0] is None else int(row[0]) - GAP


def waiting_ranks(tx: Transaction, priority: int, without: Sequence[int] = ()) -> list[tuple[int, int]]:
    """(rank, job_id) of the waiting jobs of a priority in order."""
    left_out = set(without)
    rows = tx.execute(
        f"SELECT rank, job_id FROM jobs WHERE removed_at IS NULL AND state IN ({WAITING_SQL}) AND priority = ? "
        "ORDER BY rank, job_id",
        (priority,),
    )
    return [(rank, job_id) for rank, job_id in rows if job_id not in left_out]


def ranks_at(tx: Transaction, priority: int, place: int, job_ids: Sequence[int]) -> list[int]:
    """Ranks that put `job_ids`, in this order, at `place` (0-based) among the other waiting jobs of a priority."""
    others = waiting_ranks(tx, priority, job_ids)
    place = max(0, min(place, len(others)))
    num_gaps = len(job_ids) + 1
    if place == len(others):
        before = last_rank(tx, priority) - GAP
        after = before + GAP * num_gaps
    else:
        after = others[place][0]
        before = others[place - 1][0] if place > 0 else after - GAP * num_gaps
        if after - before < num_gaps:
            _make_room(tx, priority, others[place], num_gaps)
            return ranks_at(tx, priority, place, job_ids)
    step = (after - before) // num_gaps
    return [before + step * number for number in range(1, num_gaps)]


def tell(tx: Transaction) -> None:
    """Record the order of all waiting jobs."""
    rows = tx.execute(
        f"SELECT job_id FROM jobs WHERE removed_at IS NULL AND state IN ({WAITING_SQL}) "
        "ORDER BY is_interrupted DESC, priority, rank, job_id"
    )
    tx.record(QueueReordered(at=tx.now, job_ids=[row[0] for row in rows]))


def _make_room(tx: Transaction, priority: int, around: tuple[int, int], num_gaps: int) -> None:
    """Widen the gaps around one rank. Only so many neighbours are touched as it takes.

    The ranks that undo would restore move along: they keep their place among the others.
    """
    rows = tx.execute("SELECT rank, job_id FROM jobs WHERE priority = ?", (priority,))
    present = {(rank, job_id) for rank, job_id in rows}
    points = sorted(present | undo_stack.ranks(tx, priority))
    middle = bisect_left(points, around)
    width = _FEWEST_NEIGHBOURS
    while True:
        first, last = max(0, middle - width), min(len(points), middle + width)
        lower = points[first - 1][0] if first > 0 else points[first][0] - GAP * width
        upper = points[last][0] if last < len(points) else points[last - 1][0] + GAP * width
        gap = (upper - lower) // (last - first + 1)
        if gap >= max(_SMALLEST_GAP, 2 * num_gaps) or (first == 0 and last == len(points)):
            break
        width *= 2
    new_ranks = {point: lower + gap * number for number, point in enumerate(points[first:last], start=1)}
    for (rank, job_id), new_rank in new_ranks.items():
        if (rank, job_id) in present and rank != new_rank:
            tx.put("jobs", {"job_id": job_id, "rank": new_rank})
    undo_stack.change_ranks(tx, priority, new_ranks)
