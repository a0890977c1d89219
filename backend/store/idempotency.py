"""Answers of mutating calls, kept 24 hours, so that a call sent twice is carried out once."""

from __future__ import annotations

from backend.store.database import Transaction

KEEP_SECONDS = 24 * 3600


def recall(tx: Transaction, key: str) -> bytes | None:
    """The answer that was given for this key."""
    row = tx.one("SELECT answer FROM idempotency WHERE key = ? AND at > ?", (key, tx.now - KEEP_SECONDS))
    return bytes(row[0]) if row else None


def remember(tx: Transaction, key: str, answer: bytes) -> None:
    """Keep an answer; call it in the transaction that made the change."""
    tx.execute("DELETE FROM idempotency WHERE at <= ?", (tx.now - KEEP_SECONDS,))
    tx.execute("INSERT OR REPLACE INTO idempotency (key, answer, at) VALUES (?, ?, ?)", (key, answer, tx.now))
