"""The one SQLite database of a workspace, its change log and its journal.

Nobody but the service opens it. A change is made inside `Database.run`: BEGIN IMMEDIATE .. COMMIT, then its journal
lines are appended and fsynced, then listeners are told, then `run` returns. The `changes` table holds the newest
journal lines too, so that what a crash kept out of the journal is added at the next start.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from backend.contract.errors import DamagedError, StorageError
from backend.contract.events import AnyServiceEvent, Notice, ServiceEvent
from backend.store import connection as opening
from backend.store import durable, migrations, pyramid, repair
from backend.store.journal import KEYS, Journal, decode
from backend.store.repair import Rebuilt
from backend.store.transaction import Row, Transaction

__all__ = ["Database", "Row", "Transaction"]

T = TypeVar("T")
KEPT_CHANGES = 5000
"""Events a client may have missed and still catch up without fetching everything anew."""
MOST_JOURNAL_LINES = 10_000
"""Beyond it the journal is replaced by one line that holds everything."""
_HEADROOM_BYTES = 1 << 18
_SERVICE_EVENTS = msgspec.json.Decoder(AnyServiceEvent)


class Database:
    """The open database. All work goes through `run` and `read`, one at a time."""

    def __init__(self, path: Path, connection: apsw.Connection, journal: Journal) -> None:
        self.path = path
        self.epoch = ""
        """Random; another one after the database was rebuilt."""
        self.last_sequence = _last_sequence(connection)
        self.num_commits = 0
        """Since opening; the same number again means that nothing was changed meanwhile."""
        self.repaired = ""
        """What was repaired at opening, as a sentence; '' when nothing was. Also recorded as a Notice."""
        self._connection = connection
        self._journal = journal
        self._pending: list[bytes] = []
        self._listeners: list[Callable[[int, ServiceEvent], None]] = []
        self._lock = threading.RLock()
        self._is_inside = False
        self._is_closed = False
        self._compact_beyond = MOST_JOURNAL_LINES

    @classmethod
    def open(cls, path: Path, journal: Path) -> Database:
        """Open or create the database, check it, migrate it, bring journal and database together.

        A damaged one is put into `quarantine/` and rebuilt from the journal. Raises DamagedError when neither
        can be used, StorageError when the disk refuses, LockedError when another program has it open,
        ConflictError (code newer_schema) when a newer Everstep wrote it.
        """
        try:
            durable.make_folder(path.parent)
            told = Journal(journal)
            try:
                with opening.translated(path):
                    return cls._open(path, told)
            except BaseException:
                told.close()
                raise
        except OSError as problem:
            raise _storage_error(problem) from problem

    @classmethod
    def _open(cls, path: Path, journal: Journal) -> Database:
        known = migrations.scripts()
        rebuilt: Rebuilt | None = None
        connection, damage = _try_open(path, journal, known)
        if connection is None:
            repair.require_journal(journal, damage)
            kept = repair.set_aside(path)
            connection = opening.connect(path)
            migrations.apply(connection, known)
            rebuilt = repair.rebuild(connection, journal, kept)
        try:
            if rebuilt is not None and rebuilt.last_line is not None:
                line = msgspec.json.encode(rebuilt.last_line)
                _write_lines(connection, [line], rebuilt.last_line.seq)
            pyramid.fill_missing(connection)
            database = cls(path, connection, journal)
            database._bring_journal_up_to_date()
            database._compact_journal()
            database._begin_life()
            if rebuilt is not None:
                database._tell_repair(damage, rebuilt)
        except BaseException:
            connection.close()
            raise
        return database

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Do `work` in one transaction; when it raises, nothing of it happened.

        Raises what `work` raises, StorageError when the disk refuses, DamagedError when the file turns out broken.
        A StorageError with code journal means: changed and told, but the journal could not be written. Nothing
        more is accepted until it can be.
        """
        with self._lock, opening.translated(self.path):
            self._write_pending()
            with self._inside():
                tx = self._transaction()
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    answer = work(tx)
                    lines = tx.lines()
                    self._require_room(sum(map(len, lines)))
                    _write_lines(self._connection, lines, self.last_sequence + 1)
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise
            self.num_commits += 1
            self.last_sequence += len(lines)
            self._pending.extend(lines)
            try:
                self._write_pending()
            finally:
                self._tell(tx)
            self._compact_journal()
            return answer

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Like `run`, but `work` may not write."""
        with self._lock, opening.translated(self.path), self._inside():
            self._connection.pragma("query_only", 1)
            self._connection.execute("BEGIN")
            try:
                return work(self._transaction())
            finally:
                self._roll_back()
                self._connection.pragma("query_only", 0)

    def subscribe(self, listener: Callable[[int, ServiceEvent], None]) -> None:
        """Call `listener(sequence, event)` after commit, in commit order, on the thread that committed.

        A listener does not raise and does not write to the database.
        """
        self._listeners.append(listener)

    def events_after(self, sequence: int, limit: int) -> list[tuple[int, ServiceEvent]]:
        """Recorded events with a higher sequence, oldest first, at most `limit`. See `oldest_sequence`."""
        found: list[tuple[int, ServiceEvent]] = []
        with self._lock, opening.translated(self.path):
            rows = self._connection.execute(
                "SELECT sequence, line FROM changes WHERE sequence > ? ORDER BY sequence", (sequence,)
            )
            for number, text in rows:
                if len(found) >= limit:
                    break
                event = decode(text).event
                if bytes(event) != b"null":
                    found.append((int(number), _SERVICE_EVENTS.decode(event)))
        return found

    def oldest_sequence(self) -> int:
        """Events after this sequence are all still known; a client that saw less needs a reset."""
        with self._lock, opening.translated(self.path):
            row = self._connection.execute("SELECT min(sequence) FROM changes").fetchone()
        return int(row[0]) - 1 if row and row[0] is not None else self.last_sequence

    def close(self) -> None:
        """Mark a clean stop and close. Closing twice is fine."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            try:
                with opening.translated(self.path):
                    if not self._pending:
                        _set_local(self._connection, "clean_stop", "1")
            finally:
                self._connection.close()
                self._journal.close()

    # ---- inside a transaction ------------------------------------------------------------------------------

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Refuse work inside of work: the inner one could neither commit nor be rolled back by itself."""
        if self._is_closed:
            raise StorageError("The database is closed.", hint="The service is ending; try again when it is back.")
        if self._is_inside:
            raise RuntimeError("run or read called inside a transaction")
        self._is_inside = True
        try:
            yield
        finally:
            self._is_inside = False

    def _transaction(self) -> Transaction:
        return Transaction(self._connection, root=self.path.parent, now=time.time(), last_sequence=self.last_sequence)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:  # SQLite ends some failed transactions by itself
            self._connection.execute("ROLLBACK")

    def _tell(self, tx: Transaction) -> None:
        for sequence, event in tx.recorded():
            for listener in self._listeners:
                listener(sequence, event)

    # ---- the journal ---------------------------------------------------------------------------------------

    def _require_room(self, num_bytes: int) -> None:
        """A full disk is better noticed before the commit than between commit and journal."""
        if num_bytes == 0:
            return
        found = os.statvfs(self._journal.path.parent)
        if found.f_bavail * found.f_frsize < num_bytes + _HEADROOM_BYTES:
            raise StorageError(
                f"The disk that holds {self.path.parent} is full. Nothing was changed.",
                hint="Free some space and try again.",
                code="disk_full",
            )

    def _write_pending(self) -> None:
        """Bring committed lines into the journal; they stay pending when the disk refuses."""
        if not self._pending:
            return
        try:
            if self._journal.is_usable:
                self._journal.append(self._pending)
            else:
                self._restart_journal()
        except OSError as problem:
            raise _storage_error(problem, code="journal") from problem
        self._pending.clear()

    def _restart_journal(self) -> None:
        whole = repair.whole_line(self._connection, seq=self.last_sequence, at=time.time())
        self._journal.restart(whole, repair.aside_name(self._journal.path))

    def _compact_journal(self) -> None:
        """Now and then drop the lines that later ones overruled; where it fails the long journal is as good."""
        if self._journal.num_lines <= self._compact_beyond or not self._journal.is_usable:
            return
        self._compact_beyond = self._journal.num_lines + MOST_JOURNAL_LINES  # if it fails, not again at once
        with suppress(OSError, DamagedError):
            opening.check_tables(self._connection, KEYS)
            self._journal.compact(repair.whole_line(self._connection, seq=self.last_sequence, at=time.time()))
            self._compact_beyond = MOST_JOURNAL_LINES

    def _bring_journal_up_to_date(self) -> None:
        """Add lines that a crash kept out of the journal; begin it anew when it cannot be continued."""
        if self.last_sequence == 0 and self._journal.last_sequence == 0:
            return
        told = self._journal.last_sequence
        rows: list[Any] = self._connection.execute(
            "SELECT sequence, line FROM changes WHERE sequence > ? ORDER BY sequence", (told,)
        ).fetchall()
        try:
            if told < 0 or (rows and rows[0][0] != told + 1):
                self._restart_journal()
            elif rows:
                self._journal.append([text for _, text in rows])
        except OSError as problem:
            raise _storage_error(problem, code="journal") from problem

    # ---- opening -------------------------------------------------------------------------------------------

    def _begin_life(self) -> None:
        known = _get_local(self._connection, "epoch")
        self.epoch = known or secrets.token_hex(4)
        if not known:
            _set_local(self._connection, "epoch", self.epoch)
        _set_local(self._connection, "clean_stop", "0")

    def _tell_repair(self, damage: str, rebuilt: Rebuilt) -> None:
        def say(tx: Transaction) -> str:
            counts = [tx.one(f"SELECT count(*) FROM {table}") for table in ("jobs", "lineages")]
            num_jobs, num_lineages = (row[0] if row else 0 for row in counts)
            at = rebuilt.last_line.at if rebuilt.last_line else tx.now
            parts = [
                f"The list of jobs had to be repaired: {damage.rstrip('.')}.",
                f"It was rebuilt from the journal as of {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))}: "
                f"jobs {num_jobs}, lineages {num_lineages}, steps of history {rebuilt.num_history_rows}.",
                "Checkpoints are read again from current_model/.",
            ]
            if rebuilt.num_unreadable:
                parts.append(f"Journal lines that could not be read: {rebuilt.num_unreadable}.")
            if rebuilt.kept_as:
                parts.append(f"The bad file is kept as {tx.relative(rebuilt.kept_as[0])}.")
            message = " ".join(parts)
            title = "The list of jobs was repaired"
            tx.record(Notice(at=tx.now, level="warning", title=title, message=message))
            return message

        self.repaired = self.run(say)


def _try_open(path: Path, journal: Journal, known: list[str]) -> tuple[apsw.Connection | None, str]:
    """The checked connection, or None and why the file must be rebuilt."""
    if not path.exists():
        repair.set_aside(path)  # a log without its database would be taken for the new one's
        if journal.last_sequence != 0:
            return None, "the database file was missing"
    connection: apsw.Connection | None = None
    try:
        with opening.translated(path):
            connection = opening.connect(path)
            migrations.check_version(connection, len(known))
            is_new = migrations.version(connection) == 0
            thorough = not is_new and _get_local(connection, "clean_stop") != "1"
            opening.check(connection, thorough=thorough)
            migrations.apply(connection, known)
            if _last_sequence(connection) < journal.last_sequence:
                raise DamagedError("the database had lost changes that are in the journal")
    except DamagedError as problem:
        if connection is not None:
            connection.close()
        return None, problem.message
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection, ""


def _last_sequence(connection: apsw.Connection) -> int:
    row = connection.execute("SELECT max(sequence) FROM changes").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _write_lines(connection: apsw.Connection, lines: list[bytes], first_sequence: int) -> None:
    for sequence, line in enumerate(lines, start=first_sequence):
        connection.execute("INSERT INTO changes (sequence, line) VALUES (?, ?)", (sequence, line))
    if lines:  # only what was in the journal before: what is written here is not yet
        connection.execute("DELETE FROM changes WHERE sequence < ?", (first_sequence - KEPT_CHANGES,))


def _get_local(connection: apsw.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else None


def _set_local(connection: apsw.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def _storage_error(problem: OSError, *, code: str = "storage") -> StorageError:
    return StorageError(
        f"{problem.filename or 'The workspace'} could not be written: {problem.strerror}.",
        hint="Free some space, or see that the disk is writable and healthy. It goes on by itself then.",
        code=code,
    )
