"""Finished files whose steps lie beyond the newest whole checkpoint: they are queued again, and one timeline counts.

A file that begins gets that checkpoint to start from, so what was trained after it is gone. To be asked only while no
trainer is at work: it would hold in memory what its checkpoint lost.
"""

from __future__ import annotations

from backend.contract.events import Notice
from backend.contract.jobs import JobView
from backend.queue import again
from backend.store import history
from backend.store.database import Transaction
from backend.versions import checkpoints, lineages

_NAMED = 5


def train_again(tx: Transaction) -> None:
    """Look, and where something was lost queue it again."""
    lineage = lineages.current(tx)
    lost = again.finished_beyond(tx, lineage.lineage_id, lineage.head_step) if lineage else {}
    if lineage is None or not lost:
        return
    head = checkpoints.newest(tx, lineage.lineage_id)
    safe = checkpoints.job_steps(tx, head)
    again.fall_back(tx, lineage.lineage_id, lineage.head_step, safe)
    own = head.job_id if head else None  # only the file the head was saved in can be half inside
    views = again.train_again(tx, {job_id: safe.get(job_id, 0) if job_id == own else 0 for job_id in lost})
    history.supersede(tx, lineages.branch(tx, lineage.lineage_id), lineage.head_step)
    tx.record(_notice(tx, views, head_step=lineage.head_step, lost_step=max(lost.values())))


def _notice(tx: Transaction, views: list[JobView], *, head_step: int, lost_step: int) -> Notice:
    named = ", ".join(view.file_name for view in views[:_NAMED])
    more = f" and {len(views) - _NAMED:,} more" if len(views) > _NAMED else ""
    goes_on = f"step {head_step:,}, the newest whole checkpoint" if head_step else "the base model, for none is whole"
    was = "was" if len(views) == 1 else "were"
    return Notice(
        at=tx.now,
        level="warning",
        title="Finished files are trained again",
        message=f"{named}{more} {was} trained up to step {lost_step:,}, but the checkpoints of these steps are damaged "
        f"or gone. Training goes on from {goes_on}. What was lost waits in the queue again, in its old order; its data "
        "and everything before are safe. Nothing has to be done; whoever does not want a file again removes it.",
    )
