"""One change of the database: what domain functions take first. Made by `Database` only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
from msgspec import Raw

from backend.contract.events import ServiceEvent
from backend.store.journal import KEYS, Line, RowImage

Row = tuple[Any, ...]


class Transaction:
    """Reads and writes inside one BEGIN .. COMMIT.

    Durable tables (`journal.KEYS`) are written with `put` and `delete`, which also go to the journal. `execute` may
    write what comes back by other means after a repair: metrics, evaluations, samples, gauges, `attempts.last_n`.
    """

    def __init__(self, connection: apsw.Connection, *, root: Path, now: float, last_sequence: int) -> None:
        self.now = now
        """Unix time of the transaction."""
        self.root = root
        """The workspace folder."""
        self._connection = connection
        self._last_sequence = last_sequence
        self._images: list[RowImage] = []
        self._events: list[ServiceEvent] = []

    def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """Run one statement; all rows it gives."""
        return list(self._connection.execute(sql, params))

    def one(self, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
        """The first row, or None."""
        for row in self._connection.execute(sql, params):
            return tuple(row)
        return None

    def put(self, table: str, row: Mapping[str, Any]) -> int:
        """Insert a row, or change the given columns of the row with this key; journalled.

        Without its integer key a row is inserted and numbered. Returns the key (0 for a table with a text key).
        """
        key = KEYS[table]
        image = dict(row)
        write_image(self._connection, RowImage(table, image))
        if key not in image:
            image[key] = self._connection.last_insert_rowid()
        self._images.append(RowImage(table, image))
        return image[key] if isinstance(image[key], int) else 0

    def delete(self, table: str, key: Any) -> None:
        """Delete the row with this key; journalled."""
        image = RowImage(table, {KEYS[table]: key}, True)
        write_image(self._connection, image)
        self._images.append(image)

    def record(self, event: ServiceEvent) -> None:
        """Publish `event` after commit, with a sequence number of its own."""
        self._events.append(event)

    def relative(self, path: str | Path) -> str:
        """How a path is stored: relative to the workspace when inside it, so that a workspace can be moved."""
        text = os.fspath(path)
        return os.path.relpath(text, self.root) if text and Path(text).is_relative_to(self.root) else text

    def absolute(self, stored: str) -> str:
        """The path behind a stored one; '' stays ''."""
        return str(self.root / stored) if stored else ""

    def recorded(self) -> list[tuple[int, ServiceEvent]]:
        """Events with the sequence numbers they get at commit."""
        return list(enumerate(self._events, start=self._last_sequence + 1))

    def lines(self) -> list[bytes]:
        """Journal lines of this transaction; none when nothing durable was changed or said."""
        if not self._events and not self._images:
            return []
        events = [Raw(msgspec.json.encode(event)) for event in self._events] or [Raw(b"null")]
        return [
            msgspec.json.encode(
                Line(
                    seq=self._last_sequence + place,
                    at=self.now,
                    event=event,
                    rows=self._images if place == len(events) else [],
                )
            )
            for place, event in enumerate(events, start=1)
        ]


def write_image(connection: apsw.Connection, image: RowImage) -> None:
    """Bring one row to what its image says. Table and column names come from our own code and journal."""
    key, row = KEYS[image.table], image.row
    if image.is_gone:
        connection.execute(f'DELETE FROM "{image.table}" WHERE "{key}" = ?', (row[key],))
        return
    others = [name for name in row if name != key]
    if key in row:
        assignments = ", ".join(f'"{name}" = ?' for name in others) or f'"{key}" = "{key}"'
        values = [*(row[name] for name in others), row[key]]
        connection.execute(f'UPDATE "{image.table}" SET {assignments} WHERE "{key}" = ?', values)
        if connection.changes() > 0:
            return
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    connection.execute(f'INSERT INTO "{image.table}" ({names}) VALUES ({marks})', list(row.values()))
