"""Attempts: one row a trainer process, written before the process exists, so that none is ever unknown."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from backend.formats.workspace import Workspace
from backend.machine.processes import ProcessIdentity
from backend.store.database import Row, Transaction

_COLUMNS = "attempt_seq, attempt_id, pid, create_time, boot_id, started_at, last_n, events_offset"
_CHECKPOINT = re.compile(r"step-\d+-(\d+)")
_SPOOL = re.compile(r"A(\d+)-")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One trainer process, living or not."""

    attempt_seq: int
    attempt_id: str
    """Names the spool folder, e.g. `A000012-9f3c21ab`; never used twice."""
    identity: ProcessIdentity | None
    """None until the process was started and noted."""
    started_at: float
    last_n: int = 0
    events_offset: int = 0

    def spool(self, workspace: Workspace) -> Path:
        """Its folder."""
        return workspace.spool / self.attempt_id


def begin(tx: Transaction) -> Attempt:
    """A new attempt, numbered above every other this workspace ever had: the newest attempt at a step counts, so one
    that began lower, in a database made anew beside old checkpoints, would train for nothing."""
    seq = _highest(tx) + 1
    attempt_id = f"A{seq:06d}-{secrets.token_hex(4)}"
    tx.put("attempts", {"attempt_seq": seq, "attempt_id": attempt_id, "started_at": tx.now})
    return Attempt(attempt_seq=seq, attempt_id=attempt_id, identity=None, started_at=tx.now)


def _highest(tx: Transaction) -> int:
    """The highest number in the database, in current_model/ and quarantine/ and in spool/."""
    workspace = Workspace(tx.root)
    given = tx.one(
        "SELECT max((SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'attempts'), "
        "(SELECT coalesce(max(attempt_seq), 0) FROM checkpoints), "
        "(SELECT coalesce(max(attempt_seq), 0) FROM attempt_spans))"
    )
    return max(
        int(given[0]) if given else 0,
        *(_highest_name(folder, _CHECKPOINT) for folder in (workspace.current_model, workspace.quarantine)),
        _highest_name(workspace.spool, _SPOOL),
    )


def _highest_name(folder: Path, pattern: re.Pattern[str]) -> int:
    """The highest attempt among the names in a folder; 0 without any."""
    try:
        found = [pattern.match(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return 0
    return max((int(match[1]) for match in found if match), default=0)


def number_of(attempt_id: str) -> int | None:
    """The number in the name of an attempt; None for what is no such name."""
    match = _SPOOL.match(attempt_id)
    return int(match[1]) if match else None


def restore(tx: Transaction, attempt_id: str, *, started_at: float, outcome: str | None) -> bool:
    """Know an attempt again whose row was lost; False where its number is another's by now. Outcome None: it lives."""
    seq = number_of(attempt_id)
    if seq is None or tx.one("SELECT 1 FROM attempts WHERE attempt_seq = ?", (seq,)) is not None:
        return False
    ended_at = None if outcome is None else tx.now
    row = {"attempt_id": attempt_id, "started_at": started_at, "ended_at": ended_at, "outcome": outcome}
    tx.put("attempts", {"attempt_seq": seq, **row})
    return True


def note_process(tx: Transaction, attempt_seq: int, identity: ProcessIdentity) -> None:
    """The process behind an attempt."""
    tx.put(
        "attempts",
        {
            "attempt_seq": attempt_seq,
            "pid": identity.pid,
            "create_time": identity.create_time,
            "boot_id": identity.boot_id,
        },
    )


def note_read(tx: Transaction, attempt_seq: int, *, last_n: int, events_offset: int) -> None:
    """How far its events are in the database; belongs into the transaction that applied them."""
    tx.execute(
        "UPDATE attempts SET last_n = ?, events_offset = ? WHERE attempt_seq = ?", (last_n, events_offset, attempt_seq)
    )


def end(tx: Transaction, attempt_seq: int, outcome: str) -> None:
    """Its process is gone."""
    tx.put("attempts", {"attempt_seq": attempt_seq, "ended_at": tx.now, "outcome": outcome})


def unended(tx: Transaction) -> list[Attempt]:
    """Attempts whose end is not written down, newest first."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM attempts WHERE ended_at IS NULL ORDER BY attempt_seq DESC")
    return [_attempt(row) for row in rows]


def every(tx: Transaction) -> list[Attempt]:
    """All attempts, oldest first."""
    return [_attempt(row) for row in tx.execute(f"SELECT {_COLUMNS} FROM attempts ORDER BY attempt_seq")]


def ended(tx: Transaction) -> list[Attempt]:
    """Attempts whose end is written down, newest first."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM attempts WHERE ended_at IS NOT NULL ORDER BY attempt_seq DESC")
    return [_attempt(row) for row in rows]


def _attempt(row: Row) -> Attempt:
    seq, attempt_id, pid, create_time, boot_id, started_at, last_n, events_offset = row
    return Attempt(
        attempt_seq=seq,
        attempt_id=attempt_id,
        identity=ProcessIdentity(pid, create_time, boot_id) if pid else None,
        started_at=started_at,
        last_n=last_n or 0,
        events_offset=events_offset or 0,
    )
