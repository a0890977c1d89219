"""A living trainer as the service holds it: its attempt, what it was told, what it says, whether it still lives."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from backend.contract.spool import AnyTrainerEvent, Assignment, Desired, JobStarted, Request, Step
from backend.formats.progress import read_progress
from backend.formats.workspace import Workspace
from backend.machine.processes import ProcessIdentity, Watch, is_alive
from backend.supervisor import launcher
from backend.supervisor.attempts import Attempt
from backend.supervisor.control import ControlFile
from backend.supervisor.outcome import recorded_end
from backend.supervisor.spool_reader import SpoolReader


class TrainerProcess:
    """One trainer, our own child or an adopted one. Close it when its end was dealt with."""

    def __init__(
        self, attempt: Attempt, spool: Path, identity: ProcessIdentity, child: subprocess.Popen[bytes] | None
    ) -> None:
        self.attempt = attempt
        self.spool = spool
        self.identity = identity
        self.control = ControlFile(spool)
        self.reader = SpoolReader(spool, offset=attempt.events_offset, last_n=attempt.last_n)
        told = self.control.assignment
        self.last_job_id: int | None = told.job_id if told else None
        """The job it had last: the model of its lineage is what it may still hold in memory."""
        self.has_begun = False
        """Whether it came as far as to begin a job."""
        self._was_signalled = False
        self._child = child
        self._watch = Watch(identity)

    @property
    def is_adopted(self) -> bool:
        """Whether a service before this one started it."""
        return self._child is None

    def tell(self, desired: Desired, assignment: Assignment | None, requests: list[Request]) -> bool:
        """Say what is wanted; True when that is news."""
        if assignment is not None:
            self.last_job_id = assignment.job_id
        return self.control.tell(desired, assignment, requests)

    def signal_to_stop(self) -> None:
        """Ask it to save and end without a file: for a disk that takes no `control.json` any more."""
        self._was_signalled = True
        self.send(signal.SIGTERM)

    def send(self, *numbers: signal.Signals) -> None:
        """Send signals to the process; nothing happens when it is gone."""
        if not self.has_ended() and is_alive(self.identity):
            with suppress(ProcessLookupError):
                for number in numbers:
                    os.kill(self.identity.pid, number)

    def saw(self, event: AnyTrainerEvent) -> None:
        """Learn from what it says which job it had: a service before this one may have given it."""
        if isinstance(event, JobStarted | Step):
            self.last_job_id, self.has_begun = event.job_id, True

    @property
    def was_told_to_stop(self) -> bool:
        """Whether it is on its way out."""
        told = self.control.told
        return self._was_signalled or (told is not None and told.desired is Desired.STOP)

    def has_ended(self) -> bool:
        """Whether the process is gone; reaps it when it is our child."""
        if self._child is not None:
            return self._child.poll() is not None
        return self._watch.has_ended()

    def exit_status(self, ended_file: Path) -> tuple[int | None, int | None]:
        """(code, signal), each None when unknown. An adopted one's is known only if a guardian reaped it."""
        if self._child is None:
            return recorded_end(ended_file, self.identity.pid, self.attempt.started_at) or (None, None)
        code = self._child.returncode
        return (None, -code) if code is not None and code < 0 else (code, None)

    def seconds_since_progress(self) -> float | None:
        """Since its progress counter moved; None before the first move."""
        progress = read_progress(self.spool / "progress.bin")
        if progress is None or progress.moved_at_ns == 0:
            return None
        return max(0.0, (time.monotonic_ns() - progress.moved_at_ns) / 1e9)

    def close(self) -> None:
        """Give its descriptor back."""
        self._watch.close()


def began_a_job(events: Sequence[AnyTrainerEvent]) -> bool:
    """Whether a trainer that said this came as far as to begin a job."""
    return any(isinstance(event, JobStarted | Step) for event in events)


def start(command: Sequence[str], attempt: Attempt, workspace: Workspace) -> TrainerProcess:
    """Start the process of an attempt whose row is committed. It is told to wait until there is work for it."""
    spool = attempt.spool(workspace)
    launcher.make_spool(spool)
    ControlFile(spool).tell(Desired.RUN, None, [])
    child = launcher.launch(command, spool, workspace.root)
    identity = launcher.identity_of(child)
    return TrainerProcess(attempt, spool, identity, child)
