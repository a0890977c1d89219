"""Lineages: lines of checkpoints that share base model and adapter shape.

The shape is free until the first checkpoint: until then the lineage takes the shape of the job that asks.
"""

from __future__ import annotations

from typing import Any

from backend.contract.errors import ConflictError, NotFoundError
from backend.contract.models import BaseModelView, LineageView
from backend.contract.settings import TrainingSettings
from backend.contract.spool import CheckpointMeta
from backend.store import meta
from backend.store.database import Transaction
from backend.versions import bases

SHAPE = ("base_id", "lora_r", "lora_alpha", "target_modules", "quantization", "dtype")
"""What all checkpoints of a lineage share."""

_COLUMNS = f"lineage_id, {', '.join(SHAPE)}, created_at"
_HEAD = (
    "SELECT global_step FROM checkpoints c JOIN lineages l ON l.lineage_id = c.lineage_id AND l.branch = c.branch "
    "WHERE c.lineage_id = ? AND c.state = 'present' AND c.verified_at IS NOT NULL "
    "ORDER BY c.attempt_seq DESC, c.global_step DESC LIMIT 1"
)


def current(tx: Transaction) -> LineageView | None:
    """The lineage in force."""
    lineage_id = meta.get(tx, "lineage_id")
    return get(tx, int(lineage_id)) if lineage_id else None


def get(tx: Transaction, lineage_id: int) -> LineageView:
    """One lineage. Raises NotFoundError."""
    row = tx.one(f"SELECT {_COLUMNS} FROM lineages WHERE lineage_id = ?", (lineage_id,))
    if row is None:
        raise NotFoundError(f"There is no lineage {lineage_id}.")
    head = tx.one(_HEAD, (lineage_id,))
    values = dict(zip(("lineage_id", *SHAPE, "created_at"), row, strict=True))
    return LineageView(**values, head_step=head[0] if head else 0)


def branch(tx: Transaction, lineage_id: int) -> int:
    """The branch new steps of a lineage are counted on; unique over all lineages."""
    row = tx.one("SELECT branch FROM lineages WHERE lineage_id = ?", (lineage_id,))
    if row is None:
        raise NotFoundError(f"There is no lineage {lineage_id}.")
    return int(row[0])


def has_checkpoint(tx: Transaction, lineage_id: int) -> bool:
    """True once its shape is fixed."""
    return tx.one("SELECT 1 FROM checkpoints WHERE lineage_id = ? LIMIT 1", (lineage_id,)) is not None


def ensure(tx: Transaction, base: BaseModelView, settings: TrainingSettings) -> LineageView:
    """The lineage a job with these settings trains on: the current one, or the first.

    Without a checkpoint a lineage takes the shape asked for. Raises ConflictError (code lineage_differs) when the
    current one has a checkpoint and another shape.
    """
    asked = {"base_id": base.base_id} | {name: getattr(settings, name) for name in SHAPE[1:]}
    lineage = current(tx)
    if lineage is None:
        return _create(tx, asked)
    different = [name for name in SHAPE if getattr(lineage, name) != asked[name]]
    if not different:
        return lineage
    if has_checkpoint(tx, lineage.lineage_id):
        told = ", ".join(f"{name} {asked[name]} (the model has {getattr(lineage, name)})" for name in different)
        raise ConflictError(
            f"This job cannot go on from the trained model: {told}.",
            hint="Change the setting back and add the file again, or start anew from the base with `lineage new`.",
            code="lineage_differs",
        )
    tx.put("lineages", {"lineage_id": lineage.lineage_id, **asked})
    return get(tx, lineage.lineage_id)


def restore(tx: Transaction, about: CheckpointMeta) -> None:
    """Know the lineage of a checkpoint again that was found without the database it was made under: else a new lineage
    would get its number, and with it checkpoints of another shape."""
    if tx.one("SELECT 1 FROM lineages WHERE lineage_id = ?", (about.lineage_id,)) is not None:
        return
    shape = {"base_id": about.base_id} | {name: getattr(about.settings, name) for name in SHAPE[1:]}
    if tx.one("SELECT 1 FROM branches WHERE branch = ?", (about.branch,)) is None:
        tx.put("branches", {"branch": about.branch, "lineage_id": about.lineage_id, "created_at": about.created_at})
    row = {"lineage_id": about.lineage_id, **shape, "branch": about.branch, "created_at": about.created_at}
    tx.put("lineages", row)


def go_on_with(tx: Transaction, lineage_id: int) -> None:
    """Put a lineage in force where none is."""
    if meta.get(tx, "lineage_id") is None:
        meta.set(tx, "lineage_id", str(lineage_id))


def new(tx: Transaction) -> LineageView:
    """Start again from the base model in force, in the shape of the last lineage; its first job may change that.

    Raises ConflictError when there is no base model.
    """
    base = bases.current(tx)
    if base is None:
        raise ConflictError("There is no base model to start from.", hint="Set one with `base set`.", code="no_base")
    last = current(tx)
    defaults = TrainingSettings()
    shape = {name: getattr(last or defaults, name) for name in SHAPE[1:]}
    return _create(tx, {"base_id": base.base_id, **shape})


def _create(tx: Transaction, shape: dict[str, Any]) -> LineageView:
    number = tx.put("branches", {"created_at": tx.now})
    lineage_id = tx.put("lineages", {**shape, "branch": number, "created_at": tx.now})
    tx.put("branches", {"branch": number, "lineage_id": lineage_id})
    meta.set(tx, "lineage_id", str(lineage_id))
    return get(tx, lineage_id)
