"""How much there is in the queue: files, and the time that they take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from backend.contract.jobs import TERMINAL_STATES, JobState, JobView
from gui.state import queue_text


class Summary(NamedTuple):
    """Of files that run or wait."""

    num_files: int
    seconds: float | None
    """Until all that may train are done; None when nothing is known."""
    is_least: bool
    """Of some files it is not known yet, as while they are checked: it takes longer than that."""

    def plus(self, other: Summary) -> Summary:
        """Of both together."""
        known = [part for part in (self.seconds, other.seconds) if part is not None]
        is_least = self.is_least or other.is_least
        return Summary(self.num_files + other.num_files, sum(known) if known else None, is_least)


def summed(jobs: Iterable[JobView], seconds_per_step: float | None) -> Summary:
    """What is held or needs a person counts as a file and takes no time."""
    there = [job for job in jobs if job.state not in TERMINAL_STATES]
    may_train = [job for job in there if job.state not in (JobState.HELD, JobState.BLOCKED)]
    etas = [queue_text.eta_seconds(job, seconds_per_step) for job in may_train]
    known = [eta for eta in etas if eta is not None]
    return Summary(len(there), sum(known) if known else None, len(known) < len(etas))
