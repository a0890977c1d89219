"""Single values of a workspace: run_state, stop_after_file, base_id, lineage_id, validation_id, epoch."""

from __future__ import annotations

from backend.store.database import Transaction


def get(tx: Transaction, key: str) -> str | None:
    """The value, None when it was never set."""
    row = tx.one("SELECT value FROM meta WHERE key = ?", (key,))
    return str(row[0]) if row else None


def set(tx: Transaction, key: str, value: str) -> None:  # noqa: A001 - meta.set reads as it should
    """Store a value; the same value again changes nothing."""
    if get(tx, key) != value:
        tx.put("meta", {"key": key, "value": value})
