"""Rebuilding the database from the journal. The bad file is kept in quarantine/, nothing is deleted."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import msgspec

from backend.contract.errors import DamagedError
from backend.store import durable
from backend.store.journal import KEYS, Journal, Line, RowImage
from backend.store.transaction import write_image

LOCAL_KEYS = ("epoch", "clean_stop")
"""Rows of `meta` that belong to this one file and are not in the journal."""
HISTORY_TABLES = ("metrics", "evaluations", "samples")
"""Not in the journal: taken over from the bad file as far as it can be read."""


@dataclass
class Rebuilt:
    """What a repair brought back."""

    last_line: Line | None = None
    num_lines: int = 0
    num_unreadable: int = 0
    num_history_rows: int = 0
    kept_as: list[Path] = field(default_factory=list)


def aside_name(path: Path) -> Path:
    """A free name in quarantine/ for a file of the workspace."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    folder = path.parent / "quarantine"
    number = 1
    while (target := folder / f"{stamp}-{number}-{path.name}").exists():
        number += 1
    return target


def set_aside(path: Path) -> list[Path]:
    """Move the database's files to quarantine/; call it with the database closed."""
    kept = []
    target = aside_name(path)
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            kept.append(target.with_name(target.name + suffix))
            durable.move(part, kept[-1])
    return kept


def require_journal(journal: Journal, problem: str) -> None:
    """Raises DamagedError when no line of the journal can be read: then a rebuild would forget everything."""
    if not any(line is not None for line in journal.lines()):
        raise DamagedError(
            f"The list of jobs cannot be read ({problem}) and there is no journal to rebuild it from.",
            hint="Trained checkpoints are safe in current_model/. Move everstep.db away to begin with an empty list.",
        )


def rebuild(connection: apsw.Connection, journal: Journal, kept_as: list[Path]) -> Rebuilt:
    """Fill a fresh database from the journal, and its history from the file that was set aside; one transaction."""
    rebuilt = Rebuilt(kept_as=kept_as)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for line in journal.lines():
            if line is None:
                rebuilt.num_unreadable += 1
            else:
                _replay(connection, line, rebuilt)
        if kept_as:
            rebuilt.num_history_rows = _salvage(connection, kept_as[0])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return rebuilt


def _replay(connection: apsw.Connection, line: Line, rebuilt: Rebuilt) -> None:
    if line.whole:
        for table in KEYS:
            connection.execute(f'DELETE FROM "{table}"')
    for image in line.rows:
        if image.table in KEYS:
            # A change of a row whose line was lost has nothing to change.
            with suppress(apsw.ConstraintError):
                write_image(connection, image)
    for table, number in line.numbers.items():
        connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table))
        if connection.changes() == 0:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))
    rebuilt.num_lines += 1
    rebuilt.last_line = line


def _salvage(connection: apsw.Connection, bad: Path) -> int:
    """Copy history rows out of a damaged file, each table until it cannot be read on."""
    num_rows = 0
    with suppress(apsw.Error):
        source = apsw.Connection(str(bad), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            for table in HISTORY_TABLES:
                num_rows += _salvage_table(connection, source, table)
        finally:
            source.close()
    return num_rows


def _salvage_table(connection: apsw.Connection, source: apsw.Connection, table: str) -> int:
    num_rows = 0
    with suppress(apsw.Error):
        names = [str(row[1]) for row in source.execute(f'PRAGMA table_info("{table}")')]
        known = {str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')}
        if not names or not set(names) <= known:
            return 0
        columns = ", ".join(f'"{name}"' for name in names)
        insert = f'INSERT OR IGNORE INTO "{table}" ({columns}) VALUES ({", ".join("?" * len(names))})'
        for row in source.execute(f'SELECT {columns} FROM "{table}"'):
            connection.execute(insert, row)
            num_rows += 1
    return num_rows


def whole_line(connection: apsw.Connection, *, seq: int, at: float) -> bytes:
    """A journal line with every durable row, to begin a new journal with."""
    images = []
    for table in KEYS:
        names = [str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')]
        for values in connection.execute(f'SELECT * FROM "{table}"'):
            images.append(RowImage(table, dict(zip(names, values, strict=True))))
    images = [image for image in images if image.row.get("key") not in LOCAL_KEYS]
    given = connection.execute("SELECT name, seq FROM sqlite_sequence")
    numbers = {str(name): int(number) for name, number in given if name in KEYS}
    return msgspec.json.encode(Line(seq=seq, at=at, rows=images, whole=True, numbers=numbers))
