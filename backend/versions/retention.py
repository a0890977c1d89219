"""Which checkpoints may go: the oldest beyond `keep`, and only after the newest was verified."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from backend.contract.errors import StorageError
from backend.contract.models import CheckpointView
from backend.formats.workspace import Workspace
from backend.store import durable
from backend.store.database import Database, Transaction
from backend.versions import checkpoint_index, lineages

FEWEST_KEPT = 2
"""One damaged checkpoint must never be the only one."""


def plan(tx: Transaction, keep: int) -> list[CheckpointView]:
    """Checkpoints of the current lineage that may go, oldest first.

    Never the newest verified one, nothing while the newest is not verified, nothing that was not verified, nothing that
    lies elsewhere than in this workspace's current_model/.
    """
    lineage = lineages.current(tx)
    if lineage is None:
        return []
    present = checkpoint_index.list_checkpoints(tx, lineage.lineage_id)
    head = checkpoint_index.newest(tx, lineage.lineage_id)
    if head is None or present[0].checkpoint_id != head.checkpoint_id:
        return []
    workspace = Workspace(tx.root)
    own = [view for view in present if checkpoint_index.is_at_home(workspace, Path(view.path))]
    verified = [view for view in own if view.verified_at is not None]
    beyond = verified[max(keep, FEWEST_KEPT) :]
    return [view for view in reversed(beyond) if view.checkpoint_id != head.checkpoint_id]


def carry_out(database: Database, keep: int) -> list[CheckpointView]:
    """Plan, mark, remove; returns what went. Slow: own transactions, not on the event loop.

    Marked before it is removed: after a crash in between the folder is still whole and reconcile counts it again.
    Raises StorageError when the disk refuses.
    """
    workspace = Workspace(database.path.parent)
    doomed = database.run(lambda tx: _mark(tx, keep))
    try:
        for unfinished in workspace.current_model.glob(f"{durable.TMP_PREFIX}purge-*"):
            durable.remove_tree(unfinished)  # a removal of ours that a crash cut short
        for view in doomed:
            _require_own(workspace, view)
            durable.remove_tree(Path(view.path))
            database.run(partial(checkpoint_index.set_state, view=view, state="retired"))
    except OSError as problem:
        raise StorageError(
            f"An old checkpoint could not be removed: {problem.strerror}.", hint="See that the disk is healthy."
        ) from problem
    return doomed


def _require_own(workspace: Workspace, view: CheckpointView) -> None:
    """The last look before a removal: whatever the index says, only what lies in our current_model/ goes."""
    if not checkpoint_index.is_at_home(workspace, Path(view.path)):
        raise StorageError(
            f"{view.path} is no checkpoint of this workspace and was not removed.",
            hint="Nothing has to be done; everything lies where it was.",
        )


def _mark(tx: Transaction, keep: int) -> list[CheckpointView]:
    doomed = plan(tx, keep)
    if doomed and not _head_is_there(tx):
        return []
    for view in doomed:
        checkpoint_index.set_state(tx, view, "retiring")
    return doomed


def _head_is_there(tx: Transaction) -> bool:
    """The newest may have been removed by hand since it was verified: then the older ones are all there is."""
    lineage = lineages.current(tx)
    head = checkpoint_index.newest(tx, lineage.lineage_id) if lineage else None
    try:
        return head is not None and durable.read_manifest(Path(head.path)).sha256 == head.manifest_sha256
    except (OSError, ValueError):
        return False
