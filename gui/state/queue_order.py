"""The order of the queue: the service's word, and over it the moves that were asked for and not answered yet."""

from __future__ import annotations

from collections.abc import Iterable

from backend.contract.jobs import JobState, JobView
from gui.state.queue_groups import PRIORITY_OF, WAITING_GROUPS, Group, Groups, Move, applied, group_of


class QueueOrder:
    """Knows jobs by id and group; knows nothing of rows."""

    def __init__(self) -> None:
        self.jobs: dict[int, JobView] = {}
        self.moves: list[Move] = []
        """Shown although the service has not said its word about them."""
        self._true: Groups = [[] for _ in Group]
        self._group_of: dict[int, Group] = {}

    def shown(self) -> Groups:
        """The groups as a person should see them now. Not to be changed."""
        groups = self._true
        for move in self.moves:
            groups = applied(groups, move)
        return groups

    def running(self) -> list[JobView]:
        """The jobs in the trainer's hands."""
        return [self.jobs[job_id] for job_id in self._true[Group.RUNNING]]

    def load(self, jobs: Iterable[JobView]) -> None:
        """Take the whole queue as the service lists it."""
        self.jobs = {job.job_id: job for job in jobs}
        self.moves.clear()
        self._true = [[] for _ in Group]
        self._group_of = {}
        for job in self.jobs.values():
            self._put(job, group_of(job), None)

    def upsert(self, job: JobView) -> bool:
        """Take one job as it is now; True when it came into a group or changed it."""
        before, now = self._group_of.get(job.job_id), group_of(job)
        self.jobs[job.job_id] = job
        if before is now:
            return False
        if before is not None:
            self._true[before].remove(job.job_id)
        is_interrupted = before is Group.RUNNING and job.state is JobState.QUEUED
        if now is Group.ENDED or (now in PRIORITY_OF and is_interrupted):
            self._put(job, now, 0)  # what ended last stands first; what was interrupted goes first
        else:
            self._put(job, now, job.position if now in PRIORITY_OF else None)
        return True

    def remove(self, job_id: int) -> JobView | None:
        """Forget a job; None when it was not known."""
        group = self._group_of.pop(job_id, None)
        if group is None:
            return None
        self._true[group].remove(job_id)
        return self.jobs.pop(job_id)

    def reorder(self, job_ids: Iterable[int]) -> None:
        """Take the order of all waiting jobs; the oldest move without an answer has it now."""
        ordered: Groups = [[] for _ in Group]
        for job_id in dict.fromkeys(job_ids):
            group = self._group_of.get(job_id)
            if group is not None:
                ordered[group].append(job_id)
        for group in WAITING_GROUPS:
            told = set(ordered[group])
            self._true[group] = ordered[group] + [job_id for job_id in self._true[group] if job_id not in told]
        del self.moves[:1]

    def _put(self, job: JobView, group: Group, place: int | None) -> None:
        members = self._true[group]
        members.insert(len(members) if place is None else place, job.job_id)
        self._group_of[job.job_id] = group
