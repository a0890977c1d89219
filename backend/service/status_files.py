"""`status/last.json` and `status/training_status.json`: replaced when something changed, at most once a second.

The same beat tells listening clients the status; when nobody listens nothing is told and the machine is not looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from backend.contract.events import StatusChanged
from backend.contract.status import StatusView
from backend.service.core import Core
from backend.service.status import StatusBoard, stalled_seconds, training_status
from backend.store import durable

log = logging.getLogger(__name__)

_BEAT_SECONDS = 1.0


class StatusFiles:
    """Writes the files and publishes the gauge."""

    def __init__(
        self,
        core: Core,
        board: StatusBoard,
        publish: Callable[[StatusChanged], None],
        *,
        has_listeners: Callable[[], bool],
    ) -> None:
        self._core = core
        self._board = board
        self._publish = publish
        self._has_listeners = has_listeners
        self._written: StatusView | None = None
        self._told: StatusView | None = None
        self._seen: tuple[Any, ...] = ()
        self._disk_failed = False

    async def run(self) -> None:
        """For as long as the service lives."""
        while True:
            await self.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def beat(self) -> None:
        """Once; nothing is told or written while nothing changed."""
        is_heard = self._has_listeners()
        marks = self._marks()
        if not is_heard and marks == self._seen:
            return
        self._seen = marks
        view = await self._core.read(partial(self._board.view, looks_at_machine=is_heard))
        told = _lasting(view)
        if is_heard and told != self._told:
            self._told = told
            self._publish(StatusChanged(at=view.updated_at, status=view))
        written = msgspec.structs.replace(told, machine=None)
        if written != self._written:
            self._written = written
            await self._core.with_files(self._write, view)

    def _marks(self) -> tuple[Any, ...]:
        """What the status is made of, where that costs nothing to ask."""
        core, trainer = self._core, self._board.trainer
        pid = trainer.identity.pid if trainer is not None else 0
        is_at_rest = trainer is None or core.live.phase in ("", "idle", "paused")
        stalled = 0 if trainer is None or is_at_rest else stalled_seconds(trainer)
        return core.database.num_commits, core.workspace.stop_file.exists(), pid, stalled, *vars(core.live).values()

    def _write(self, view: StatusView) -> None:
        workspace = self._core.workspace
        try:
            durable.replace_status(workspace.last_status_file, msgspec.json.encode(view))
            durable.replace_status(workspace.training_status_file, msgspec.json.encode(training_status(view)))
            self._disk_failed = False
        except OSError as problem:  # worthless after a crash anyway; said once
            if not self._disk_failed:
                log.error("The status files cannot be written: %s", problem)
            self._disk_failed = True


def _lasting(view: StatusView) -> StatusView:
    """Without what changes all the time and tells nobody anything."""
    service = msgspec.structs.replace(view.service, memory_bytes=0) if view.service else None
    trainer = msgspec.structs.replace(view.trainer, last_progress_seconds=None) if view.trainer else None
    return msgspec.structs.replace(view, updated_at=0.0, service=service, trainer=trainer)
