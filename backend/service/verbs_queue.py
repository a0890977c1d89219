"""The verbs of the queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from backend.contract.arguments import AddArgs, DatasetArgs, JobArgs, NoArgs, QueueListArgs
from backend.contract.datasets import DatasetView
from backend.contract.jobs import JobView
from backend.contract.results import AddResult, QueueResult, QueueStatus, UndoResult
from backend.datasets import registry
from backend.queue import queue
from backend.service import intake
from backend.service.desk import Desk
from backend.store.database import Transaction

_Commit = Callable[[Callable[[Transaction], Struct]], Awaitable[bytes]]
_Change = Callable[[Desk, Any, _Commit], Awaitable[bytes]]
_NO_LIMIT = 2**62
_UNDO = "What was trained and checked stays; `queue undo` brings it back."


def list_jobs(desk: Desk, tx: Transaction, args: QueueListArgs) -> QueueResult:
    if args.limit is None and not args.offset:
        jobs = desk.board.jobs(tx, every=args.every)
        return QueueResult(jobs=jobs, num_jobs=len(jobs))
    limit = _NO_LIMIT if args.limit is None else max(0, args.limit)
    jobs, num_jobs = desk.board.page(tx, every=args.every, offset=args.offset, limit=limit)
    return QueueResult(jobs=jobs, num_jobs=num_jobs)


def queue_status(desk: Desk, tx: Transaction, args: NoArgs) -> QueueStatus:
    return desk.board.queue_status(tx)


def show_dataset(desk: Desk, tx: Transaction, args: DatasetArgs) -> DatasetView:
    return registry.get(tx, queue.get(tx, args.job_id).dataset_id)


async def add(desk: Desk, args: AddArgs, commit: _Commit) -> bytes:
    staged, refused, notes = await desk.core.with_files(intake.stage_all, desk.core, args)

    def work(tx: Transaction) -> AddResult:
        result = intake.queue_staged(tx, desk.core, staged, args.priority, refused)
        queue.note_added(tx, [job.job_id for job in result.jobs])
        return msgspec.structs.replace(result, notes=notes)

    return await commit(work)


def _queue_change(work: Callable[[Transaction, Any], list[JobView]], done: str, hint: str = "") -> _Change:
    """A change of the queue that answers with the jobs it changed."""

    async def change(desk: Desk, args: Any, commit: _Commit) -> bytes:
        return await commit(lambda tx: _changed(tx, work(tx, args), done, hint))

    return change


async def retry(desk: Desk, args: JobArgs, commit: _Commit) -> bytes:
    """What could not even begin takes the settings of today."""

    def work(tx: Transaction) -> QueueResult:
        settings = desk.core.config.config.training
        before = {job_id: queue.settings_of(tx, job_id) for job_id in dict.fromkeys(args.job_ids)}
        views = queue.retry(tx, args, settings=settings)
        renewed = sum(queue.settings_of(tx, job_id) != old for job_id, old in before.items())
        hint = ""
        if renewed:
            which = (
                "It takes" if len(views) == 1 else f"{renewed:,} of them take" if renewed < len(views) else "They take"
            )
            hint = f"{which} the settings of today."
        elif any(view.done_steps for view in views):
            hint = "What has trained steps keeps the settings it was added with."
        return _changed(tx, views, "Queued again", hint)

    return await commit(work)


def _changed(tx: Transaction, views: list[JobView], done: str, hint: str) -> QueueResult:
    what = f"job {views[0].job_id}" if len(views) == 1 else f"{len(views):,} jobs"
    told = f"{done} {what}. {hint}".strip() if views else "Nothing to change."
    return QueueResult(jobs=views, num_jobs=sum(queue.counts(tx).values()), done=told)


async def undo(desk: Desk, args: NoArgs, commit: _Commit) -> bytes:
    return await commit(_undo)


async def redo(desk: Desk, args: NoArgs, commit: _Commit) -> bytes:
    return await commit(_redo)


def _undo(tx: Transaction) -> UndoResult:
    return queue.undo(tx)


def _redo(tx: Transaction) -> UndoResult:
    return queue.redo(tx)


QUEUE_READS: dict[str, Callable[[Desk, Transaction, Any], Struct]] = {
    "queue.list": list_jobs,
    "queue.status": queue_status,
    "dataset.show": show_dataset,
}
QUEUE_CHANGES: dict[str, _Change] = {
    "add": add,
    "queue.move": _queue_change(queue.move, "Moved"),
    "queue.set-priority": _queue_change(queue.set_priority, "Changed the priority of"),
    "queue.hold": _queue_change(queue.hold, "Held"),
    "queue.release": _queue_change(queue.release, "Released"),
    "queue.retry": retry,
    "queue.remove": _queue_change(queue.remove, "Removed", _UNDO),
    "queue.clear": _queue_change(queue.clear, "Removed", _UNDO),
    "queue.undo": undo,
    "queue.redo": redo,
}
