"""Order, priority, hold, retry, remove; undo and redo."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QObject

from backend.contract.arguments import ClearArgs, DatasetArgs, JobArgs, MoveArgs, PriorityArgs
from backend.contract.errors import ErrorBody
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, WAITING_STATES, JobState, JobView, Priority
from gui.actions.errands import Errands, Jobs, why_unreachable
from gui.client.service_client import Reply
from gui.state.session_store import SessionStore

translate = QCoreApplication.translate

_CLEARED = {
    "finished": {JobState.FINISHED, JobState.SKIPPED},
    "failed": {JobState.FAILED, JobState.QUARANTINED},
    "waiting": WAITING_STATES,
}
_HOLDABLE = {JobState.QUEUED, JobState.CHECKING}
_RETRIABLE = TERMINAL_STATES | {JobState.BLOCKED}


class QueueActions(QObject):
    """What is done to jobs. Their rows change when the service says so; a move is shown at once."""

    def __init__(self, errands: Errands) -> None:
        super().__init__(errands)
        self._errands = errands
        self._queue = errands.stores.queue

    def move(self, args: MoveArgs | PriorityArgs) -> Reply:
        """Put jobs where they were dropped; a group without jobs is named by its priority."""
        self._queue.show_move(args)
        verb = "queue.set-priority" if isinstance(args, PriorityArgs) else "queue.move"
        reply = self._errands.change(verb, args)
        reply.failed.connect(self._on_move_failed)
        return reply

    def set_priority(self, job_ids: Sequence[int], priority: Priority | str) -> Reply:
        """Put jobs at the end of another group."""
        return self.move(PriorityArgs(job_ids=list(job_ids), priority=Priority(priority)))

    def hold(self, job_ids: Sequence[int]) -> Reply:
        """Keep jobs from being trained."""
        return self._errands.change("queue.hold", JobArgs(job_ids=list(job_ids)))

    def release(self, job_ids: Sequence[int]) -> Reply:
        """Let held jobs train again."""
        return self._errands.change("queue.release", JobArgs(job_ids=list(job_ids)))

    def retry(self, job_ids: Sequence[int]) -> Reply:
        """Queue ended or blocked jobs again."""
        return self._errands.change("queue.retry", JobArgs(job_ids=list(job_ids)))

    def remove(self, job_ids: Sequence[int]) -> Reply:
        """Take jobs out of the queue, but for what is being trained; undo brings them back."""
        jobs = [self._queue.job(job_id) for job_id in job_ids]
        active = {job.job_id for job in jobs if job is not None and job.state in ACTIVE_STATES}
        leaving = [job_id for job_id in job_ids if job_id not in active]
        said = self._removed(leaving)
        if not leaving:
            leaving = list(job_ids)  # the service says why not
        elif len(active) == 1:
            said += " " + translate("QueueActions", "1 file stays: it is being trained.")
        elif active:
            said += " " + translate("QueueActions", "{0} files stay: they are being trained.").format(len(active))
        return self._errands.change("queue.remove", JobArgs(job_ids=leaving), said=said)

    def clear(self, what: str = "finished") -> Reply:
        """Remove all finished, failed or waiting jobs."""
        words = translate("QueueActions", "They were removed from the queue. Undo brings them back.")
        return self._errands.change("queue.clear", ClearArgs(what=what), said=words)

    def undo(self) -> Reply:
        """Take back the last change of the queue."""
        return self._errands.ask("queue.undo")

    def redo(self) -> Reply:
        """Do again what was undone."""
        return self._errands.ask("queue.redo")

    def show_dataset(self, job_id: int) -> Reply:
        """What the check found in a job's file, with rows as the model sees them. Who asks shows a failure too."""
        return self._errands.fetch("dataset.show", DatasetArgs(job_id=job_id))

    def _removed(self, job_ids: Sequence[int]) -> str:
        jobs = [job for job_id in job_ids if (job := self._queue.job(job_id)) is not None]
        if len(jobs) == 1:
            return translate("QueueActions", "{0} was removed. Undo brings it back.").format(jobs[0].file_name)
        return translate("QueueActions", "{0} files were removed. Undo brings them back.").format(len(job_ids))

    def _on_move_failed(self, error: ErrorBody) -> None:
        self._queue.reject_moves()


def why_not_move(session: SessionStore, jobs: Jobs) -> str:
    """What runs and what ended stays where it is."""
    return _why_not(session, jobs, WAITING_STATES, translate("QueueActions", "Only files that wait can be moved."))


def why_not_hold(session: SessionStore, jobs: Jobs) -> str:
    """Of those that would train."""
    return _why_not(session, jobs, _HOLDABLE, translate("QueueActions", "Only files that wait can be held."))


def why_not_release(session: SessionStore, jobs: Jobs) -> str:
    """Of those that are held, or will be after their check."""
    return _why_not(
        session, jobs, {JobState.HELD, JobState.CHECKING}, translate("QueueActions", "Only held files can be released.")
    )


def why_not_retry(session: SessionStore, jobs: Jobs) -> str:
    """Of those that ended or wait for a person."""
    return _why_not(
        session, jobs, _RETRIABLE, translate("QueueActions", "Only files that ended or need you can be tried again.")
    )


def why_not_remove(session: SessionStore, jobs: Jobs) -> str:
    """All but what runs, which stays when others leave."""
    removable = WAITING_STATES | TERMINAL_STATES
    leaving = [job for job in jobs if job.state in removable]
    otherwise = translate("QueueActions", "A file in training cannot be removed. Skip it first.")
    return _why_not(session, leaving or jobs, removable, otherwise)


def why_not_clear(what: str, all_jobs: Sequence[JobView]) -> str:
    """Only where there is something of the kind."""
    states = _CLEARED[what]
    return (
        ""
        if any(job.state in states for job in all_jobs)
        else translate("QueueActions", "There is nothing of that kind in the queue.")
    )


def why_not_undo(session: SessionStore, jobs: Jobs) -> str:
    """Where the service has something to undo."""
    return why_unreachable(session, jobs) or (
        "" if session.can_undo else translate("QueueActions", "There is nothing to undo.")
    )


def why_not_redo(session: SessionStore, jobs: Jobs) -> str:
    """Where something was undone."""
    return why_unreachable(session, jobs) or (
        "" if session.can_redo else translate("QueueActions", "There is nothing to redo.")
    )


def why_not_show(session: SessionStore, jobs: Jobs) -> str:
    """One file at a time, once it was checked."""
    if problem := why_unreachable(session, jobs):
        return problem
    if len(jobs) != 1:
        return translate("QueueActions", "Select one file first.")
    return translate("QueueActions", "This file is still being checked.") if jobs[0].state is JobState.CHECKING else ""


def _why_not(session: SessionStore, jobs: Jobs, states: frozenset[JobState] | set[JobState], otherwise: str) -> str:
    if problem := why_unreachable(session, jobs):
        return problem
    if not jobs:
        return translate("QueueActions", "Select files in the queue first.")
    return "" if all(job.state in states for job in jobs) else otherwise
