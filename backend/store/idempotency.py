"""Answers of mutating calls, kept 24 hours, so that a call sent twice is carried out once."""

from __future__ import annotations

from backend.store.database import Transaction

KEEP_SECONDS = 24 * 3600


def recall(tx: Transaction, key: str) -> bytes | None:
    """The answer that was given for this key."""
    raise NotImplementedError


def remember(tx: Transaction, key: str, answer: bytes) -> None:
    """Keep an answer; call it in the transaction that made the change."""
    raise NotImplementedError
