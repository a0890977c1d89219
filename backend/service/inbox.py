"""The inbox: a file put there counts once it stood still for two seconds, is staged, queued and moved away.

    inbox/FILE  ->  inbox/done/FILE  or  inbox/refused/FILE with FILE.reason.txt beside it

Nobody is trusted to close a file before we look: size and time of change must stand still. Hidden names and names
of unfinished downloads are left alone, so are folders.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

from watchfiles import awatch

from backend.contract.errors import DatasetError, EverstepError
from backend.contract.events import Notice
from backend.contract.jobs import Priority
from backend.datasets import staging
from backend.datasets.staging import Staged
from backend.machine.clock import until_set
from backend.service import intake
from backend.service.core import Core
from backend.store import durable, idempotency
from backend.store.database import Transaction

log = logging.getLogger(__name__)

STILL_SECONDS = 2.0
_UNFINISHED = (".part", ".partial", ".crdownload", ".tmp", ".download", "~")
_AFTER_ERROR_SECONDS = 5.0


class Inbox:
    """Watches for file events and sweeps every `poll_interval` for those the system did not tell."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._folder = core.workspace.inbox
        self._still_seconds = STILL_SECONDS
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        """Size and time of change of each waiting file, and since when (monotonic) they stand still."""
        self._events = asyncio.Event()
        self.is_empty = False
        """Whether nothing waits in it; known after the first sweep."""

    async def run(self) -> None:
        """For as long as the service lives."""
        watching = asyncio.create_task(self._watch(), name="inbox events")
        try:
            while True:
                self._events.clear()
                try:
                    waits = await self.sweep()
                except (EverstepError, OSError) as problem:
                    log.error("The inbox could not be read: %s", problem)
                    await asyncio.sleep(_AFTER_ERROR_SECONDS)
                    continue
                limit = self._core.config.config.service.poll_interval
                await until_set(self._events, min(limit, self._still_seconds / 4) if waits else limit)
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        try:
            async for _changes in awatch(self._folder, recursive=False, debounce=400, step=200):
                self._events.set()
        except OSError as problem:  # no more watches to be had: the sweep still finds everything
            log.warning("The inbox is swept only, not watched: %s", problem)

    async def sweep(self) -> bool:
        """Take in what stood still long enough; True while something is waiting to stand still."""
        now = time.monotonic()
        present = await self._core.with_files(_candidates, self._folder)
        self._seen = {path: seen for path, seen in self._seen.items() if path in present}
        ready = []
        for path, signature in present.items():
            known = self._seen.get(path)
            if known is None or known[0] != signature:
                self._seen[path] = (signature, now)
            elif now - known[1] >= self._still_seconds:
                ready.append(path)
        self.is_empty = not present
        for path in sorted(ready):
            if await self._take_in(path):
                self._seen.pop(path, None)
            else:
                self._seen[path] = ((-1, -1), now)
        self.is_empty = not self._seen
        return bool(self._seen)

    async def _take_in(self, path: Path) -> bool:
        """Into the queue, or refused; False when it was still being written after all."""
        core = self._core
        signature, _since = self._seen[path]
        name = staging.clean_name(path.name)  # a name that is not UTF-8 can be neither stored nor sent
        key = f"inbox:{path.name.encode('utf-8', 'backslashreplace').decode()}:{signature[0]}:{signature[1]}"
        try:
            if not path.name.lower().endswith(staging.SUFFIXES):
                known = ", ".join(staging.SUFFIXES)
                raise DatasetError(f"{name} is not a training file.", hint=f"Known are {known}.")
            staged = await core.with_files(staging.stage, core.workspace, path)
        except DatasetError as problem:  # the file's fault; when it is our disk's, the file waits here
            if (await core.with_files(_candidates, self._folder)).get(path) != signature:
                return False
            await self._refuse(path, problem)
            return True
        await core.run(lambda tx: _queue_once(tx, core, staged, key))
        await core.with_files(_move_away, path, core.workspace.inbox_done)
        log.info("Took %s from the inbox.", name)
        core.wake()
        return True

    async def _refuse(self, path: Path, problem: EverstepError) -> None:
        core, body = self._core, problem.body()
        await core.with_files(_refuse_file, path, core.workspace.inbox_refused, body.sentence())
        title = f"{staging.clean_name(path.name)} was refused"
        notice = Notice(at=time.time(), level="warning", title=title, message=body.sentence())
        await core.run(lambda tx: tx.record(notice))


def _queue_once(tx: Transaction, core: Core, staged: Staged, key: str) -> None:
    """A service that died between queueing a file and moving it away must not queue it again."""
    if idempotency.recall(tx, key) is None:
        intake.queue_staged(tx, core, [staged], Priority.NORMAL, [])
        idempotency.remember(tx, key, b"queued")


def _candidates(folder: Path) -> dict[Path, tuple[int, int]]:
    found = {}
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name.endswith(_UNFINISHED):
            continue
        with suppress(OSError):  # it may go while we look
            state = path.lstat()
            if not path.is_dir() or path.is_symlink():
                found[path] = (state.st_size, state.st_mtime_ns)
    return found


def _move_away(path: Path, folder: Path) -> Path:
    """Into `folder` under its name, or with a number where that is taken."""
    for number in range(1, 10_000):
        target = folder / (path.name if number == 1 else f"{path.stem}-{number}{path.suffix}")
        try:
            durable.move(path, target)
            return target
        except FileExistsError:
            continue
    raise OSError(17, "too many files of this name", str(path))


def _refuse_file(path: Path, folder: Path, reason: str) -> None:
    moved = _move_away(path, folder)
    durable.commit_file(moved.with_name(moved.name + ".reason.txt"), (reason + "\n").encode())
