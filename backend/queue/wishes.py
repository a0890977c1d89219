"""What a user can ask of the queue. Each verb can be undone, records what it changed and returns the jobs it changed.

A job that is being trained is left alone: ConflictError says to skip or stop it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from backend.contract.arguments import ClearArgs, JobArgs, MoveArgs, PriorityArgs
from backend.contract.errors import BadInputError, ConflictError
from backend.contract.events import JobRemoved
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, WAITING_STATES, JobState, JobView
from backend.contract.results import UndoResult
from backend.contract.settings import TrainingSettings
from backend.queue import jobs, order, undo_stack
from backend.store.database import Transaction

_COULD_NOT_BEGIN = frozenset({JobState.FAILED, JobState.BLOCKED, JobState.QUARANTINED})
_CLEARED = {
    "finished": {JobState.FINISHED, JobState.SKIPPED},
    "failed": {JobState.FAILED, JobState.QUARANTINED},
    "waiting": WAITING_STATES,
}


def move(tx: Transaction, args: MoveArgs) -> list[JobView]:
    """Put jobs before or after another one (and into its priority), or at a place of their priority."""
    if [args.before, args.after, args.to].count(None) != 2:
        raise BadInputError("Say where to: one of --before JOB, --after JOB, --to PLACE.")
    views = _waiting(tx, args.job_ids, "moved")
    job_ids = [view.job_id for view in views]
    priority, place = _target(tx, args, views)
    columns = {"priority": priority, "is_interrupted": 0}
    with undo_stack.undoable(tx, "move", [*job_ids, *([args.before] if args.before is not None else [])]):
        for job_id, rank in zip(job_ids, order.ranks_at(tx, priority, place, job_ids), strict=True):
            tx.put("jobs", {"job_id": job_id, "rank": rank, **columns})
        if args.before is not None:  # the wish to go before it overrules that an interrupted job goes first
            _put(tx, args.before, is_interrupted=0)
    return _tell(tx, job_ids, "moved", reordered=True)


def _target(tx: Transaction, args: MoveArgs, views: list[JobView]) -> tuple[int, int]:
    """Priority and 0-based place among the jobs that are not moved."""
    if args.to is not None:
        if args.to < 1:
            raise BadInputError("Places are counted from 1.")
        if len({view.priority for view in views}) > 1:
            raise BadInputError("These jobs have different priorities.", hint="Use --before or --after.")
        return jobs.PRIORITIES.index(views[0].priority), args.to - 1
    anchor_id = args.before if args.before is not None else args.after
    assert anchor_id is not None
    if anchor_id in args.job_ids:
        raise BadInputError(f"Job {anchor_id} cannot be put next to itself.")
    anchor = jobs.get(tx, anchor_id)
    priority = jobs.PRIORITIES.index(anchor.priority)
    if anchor.state in ACTIVE_STATES and args.after is not None:
        return priority, 0
    _require(anchor.state in WAITING_STATES, anchor, "used as a place")
    others = [job_id for _, job_id in order.waiting_ranks(tx, priority, args.job_ids)]
    return priority, others.index(anchor_id) + (args.after is not None)


def set_priority(tx: Transaction, args: PriorityArgs) -> list[JobView]:
    """Put jobs at the end of another priority; those that have it already stay where they are."""
    priority = jobs.PRIORITIES.index(args.priority)
    views = [view for view in _waiting(tx, args.job_ids, "moved") if view.priority != args.priority]
    job_ids = [view.job_id for view in views]
    with undo_stack.undoable(tx, "change of priority of", job_ids):
        rank = order.last_rank(tx, priority)
        for number, job_id in enumerate(job_ids):
            columns = {"priority": priority, "rank": rank + number * order.GAP, "is_interrupted": 0}
            tx.put("jobs", {"job_id": job_id, **columns})
    return _tell(tx, job_ids, "priority", reordered=True)


def hold(tx: Transaction, args: JobArgs) -> list[JobView]:
    """Keep jobs from being trained; one that is being checked is held when its check is done."""
    views = _named(tx, args.job_ids)
    for view in views:
        _require(view.state in {JobState.QUEUED, JobState.HELD, JobState.CHECKING}, view, "held")
    job_ids = [view.job_id for view in views]
    with undo_stack.undoable(tx, "hold of", job_ids):
        for view in views:
            if view.state == JobState.QUEUED:
                _put(tx, view.job_id, state=JobState.HELD, reason="held by you", is_interrupted=0)
            elif view.state == JobState.CHECKING:
                _put(tx, view.job_id, is_held_after_check=1, reason="will be held after its check")
    return _tell(tx, job_ids, "held")


def release(tx: Transaction, args: JobArgs) -> list[JobView]:
    """Let held jobs train again, at the place they kept."""
    views = _named(tx, args.job_ids)
    for view in views:
        _require(view.state in {JobState.QUEUED, JobState.HELD, JobState.CHECKING}, view, "released")
    job_ids = [view.job_id for view in views]
    with undo_stack.undoable(tx, "release of", job_ids):
        for view in views:
            if view.state == JobState.HELD:
                _put(tx, view.job_id, state=JobState.QUEUED, reason="")
            elif view.state == JobState.CHECKING:
                _put(tx, view.job_id, is_held_after_check=0, reason="")
    return _tell(tx, job_ids, "released")


def retry(tx: Transaction, args: JobArgs, *, settings: TrainingSettings | None = None) -> list[JobView]:
    """Queue ended or blocked jobs again: ended ones at the end of their priority.

    A finished one starts anew, all others continue at their cursor. A job without a good check comes back as
    CHECKING: the caller starts its check. One that failed or was blocked before its first step takes `settings`,
    those of today, and is checked with them; what has trained steps keeps its own.
    """
    views = _named(tx, args.job_ids)
    for view in views:
        _require(view.state in TERMINAL_STATES | {JobState.BLOCKED}, view, "retried")
    job_ids = [view.job_id for view in views]
    with undo_stack.undoable(tx, "retry of", job_ids):
        for view in views:
            _put(tx, view.job_id, **{**_retried(tx, view), **_settings_of_today(tx, view, settings)})
    return _tell(tx, job_ids, "retried", reordered=True)


def _settings_of_today(tx: Transaction, view: JobView, settings: TrainingSettings | None) -> dict[str, Any]:
    """Columns of a job that could not even begin with the settings it was added with."""
    never_trained = view.first_global_step is None and view.done_steps == 0 and jobs.cursor(tx, view.job_id) == 0
    if settings is None or view.state not in _COULD_NOT_BEGIN or not never_trained:
        return {}
    text = msgspec.json.encode(settings).decode()
    if text == jobs.column(tx, view.job_id, "settings"):
        return {}
    reason = "is checked with the settings of today"
    return {"settings": text, "tokens_folder": "", "state": JobState.CHECKING, "reason": reason}


def _retried(tx: Transaction, view: JobView) -> dict[str, Any]:
    is_checked = jobs.column(tx, view.job_id, "tokens_folder") != ""
    columns: dict[str, Any] = {"state": JobState.QUEUED if is_checked else JobState.CHECKING, "reason": ""}
    if view.state == JobState.BLOCKED:
        return columns
    priority = jobs.PRIORITIES.index(view.priority)
    columns |= {"rank": order.last_rank(tx, priority), "finished_at": None, "restarts": 0}
    if view.state == JobState.FINISHED:
        none = ("first_global_step", "last_global_step", "last_loss", "started_at")
        return columns | {"cursor": 0, "done_steps": 0, "token_budget": 0} | dict.fromkeys(none)
    return columns | {"done_steps": jobs.cursor(tx, view.job_id)}


def remove(tx: Transaction, args: JobArgs) -> list[JobView]:
    """Take jobs out of the queue; undo brings them back."""
    views = _named(tx, args.job_ids)
    for view in views:
        _require(view.state not in ACTIVE_STATES, view, "removed")
    return _remove(tx, views)


def clear(tx: Transaction, args: ClearArgs) -> list[JobView]:
    """Remove all jobs of a kind: finished (also skipped), failed (also quarantined) or waiting."""
    states = _CLEARED.get(args.what)
    if states is None:
        raise BadInputError(f"{args.what!r} cannot be cleared.", hint=f"It is one of {', '.join(_CLEARED)}.")
    return _remove(tx, [view for view in [*jobs.waiting(tx), *jobs.ended(tx)] if view.state in states])


def _remove(tx: Transaction, views: list[JobView]) -> list[JobView]:
    with undo_stack.undoable(tx, "removal of", [view.job_id for view in views]):
        for view in views:
            _put(tx, view.job_id, removed_at=tx.now, position=view.position)
            tx.record(JobRemoved(at=tx.now, job_id=view.job_id))
    return views


def undo(tx: Transaction) -> UndoResult:
    """Take back the last change of the queue. Raises ConflictError when there is none or the world moved on.

    A job that was CHECKING when it was removed comes back as CHECKING: the caller starts its check.
    """
    title, images = undo_stack.undo(tx)
    _tell_restored(tx, images, "undo")
    return UndoResult(done=f"Undone: {title}.")


def redo(tx: Transaction) -> UndoResult:
    """Do again what was undone last. Raises ConflictError when there is nothing or the world moved on."""
    title, images = undo_stack.redo(tx)
    _tell_restored(tx, images, "redo")
    return UndoResult(done=f"Done again: {title}.")


def undo_titles(tx: Transaction) -> tuple[str, str]:
    """What undo and redo would take back or do again, in words; '' for nothing."""
    return undo_stack.titles(tx)


def _tell_restored(tx: Transaction, images: list[dict[str, Any]], cause: str) -> None:
    gone = [image["job_id"] for image in images if image.get("removed_at") is not None]
    for job_id in gone:
        tx.record(JobRemoved(at=tx.now, job_id=job_id))
    there = [image["job_id"] for image in images if image["job_id"] not in set(gone)]
    _tell(tx, there, cause, reordered=True)


def _named(tx: Transaction, job_ids: Sequence[int]) -> list[JobView]:
    if not job_ids:
        raise BadInputError("Name at least one job.", hint="`queue list` shows the jobs and their numbers.")
    return jobs.get_many(tx, dict.fromkeys(job_ids))


def _waiting(tx: Transaction, job_ids: Sequence[int], done: str) -> list[JobView]:
    views = _named(tx, job_ids)
    for view in views:
        _require(view.state in WAITING_STATES, view, done)
    return views


def _require(is_possible: bool, view: JobView, done: str) -> None:
    if is_possible:
        return
    if view.state in ACTIVE_STATES:
        raise ConflictError(
            f"Job {view.job_id} ({view.file_name}) is being trained and cannot be {done}.",
            hint="Skip or stop it first.",
            code="job_active",
        )
    hint = "`queue retry` puts it back into the queue." if view.state in TERMINAL_STATES else ""
    if view.state is JobState.HELD:
        hint = f"`queue release {view.job_id}` lets it train again."
    raise ConflictError(f"Job {view.job_id} ({view.file_name}) is {view.state} and cannot be {done}.", hint=hint)


def _put(tx: Transaction, job_id: int, **columns: Any) -> None:
    tx.put("jobs", {"job_id": job_id, **columns})


def _tell(tx: Transaction, job_ids: Sequence[int], cause: str, *, reordered: bool = False) -> list[JobView]:
    views = jobs.tell(tx, job_ids, cause)
    if reordered and views:
        order.tell(tx)
    return views
