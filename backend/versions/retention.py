"""Which checkpoints may go: the oldest beyond `keep`, and only after the newest was verified."""

from __future__ import annotations

from backend.contract.models import CheckpointView
from backend.store.database import Database, Transaction


def plan(tx: Transaction, keep: int) -> list[CheckpointView]:
    """Checkpoints of the current lineage that may go, oldest first; never the newest verified one, nothing while
    the newest is not verified."""
    raise NotImplementedError


def carry_out(database: Database, keep: int) -> list[CheckpointView]:
    """Plan, check again and remove; returns what went. Slow: own transactions, not on the event loop."""
    raise NotImplementedError
