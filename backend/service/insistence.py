"""Ends a trainer that was told to stop and does not react: it may hang, or have been halted (SIGSTOP).

First it is asked by a signal and let go on, which is enough for a halted one; then it is ended. One that saves makes
progress, one that waits for the disk is waited for. What is killed loses only steps after the newest checkpoint.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import time

from backend.contract.events import Notice
from backend.machine import processes
from backend.service.core import Core
from backend.store.database import Transaction
from backend.supervisor.outcome import Outcome
from backend.supervisor.trainer_process import TrainerProcess
from backend.versions import checkpoints, lineages

log = logging.getLogger(__name__)

_ASKED_AFTER_SECONDS = 10.0
_ENDED_AFTER_SECONDS = 30.0
"""Since it was asked."""


class Insistence:
    """Looks at one trainer at a time."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._attempt = 0
        self._told_at = 0.0
        self._asked_at: float | None = None
        self._killed = 0

    async def look(self, process: TrainerProcess) -> None:
        """Called again and again while the process lives."""
        if not process.was_told_to_stop:
            self._attempt = 0
            return
        now, attempt = time.monotonic(), process.attempt.attempt_seq
        if attempt != self._attempt:
            self._attempt, self._told_at, self._asked_at = attempt, now, None
        quiet = now - self._told_at
        if quiet < _ASKED_AFTER_SECONDS or self._killed == attempt:
            return
        since_progress = process.seconds_since_progress()
        quiet = quiet if since_progress is None else min(quiet, since_progress)
        if self._asked_at is None:
            if quiet >= _ASKED_AFTER_SECONDS:
                self._asked_at = now
                log.warning("The trainer made no progress for %.0f s after it was told to stop: asked again.", quiet)
                process.send(signal.SIGTERM, signal.SIGCONT)
            return
        is_overdue = now - self._asked_at >= _ENDED_AFTER_SECONDS and quiet >= _ENDED_AFTER_SECONDS
        if is_overdue and not processes.waits_for_disk(process.identity.pid):
            self._killed = attempt
            process.send(signal.SIGKILL)
            await self._core.run(lambda tx: _tell(tx, quiet))

    def explain(self, process: TrainerProcess, end: Outcome) -> Outcome:
        """The end of a trainer; the truth about one that was ended here."""
        if process.attempt.attempt_seq != self._killed:
            return end
        return dataclasses.replace(end, sentence="The trainer did not react any more and was ended.")


def _tell(tx: Transaction, quiet_seconds: float) -> None:
    lineage = lineages.current(tx)
    head = checkpoints.newest(tx, lineage.lineage_id) if lineage else None
    safe = f"Step {head.global_step:,} and everything before it is safe" if head else "No checkpoint was saved yet"
    tx.record(
        Notice(
            at=tx.now,
            level="warning",
            title="The trainer did not react and was ended",
            message=f"It was told to stop and made no progress for {quiet_seconds:.0f} s. {safe}; what was trained "
            "after that is trained again.",
        )
    )
