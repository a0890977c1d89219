"""The one SQLite database of a workspace, its change log and its journal.

Nobody but the service opens it. A change is made inside `Database.run`: BEGIN IMMEDIATE .. COMMIT, then its journal
line is appended and fsynced, then listeners are told, then `run` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from backend.contract.events import ServiceEvent

T = TypeVar("T")
Row = tuple[Any, ...]


class Transaction:
    """One change of the database: what domain functions take first.

    Durable tables are written with `put` and `delete` only, which also go to the journal. `execute` may write
    tables and columns that come back by other means after a repair (metrics, evaluations, samples, gauges,
    `attempts.last_n`).
    """

    now: float
    """Unix time of the transaction."""
    root: Path
    """The workspace folder."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; all rows it gives."""
        raise NotImplementedError

    def one(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row, or None."""
        raise NotImplementedError

    def put(self, table: str, row: Mapping[str, Any]) -> int:
        """Insert a row, or change the given columns of the row with this key; journalled.

        Without its integer key a row is inserted and numbered. Returns the key (0 for a table with a text key).
        """
        raise NotImplementedError

    def delete(self, table: str, key: Any) -> None:
        """Delete the row with this key; journalled."""
        raise NotImplementedError

    def record(self, event: ServiceEvent) -> None:
        """Publish `event` after commit, with a sequence number of its own."""
        raise NotImplementedError

    def relative(self, path: str | Path) -> str:
        """How a path is stored: relative to the workspace when inside, so that a workspace can be moved."""
        raise NotImplementedError

    def absolute(self, stored: str) -> str:
        """The path behind a stored one; '' stays ''."""
        raise NotImplementedError


class Database:
    """The open database. All work goes through `run` and `read`, one at a time."""

    epoch: str
    """Random; another one after the database was rebuilt."""
    last_sequence: int
    repaired: str
    """What was repaired at opening, as a sentence; '' when nothing was. Also recorded as a Notice."""

    @classmethod
    def open(cls, path: Path, journal: Path) -> Database:
        """Open or create the database, check it, migrate it, bring journal and database together.

        A damaged one is put into `quarantine/` and rebuilt from the journal. Raises DamagedError when neither
        can be used, StorageError when the disk refuses, LockedError when another program has it open,
        ConflictError (code newer_schema) when a newer Everstep wrote it.
        """
        raise NotImplementedError

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in one transaction; when it raises, nothing of it happened.

        Raises what `work` raises, StorageError when the disk refuses, DamagedError when the file turns out broken.
        """
        raise NotImplementedError

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Like `run`, but `work` may not write."""
        raise NotImplementedError

    def subscribe(self, listener: Callable[[int, ServiceEvent], None]) -> None:
        """Call `listener(sequence, event)` after commit, in commit order, on the thread that committed."""
        raise NotImplementedError

    def events_after(self, sequence: int, limit: int) -> list[tuple[int, ServiceEvent]]:
        """Recorded events with a higher sequence, oldest first. See `oldest_sequence`."""
        raise NotImplementedError

    def oldest_sequence(self) -> int:
        """Events after this sequence are all still known; a client that saw less needs a reset."""
        raise NotImplementedError

    def close(self) -> None:
        """Mark a clean stop and close. Closing twice is fine."""
        raise NotImplementedError
