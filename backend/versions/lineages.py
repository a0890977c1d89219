"""Lineages: lines of checkpoints that share base model and adapter shape."""

from __future__ import annotations

from backend.contract.models import BaseModelView, LineageView
from backend.contract.settings import TrainingSettings
from backend.store.database import Transaction


def current(tx: Transaction) -> LineageView | None:
    """The lineage in force."""
    raise NotImplementedError


def get(tx: Transaction, lineage_id: int) -> LineageView:
    """One lineage. Raises NotFoundError."""
    raise NotImplementedError


def branch(tx: Transaction, lineage_id: int) -> int:
    """The branch new steps of a lineage are counted on; unique over all lineages."""
    raise NotImplementedError


def has_checkpoint(tx: Transaction, lineage_id: int) -> bool:
    """True once its shape is fixed."""
    raise NotImplementedError


def ensure(tx: Transaction, base: BaseModelView, settings: TrainingSettings) -> LineageView:
    """The lineage a job with these settings trains on: the current one, or the first.

    Without a checkpoint a lineage takes the shape asked for. Raises ConflictError (code lineage_differs) when the
    current one has a checkpoint and another shape.
    """
    raise NotImplementedError


def new(tx: Transaction) -> LineageView:
    """Start again from the base model in force, in the shape of the last lineage; its first job may change that.
    Raises ConflictError when there is no base model."""
    raise NotImplementedError
