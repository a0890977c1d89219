"""What every part of the service needs: the workspace, the database behind its one thread, settings, wake-up calls.

Everything asynchronous runs on the event loop's thread. Database work runs on one thread of its own, slow file
work (copying, hashing) on a few others; nothing else in the service starts threads.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from backend.contract.status import RunState
from backend.formats.home import Home
from backend.formats.workspace import Workspace
from backend.service.configuration import ConfigFile
from backend.service.live import Live
from backend.store.database import Database, Transaction

T = TypeVar("T")
_FILE_THREADS = 4


@dataclass(frozen=True, kw_only=True)
class Programs:
    """How children are started. Tests put stand-ins here."""

    trainer: tuple[str, ...]
    checker: tuple[str, ...]
    fetcher: tuple[str, ...]
    converter: tuple[str, ...]

    @classmethod
    def real(cls) -> Programs:
        """The product's own, run by this interpreter with a safe import path."""
        python = (sys.executable, "-P", "-m")
        return cls(
            trainer=(*python, "backend.trainer"),
            checker=(*python, "backend.checker"),
            fetcher=(*python, "backend.fetcher"),
            converter=(*python, "backend.trainer.convert"),
        )


@dataclass(frozen=True, kw_only=True)
class Options:
    """How this service was started."""

    until_idle: bool = False
    linger_seconds: float | None = None
    safe_mode: bool = False
    tell: str = ""
    """text or json: say on standard output what happens."""


class Core:
    """Shared by all parts; holds no decisions."""

    def __init__(
        self, workspace: Workspace, database: Database, config: ConfigFile, programs: Programs, options: Options
    ) -> None:
        self.workspace = workspace
        self.home = Home(workspace.root)
        self.database = database
        self.config = config
        self.programs = programs
        self.options = options
        self.live = Live()
        self.dispatch_wanted = asyncio.Event()
        self.check_wanted = asyncio.Event()
        self.end_wanted = asyncio.Event()
        self.unstored_run_state: RunState | None = None
        """What the user wants when a full disk took no note of it; stored as soon as there is room."""
        self.exit_code = 0
        self.is_shutting_down = False
        """Whether the trainer is to end too."""
        self._database_thread = ThreadPoolExecutor(1, "database")
        self._file_threads = ThreadPoolExecutor(_FILE_THREADS, "files")

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """Change the database; returns after commit. Raises WorkspaceMovedError: what fails then is nobody's fault."""
        self.home.require_here()
        return await self._in(self._database_thread, self.database.run, work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Read the database."""
        return await self._in(self._database_thread, self.database.read, work)

    async def with_database(self, work: Callable[..., T], *args: Any) -> T:
        """Run something on the database's thread that opens its own transactions."""
        return await self._in(self._database_thread, work, *args)

    async def with_files(self, work: Callable[..., T], *args: Any) -> T:
        """Run slow file work beside everything else."""
        return await self._in(self._file_threads, work, *args)

    async def _in(self, executor: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, work, *args)

    def wake(self) -> None:
        """Something changed that may change what is to be done."""
        self.dispatch_wanted.set()
        self.check_wanted.set()

    def end(self, exit_code: int = 0, *, stops_trainer: bool) -> None:
        """Ask the service to end; a trainer that is not stopped goes on and the next service adopts it."""
        self.exit_code = exit_code
        self.is_shutting_down = self.is_shutting_down or stops_trainer
        self.end_wanted.set()

    def close(self) -> None:
        """Wait for work at hand and give the threads back."""
        self._file_threads.shutdown(wait=True, cancel_futures=True)
        self._database_thread.shutdown(wait=True)
