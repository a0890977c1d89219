"""`status/last.json` and `status/training_status.json`: replaced when something changed, at most once a second.

The same beat tells listening clients the status.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from backend.contract.events import StatusChanged
from backend.contract.status import StatusView
from backend.service.core import Core
from backend.service.status import StatusBoard, training_status
from backend.store import durable

log = logging.getLogger(__name__)

_BEAT_SECONDS = 1.0


class StatusFiles:
    """Writes the files and publishes the gauge."""

    def __init__(self, core: Core, board: StatusBoard, publish: Callable[[StatusChanged], None]) -> None:
        self._core = core
        self._board = board
        self._publish = publish
        self._told: StatusView | None = None
        self._disk_failed = False

    async def run(self) -> None:
        """For as long as the service lives."""
        while True:
            await self.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def beat(self) -> None:
        """Once; nothing is written while nothing changed."""
        view = await self._core.read(self._board.view)
        if self._told is not None and _lasting(view) == _lasting(self._told):
            return
        self._told = view
        self._publish(StatusChanged(at=view.updated_at, status=view))
        await self._core.with_files(self._write, view)

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
