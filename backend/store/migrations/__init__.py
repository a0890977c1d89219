"""The database's schema as numbered SQL files, applied in order; `PRAGMA user_version` is the last one applied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from backend.contract.errors import ConflictError


def scripts() -> list[str]:
    """Texts of 0001_*.sql, 0002_*.sql ... in order."""
    return [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("[0-9]*.sql"))]


def version(connection: apsw.Connection) -> int:
    """Schema of this file; 0 for a fresh one."""
    return int(connection.pragma("user_version"))


def check_version(connection: apsw.Connection, known: int) -> None:
    """Raises ConflictError (code newer_schema) for a file that a newer program wrote."""
    found = version(connection)
    if found > known:
        raise ConflictError(
            f"This workspace was last used by a newer Everstep (schema {found}, this program knows {known}).",
            hint="Start the newer program, or use another workspace. Nothing was changed.",
            code="newer_schema",
        )


def apply(connection: apsw.Connection, known: Sequence[str]) -> None:
    """Bring the schema up to date, each script in a transaction of its own."""
    for number, script in enumerate(known, start=1):
        if number <= version(connection):
            continue
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(script)
            connection.pragma("user_version", number)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
