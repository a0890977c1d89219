"""The index of checkpoint folders. The manifest in a folder is the commit; a row here only points at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from backend.contract.models import CheckpointView
from backend.contract.spool import CheckpointMeta, CheckpointSaved
from backend.formats.workspace import Workspace
from backend.store.database import Database, Transaction


@dataclass(frozen=True)
class Reconciled:
    """What reconcile found."""

    indexed: list[CheckpointView] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    """Sentences, one a checkpoint that was moved to quarantine."""
    missing: list[CheckpointView] = field(default_factory=list)


def read_meta(folder: Path) -> CheckpointMeta:
    """What the manifest says. Raises DamagedError."""
    raise NotImplementedError


def verify(view: CheckpointView, *, moved: Callable[[], None] = lambda: None) -> list[str]:
    """Read the whole checkpoint back; an empty list when it is what was written. Slow: outside of transactions."""
    raise NotImplementedError


def index(tx: Transaction, saved: CheckpointSaved, meta: CheckpointMeta) -> CheckpointView:
    """Put a committed folder into the index, not yet verified; one that is there stays as it is."""
    raise NotImplementedError


def mark_verified(tx: Transaction, checkpoint_id: int) -> CheckpointView:
    """It was read back; records CheckpointCommitted."""
    raise NotImplementedError


def set_aside(tx: Transaction, workspace: Workspace, view: CheckpointView, problems: list[str]) -> None:
    """Move a damaged checkpoint to quarantine/ and say so in a Notice."""
    raise NotImplementedError


def newest(tx: Transaction, lineage_id: int) -> CheckpointView | None:
    """Head of the lineage: the highest (attempt_seq, global_step) among verified ones of its current branch."""
    raise NotImplementedError


def list_checkpoints(tx: Transaction, lineage_id: int | None = None) -> list[CheckpointView]:
    """Those that exist, newest first; None is the current lineage."""
    raise NotImplementedError


def job_steps(tx: Transaction, head: CheckpointView | None) -> dict[int, int]:
    """For each job the steps of it that are inside `head`: what its cursor must be when training goes on there."""
    raise NotImplementedError


def reconcile(database: Database, workspace: Workspace, *, moved: Callable[[], None] = lambda: None) -> Reconciled:
    """Make the index agree with current_model/: index what is missing, set damaged ones aside, read the newest of
    the current lineage back. Deletes nothing. Opens its own transactions."""
    raise NotImplementedError
