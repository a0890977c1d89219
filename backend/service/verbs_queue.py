"""The verbs of the queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from backend.contract.arguments import AddArgs, DatasetArgs, NoArgs, QueueListArgs
from backend.contract.datasets import DatasetView
from backend.contract.results import QueueResult, QueueStatus, UndoResult
from backend.datasets import registry
from backend.queue import queue
from backend.service import intake
from backend.service.desk import Desk
from backend.store.database import Transaction

_Commit = Callable[[Callable[[Transaction], Struct]], Awaitable[bytes]]
_Change = Callable[[Desk, Any, _Commit], Awaitable[bytes]]
_NO_LIMIT = 2**62


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
    staged, refused = await desk.core.with_files(intake.stage_all, desk.core, args)
    return await commit(lambda tx: intake.queue_staged(tx, desk.core, staged, args.priority, refused))


def _queue_change(work: Callable[[Transaction, Any], Any]) -> _Change:
    """A change of the queue that answers with the whole queue."""

    async def change(desk: Desk, args: Any, commit: _Commit) -> bytes:
        def do(tx: Transaction) -> QueueResult:
            work(tx, args)
            jobs = [] if desk.is_minimal else desk.board.jobs(tx)
            return QueueResult(jobs=jobs, num_jobs=len(jobs))

        return await commit(do)

    return change


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
    "queue.move": _queue_change(queue.move),
    "queue.set-priority": _queue_change(queue.set_priority),
    "queue.hold": _queue_change(queue.hold),
    "queue.release": _queue_change(queue.release),
    "queue.retry": _queue_change(queue.retry),
    "queue.remove": _queue_change(queue.remove),
    "queue.clear": _queue_change(queue.clear),
    "queue.undo": undo,
    "queue.redo": redo,
}
