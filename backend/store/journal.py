"""journal.jsonl: every committed change as a JSON line, enough to rebuild the database.

    {"seq": 41, "at": 1700000000.0, "event": {...} or null, "rows": [["jobs", {...}], ["meta", {"key": "x"}, true]]}

A row image holds the key and the columns that changed; a third value `true` says that the row is gone. Several
events of one transaction are several lines, written at once; the images stand in the last of them, so that a
transaction torn by a crash counts as not there. A line with `"whole": true` holds every row of every durable table:
what came before it is not needed. The journal is written after the database's commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from backend.store import durable

KEYS = {
    "meta": "key",
    "datasets": "dataset_id",
    "validations": "validation_id",
    "jobs": "job_id",
    "undo": "undo_id",
    "attempts": "attempt_seq",
    "base_models": "base_id",
    "lineages": "lineage_id",
    "branches": "branch",
    "checkpoints": "checkpoint_id",
}
"""Tables that are in the journal, and the column that names a row."""

_TAIL_BYTES = 1 << 16


class RowImage(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One row as it is after the change."""

    table: str
    row: dict[str, Any]
    is_gone: bool = False


class Line(Struct, frozen=True, omit_defaults=True):
    """One line of the journal."""

    seq: int
    at: float
    event: Raw = Raw(b"null")
    rows: list[RowImage] = []
    whole: bool = False
    numbers: dict[str, int] = {}
    """With `whole`: the highest number each table ever gave out."""


def decode(line: bytes) -> Line:
    """Raises msgspec.MsgspecError or UnicodeDecodeError when it is none."""
    return msgspec.json.decode(line, type=Line)


class Journal:
    """The open journal. Opening it cuts what a crash left behind the last whole line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = durable.Appender(path)
        self.last_sequence = self._read_last_sequence()
        """Of the last line; 0 when empty, -1 when the last line cannot be read."""
        self.num_lines = self._count_lines()

    def append(self, lines: list[bytes]) -> None:
        """Add lines in one write and make them durable. Raises OSError; after that `restart` may be needed."""
        self._file.append(b"\n".join(lines))
        self._file.sync()
        self.last_sequence = decode(lines[-1]).seq
        self.num_lines += len(lines)

    @property
    def is_usable(self) -> bool:
        """False when the file must be begun anew: its end cannot be read, or an fsync of it failed."""
        return self.last_sequence >= 0 and not self._file.is_lost

    def restart(self, whole: bytes, aside: Path) -> None:
        """Begin a new journal with one line that holds everything; the old one is kept as `aside`."""
        self._file.close()
        if self.path.exists():
            durable.move(self.path, aside)
        durable.commit_file(self.path, whole + b"\n")
        self._file = durable.Appender(self.path)
        self.last_sequence = decode(whole).seq
        self.num_lines = 1

    def compact(self, whole: bytes) -> None:
        """Replace all lines by one that holds everything, in one go: a crash leaves the old lines or the new one.

        Raises OSError; then one of the two is in force and goes on, or `is_usable` says that it cannot.
        """
        try:
            durable.commit_file(self.path, whole + b"\n")
        finally:
            self._file.close()
            self._file = durable.Appender(self.path)
            self.num_lines = self._count_lines()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def lines(self) -> Iterator[Line | None]:
        """All lines, oldest first; None for one that cannot be read."""
        with open(self.path, "rb") as file:
            for text in file:
                try:
                    yield decode(text)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    yield None

    def _count_lines(self) -> int:
        with open(self.path, "rb") as file:
            return sum(block.count(b"\n") for block in iter(partial(file.read, 1 << 20), b""))

    def _read_last_sequence(self) -> int:
        """Read back from the end until the last line is whole: lines may be long, the file longer."""
        with open(self.path, "rb") as file:
            end = file.seek(0, 2)
            if end == 0:
                return 0
            length = _TAIL_BYTES
            while True:
                start = max(0, end - length)
                file.seek(start)
                tail = file.read(end - start).removesuffix(b"\n")
                if b"\n" in tail or start == 0:
                    break
                length *= 4
        try:
            return decode(tail[tail.rfind(b"\n") + 1 :]).seq
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return -1
