"""When a service ends by itself: `--until-idle` when nothing is left to do, `--linger` when nobody needs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from backend.contract.jobs import JobState
from backend.contract.status import RunState
from backend.queue import queue
from backend.service import base_damage, intent
from backend.service.core import Core
from backend.store.database import Transaction
from backend.versions import bases

_TICK_SECONDS = 0.25
_QUIET_TICKS = 4
"""How often in a row nothing must be left to do: a change may be on its way from one part to another."""
_UNWELL = (JobState.BLOCKED, JobState.FAILED, JobState.QUARANTINED)


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What is left."""

    is_idle: bool
    """Nothing runs, is being checked, or can start by itself."""
    holds_job: bool
    """A job is under way, also when it is paused."""
    needs_person: bool
    """A job failed, or cannot go on by itself."""


def look(tx: Transaction, *, stop_file: bool) -> Rest:
    """What the database says is left to do."""
    counts = queue.counts(tx)
    active = queue.active(tx)
    is_hindered = base_damage.needs_person(bases.current(tx))
    may_train = intent.run_state(tx) is RunState.RUNNING and not stop_file and not is_hindered
    can_start = active is not None or queue.next_runnable(tx) is not None
    return Rest(
        is_idle=JobState.CHECKING not in counts and not (may_train and can_start),
        holds_job=active is not None,
        needs_person=any(state in counts for state in _UNWELL) or (can_start and not may_train),
    )


class Ending:
    """Asks now and then whether it is time to go."""

    def __init__(self, core: Core, *, has_other_work: Callable[[], bool], has_clients: Callable[[], bool]) -> None:
        self._core = core
        self._has_other_work = has_other_work
        self._has_clients = has_clients

    def _look(self, tx: Transaction) -> Rest:
        return look(tx, stop_file=self._core.workspace.stop_file.exists())

    async def run(self) -> None:
        """For as long as the service lives; only waits where it is to stay for good."""
        options = self._core.options
        if not options.until_idle and options.linger_seconds is None:
            await asyncio.Event().wait()
        quiet_ticks = 0
        needed_since = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if not options.until_idle and self._has_clients():  # a window that listens is a client
                needed_since = time.monotonic()
                continue
            rest = await self._core.read(self._look)
            is_idle = rest.is_idle and not self._has_other_work()
            quiet_ticks = quiet_ticks + 1 if is_idle else 0
            if options.until_idle:
                if quiet_ticks >= _QUIET_TICKS:
                    self._core.end(1 if rest.needs_person else 0, stops_trainer=True)
                continue
            if not is_idle or rest.holds_job:
                needed_since = time.monotonic()
            elif time.monotonic() - needed_since > (options.linger_seconds or 0):
                self._core.end(0, stops_trainer=True)
