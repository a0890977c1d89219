"""The service from start to end: a table of contents.

    start: folders, lock, logs, settings, database, checkpoints, trainer, API, endpoint file, intake, ready
    end:   intake, trainer (where asked), API, endpoint file, database, logs, lock

A part that fails in a way nobody foresaw ends the whole service, and the guardian starts it anew: what it did is
in the database, the trainer goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
import tomllib
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from msgspec import Struct

from backend.api.auth import Gate
from backend.api.event_feed import EventFeed
from backend.api.server import ApiServer, Ready, make_app
from backend.contract.errors import BadInputError, EverstepError, StorageError
from backend.contract.events import JobChanged, Notice, ServiceEvent, StepDone
from backend.contract.settings import ServiceSettings
from backend.contract.status import StatusView
from backend.contract.verbs import API_VERSION, Verb
from backend.formats.workspace import Workspace
from backend.machine import disk, probe
from backend.service import assignments, endpoint, lock, logs, moved
from backend.service.bases_intake import BasesIntake
from backend.service.configuration import ConfigFile
from backend.service.core import Core, Options, Programs
from backend.service.desk import Desk
from backend.service.dispatcher import Dispatcher
from backend.service.ending import Ending
from backend.service.inbox import Inbox
from backend.service.intake import Checking
from backend.service.narration import Narrator
from backend.service.status import StatusBoard
from backend.service.status_files import StatusFiles
from backend.service.throttle import Throttle
from backend.service.trainer_keeper import TrainerKeeper
from backend.service.verbs import Verbs
from backend.store import durable
from backend.store.database import Database, Transaction
from backend.supervisor.launcher import CODE_ROOT

log = logging.getLogger(__name__)

FAILED = 70
"""Exit code after a fault of ours: the guardian starts the service again."""
_STEPS_A_SECOND = 4.0
_LONGEST_GOODBYE_SECONDS = 900.0
_UNTAKEN_NOTE_SECONDS = 10.0
_CLIENT_SECONDS = 2.0
_ONE_WISH_SECONDS = 1.0


async def serve(root: Workspace, options: Options, programs: Programs) -> int:
    """Serve a workspace until asked to end; the exit code. Raises EverstepError, OSError when it cannot start."""
    prepare_folders(root)
    held = lock.take(root.service_lock, root.endpoint_file)
    try:
        config = _open_config(root)
        handler, redactor = logs.start(root.logs, config.config.service)
        config.subscribe(lambda changed: logs.apply_limits(handler, changed.service))
        try:
            database = Database.open(root.database, root.journal)
            try:
                return await Service(Core(root, database, config, programs, options), redactor).run()
            finally:
                with suppress(StorageError):  # a full disk takes no word of a clean end; the next start looks closer
                    database.close()
        except BaseException:
            log.exception("The service ends with an error.")
            raise
        finally:
            logs.stop(handler)
    finally:
        os.close(held)


def _open_config(root: Workspace) -> ConfigFile:
    """The settings. Raises BadInputError, after telling the log why nothing can be served."""
    try:
        return ConfigFile.open(root.config_file, has_gpu=bool(probe.nvidia_gpus()))
    except BadInputError as problem:
        handler, _redactor = logs.start(root.logs, ServiceSettings())
        log.error("The service cannot start. %s", problem)
        logs.stop(handler)
        raise


def prepare_folders(workspace: Workspace) -> None:
    """Make what is missing. Raises BadInputError where a workspace cannot be."""
    kind = disk.filesystem_kind(workspace.root)
    if disk.is_network_filesystem(kind):
        raise BadInputError(
            f"{workspace.root} lies on a network file system ({kind}).",
            hint="Locks and databases are not safe there; choose a folder on a disk of this machine.",
        )
    try:
        for folder in workspace.folders:
            durable.make_folder(folder)
    except OSError as problem:
        raise BadInputError(
            f"{workspace.root} cannot be a workspace: {problem.strerror} ({problem.filename})."
        ) from None


class Service:
    """Everything that lives as long as the process."""

    def __init__(self, core: Core, redactor: logs.Redactor) -> None:
        self.core = core
        self._redactor = redactor
        self._throttle = Throttle(1 / _STEPS_A_SECOND, self._publish_step)
        self.feed = EventFeed(epoch=core.database.epoch, replay=self._replay, snapshot=self._snapshot)
        self.board = StatusBoard(core)
        self.keeper = TrainerKeeper(core, self._throttle.offer, self.board)
        self.dispatcher = Dispatcher(core, self.keeper)
        self.checking = Checking(core)
        self.inbox = Inbox(core)
        self.bases = BasesIntake(core)
        self.status_files = StatusFiles(
            core, self.board, self.feed.publish_gauge, has_listeners=lambda: self.feed.num_listeners > 0
        )
        self.verbs = Verbs(Desk(core=core, board=self.board, keeper=self.keeper, bases=self.bases))
        self.ending = Ending(core, has_other_work=self._has_other_work, has_clients=self._has_clients)
        self.api = ApiServer()
        self._version = _program_version()
        self._asked_at = time.monotonic()
        self._signalled_at = 0.0
        tell = core.options.tell
        self._narrator = Narrator(as_json=tell == "json") if tell else None
        self._loop = asyncio.get_running_loop()

    async def run(self) -> int:
        """Start everything, wait, end everything."""
        core = self.core
        narrator = self._narrator
        if narrator is not None:
            narrator.serving(core.workspace, pid=os.getpid(), until_idle=core.options.until_idle)
            core.database.subscribe(narrator.saw)
        if core.database.repaired:  # recorded before anybody could listen
            log.warning("%s", core.database.repaired)
        core.database.subscribe(self._on_committed)
        self._listen_to_signals()
        durable.remove_file(core.workspace.status / "ready")
        if not core.options.safe_mode:
            await self.bases.forget_unfinished()
            await assignments.look_at_checkpoints(core)
            await self.keeper.adopt_or_settle()
        here = endpoint.make(self.api.port, self._version, core.home)
        self._redactor.hide(here.token)
        answering = asyncio.create_task(self._answer(here.token), name="api")
        endpoint.publish(core.workspace.endpoint_file, here)
        workers = [asyncio.create_task(work, name=name) for name, work in self._workers()]
        try:
            await self._until_answering(answering)
            durable.replace_status(core.workspace.status / "ready", str(os.getpid()).encode())
            log.info("Ready on port %d, process %d.", self.api.port, os.getpid())
            if narrator is not None:
                narrator.ready((await core.read(self.board.view)).sentence)
            return await self._until_end([answering, *workers])
        finally:
            await self._close(answering, workers)
            if narrator is not None:
                narrator.goodbye(self._goodbye())

    def _goodbye(self) -> str:
        trainer = self.keeper.current
        if not self.core.home.is_here():
            return "Goodbye. What was saved is in the folder that was moved."
        if trainer is None or trainer.has_ended():
            return "Goodbye. Everything trained is saved."
        if self.core.options.tell:
            return f"Goodbye. The trainer (process {trainer.identity.pid}) was told to save and end, and does so alone."
        return f"Goodbye. The trainer (process {trainer.identity.pid}) goes on; the next start takes it over."

    def _workers(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What goes on by itself; in safe mode only what looks on."""
        onlookers = [
            ("status files", self.status_files.run()),
            ("ending", self.ending.run()),
            ("move", moved.watch(self.core)),
        ]
        if self.core.options.safe_mode:
            return onlookers
        return [
            ("trainer", self.keeper.run()),
            ("dispatcher", self.dispatcher.run()),
            ("checks", self.checking.run()),
            ("inbox", self.inbox.run()),
            *onlookers,
        ]

    async def _answer(self, token: str) -> None:
        await self.api.serve(make_app(self, self.feed, Gate(port=self.api.port, token=token)))

    async def _until_answering(self, answering: asyncio.Task[None]) -> None:
        while not self.api.is_answering and not answering.done():
            await asyncio.sleep(0.005)

    async def _until_end(self, parts: list[asyncio.Task[None]]) -> int:
        """Wait for the wish to end, or for a part that falls over; then, where asked, for the trainer."""
        core = self.core
        wish = asyncio.create_task(core.end_wanted.wait(), name="wish to end")
        await asyncio.wait({wish, *parts}, return_when=asyncio.FIRST_COMPLETED)
        if not wish.done():
            wish.cancel()
            for part in parts:
                if part.done() and not part.cancelled() and (problem := part.exception()) is not None:
                    log.critical("The part %r failed.", part.get_name(), exc_info=problem)
            if core.home.is_here():
                return FAILED
            moved.say(core)
            return moved.MOVED
        if core.is_shutting_down and self.keeper.current is not None:
            log.info("Waiting for the trainer to save and end.")
            core.wake()
            give_up_at = time.monotonic() + _LONGEST_GOODBYE_SECONDS
            while self.keeper.current is not None and core.is_shutting_down and time.monotonic() < give_up_at:
                if self.keeper.current.has_ended():  # a full disk takes no note of it; the next start does
                    give_up_at = min(give_up_at, time.monotonic() + _UNTAKEN_NOTE_SECONDS)
                await asyncio.sleep(0.02)
        return core.exit_code

    async def _close(self, answering: asyncio.Task[None], workers: list[asyncio.Task[None]]) -> None:
        self.bases.cancel()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        is_here = self.core.home.is_here()  # else these are another workspace's files
        with suppress(EverstepError, OSError):
            if is_here:
                await self.status_files.beat()
        self.feed.close()
        self.api.stop()
        await asyncio.gather(answering, return_exceptions=True)
        if is_here:
            endpoint.withdraw(self.core.workspace.endpoint_file)
        self.core.close()
        log.info("Ended.")

    # ---- what the API needs ------------------------------------------------------------------------------

    async def call(self, verb: Verb, args: Struct, *, key: str, is_minimal: bool = False) -> bytes:
        """Carry out a verb."""
        self._asked_at = time.monotonic()
        self.core.home.require_here()
        return await self.verbs.call(verb, args, key=key, is_minimal=is_minimal)

    def ready(self) -> Ready:
        """Who answers here."""
        return Ready(
            api_version=API_VERSION,
            program_version=self._version,
            pid=os.getpid(),
            safe_mode=self.core.options.safe_mode,
        )

    async def _replay(self, after: int, limit: int) -> list[tuple[int, ServiceEvent]]:
        return await self.core.with_database(self.core.database.events_after, after, limit)

    async def _snapshot(self) -> tuple[int, StatusView]:
        def look(tx: Transaction) -> tuple[int, StatusView]:
            return self.core.database.last_sequence, self.board.view(tx)

        return await self.core.read(look)

    # ---- what happens ------------------------------------------------------------------------------------

    def _on_committed(self, sequence: int, event: ServiceEvent) -> None:
        """On whichever thread committed."""
        _log_event(event)
        self._loop.call_soon_threadsafe(self.feed.publish, sequence, event)

    def _publish_step(self, step: StepDone) -> None:
        self.feed.publish_gauge(step)

    def _has_other_work(self) -> bool:
        return self.bases.is_busy or not (self.inbox.is_empty or self.core.options.safe_mode)

    def _has_clients(self) -> bool:
        return self.feed.num_listeners > 0 or time.monotonic() - self._asked_at < _CLIENT_SECONDS

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with suppress(ValueError, RuntimeError):  # not the main thread: a test runs us
                self._loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        """First: end; whoever ends `serve` wants the trainer to save and end too, one in the background is left at
        work. Second: do not wait for it."""
        core = self.core
        if core.end_wanted.is_set():
            # A terminal's Ctrl-C reaches us and our guardian, who passes it on: that is one wish, not two.
            if time.monotonic() - self._signalled_at > _ONE_WISH_SECONDS:
                core.is_shutting_down = False
        else:
            self._signalled_at = time.monotonic()
            core.end(0, stops_trainer=core.options.until_idle or bool(core.options.tell))
            if self._narrator is not None and self.keeper.current is not None:
                self._narrator.ending()


def _log_event(event: ServiceEvent) -> None:
    match event:
        case JobChanged(job=job):
            log.info("Job %d, %s: %s. %s", job.job_id, job.file_name, job.state.value, job.reason)
        case Notice(level=level, title=title, message=message):
            log.log(logging.INFO if level == "info" else logging.WARNING, "%s. %s", title, message)


def _program_version() -> str:
    with open(CODE_ROOT / "pyproject.toml", "rb") as file:
        return str(tomllib.load(file)["project"]["version"])
