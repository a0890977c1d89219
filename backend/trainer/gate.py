"""The gate that training passes between micro-batches, evaluated batches and sampled tokens: hold, leave or go on."""

from __future__ import annotations

import time
from collections.abc import Callable

from backend.contract.spool import Assignment, Paused, PhaseChanged, Resumed
from backend.trainer.failures import LeaveJob
from backend.trainer.spool import POLL_SECONDS, Commands, EventLog


class Gate:
    """`check` returns at once in the ordinary case, holds while paused, and raises LeaveJob when the file is left."""

    def __init__(self, events: EventLog, commands: Commands, assignment: Assignment) -> None:
        self._events = events
        self._commands = commands
        self._assignment = assignment
        self._phase = ""
        self.before_hold: Callable[[], None] = lambda: None
        """Makes the last full step durable; called once a pause, before Paused is said."""

    def enter(self, phase: str, detail: str = "") -> None:
        """Say what is done next; a repeated phase is said once."""
        if phase != self._phase or detail:
            self._phase = phase
            self._events.progress.enter(phase)
            self._events.emit(PhaseChanged, phase=phase, job_id=self._assignment.job_id, detail=detail)

    def check(self) -> None:
        """Pass, hold, or raise LeaveJob."""
        self.check_leaving()
        if self._commands.is_paused():
            before = self._phase
            self.before_hold()
            self.hold("", while_true=self._commands.is_paused)
            self.enter(before)

    def check_leaving(self) -> None:
        """Raise LeaveJob when the file shall be left."""
        reason = self._commands.leaving()
        if not reason and not self._commands.still_wants(self._assignment):
            reason = "skip"
        if reason:
            raise LeaveJob(reason)

    def hold(self, reason: str, *, while_true: Callable[[], bool], poll_seconds: float = POLL_SECONDS) -> None:
        """Do nothing, with everything in memory, as long as `while_true` says so."""
        before = self._phase
        self._phase = "paused"
        self._events.progress.enter("paused")
        self._events.emit(Paused, job_id=self._assignment.job_id, reason=reason)
        while while_true():
            self.check_leaving()
            time.sleep(poll_seconds)
        self._events.emit(Resumed, job_id=self._assignment.job_id)
        self.enter(before)
