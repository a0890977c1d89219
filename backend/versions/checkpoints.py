"""Checkpoints: the index (see checkpoint_index) and how it is made to agree with current_model/.

Deletes nothing: what is damaged moves to quarantine/.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from backend.contract.errors import DamagedError, StorageError
from backend.contract.events import Notice
from backend.contract.models import CheckpointView
from backend.formats.workspace import Workspace
from backend.store import durable
from backend.store.database import Database, Transaction
from backend.versions import checkpoint_index, lineages
from backend.versions.checkpoint_index import (
    PREFIX,
    at_home,
    get,
    index,
    job_steps,
    list_checkpoints,
    mark_verified,
    newest,
    read_meta,
    set_aside,
    verify,
)

__all__ = [
    "Reconciled",
    "at_home",
    "get",
    "index",
    "job_steps",
    "list_checkpoints",
    "mark_verified",
    "newest",
    "read_meta",
    "reconcile",
    "set_aside",
    "verify",
]


@dataclass(frozen=True)
class Reconciled:
    """What reconcile found."""

    indexed: list[CheckpointView] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    """Sentences, one a checkpoint that was moved to quarantine."""
    missing: list[CheckpointView] = field(default_factory=list)


def reconcile(database: Database, workspace: Workspace, *, moved: Callable[[], None] = lambda: None) -> Reconciled:
    """Index what is missing, set damaged ones aside, read the newest of the current lineage back.

    Opens its own transactions; slow, not on the event loop. Raises StorageError when the folder cannot be listed.
    """
    result = Reconciled()
    folders = _folders(workspace)
    known = {Path(view.path).name: view for view in _known(database, workspace)}
    for name, folder in folders.items():
        _take(database, workspace, folder, known.get(name), result, moved)
    absent = [view for name, view in known.items() if name not in folders]
    gone = database.run(lambda tx: _note_missing(tx, absent)) if absent else []
    result.missing.extend(gone)
    if result.indexed:
        newest_found = max(result.indexed, key=lambda view: (view.attempt_seq, view.global_step))
        database.run(lambda tx: lineages.go_on_with(tx, newest_found.lineage_id))
    _read_head_back(database, workspace, result, moved)
    return result


def _known(database: Database, workspace: Workspace) -> list[CheckpointView]:
    """Rows of folders that are or were in current_model/."""

    def rows(tx: Transaction) -> list[CheckpointView]:
        return checkpoint_index.in_state(tx, "present", "retiring", "missing")

    def is_outside(view: CheckpointView) -> bool:
        return not checkpoint_index.is_at_home(workspace, Path(view.path))

    def bring_home(tx: Transaction) -> None:
        for view in filter(is_outside, rows(tx)):
            checkpoint_index.bring_home(tx, workspace, view)

    known = database.read(rows)
    if any(map(is_outside, known)):
        database.run(bring_home)
        known = [view for view in database.read(rows) if not is_outside(view)]
    return known


def _folders(workspace: Workspace) -> dict[str, Path]:
    try:
        durable.make_folder(workspace.current_model)
        return {
            path.name: path
            for path in sorted(workspace.current_model.iterdir())
            if path.name.startswith(PREFIX) and path.is_dir() and not path.is_symlink()
        }
    except OSError as problem:
        raise StorageError(
            f"The checkpoints in {workspace.current_model} cannot be listed: {problem.strerror}.",
            hint="See that the disk is there and healthy. Nothing was changed.",
        ) from problem


def _take(
    database: Database,
    workspace: Workspace,
    folder: Path,
    view: CheckpointView | None,
    result: Reconciled,
    moved: Callable[[], None],
) -> None:
    """One folder: read it back unless it was before and still looks the same."""
    if view is not None and view.verified_at is not None and _looks_whole(folder, view):
        # It counts, also when retention had meant to remove it or it was away for a while.
        database.run(partial(checkpoint_index.set_state, view=view, state="present"))
        return
    problems = durable.verify_folder(folder, view.manifest_sha256 if view else None, moved=moved)
    try:
        about = read_meta(folder)
    except DamagedError as problem:
        problems = problems or [problem.message]
    if problems:
        result.damaged.append(database.run(lambda tx: _set_aside(tx, workspace, folder, view, problems)))
        return
    manifest = durable.read_manifest(folder)

    def add(tx: Transaction) -> CheckpointView:
        lineages.restore(tx, about)
        added = checkpoint_index.add(tx, folder, about, manifest_sha256=manifest.sha256, size_bytes=manifest.size_bytes)
        return mark_verified(tx, added.checkpoint_id)

    result.indexed.append(database.run(add))


def _looks_whole(folder: Path, view: CheckpointView) -> bool:
    """The manifest is the one we know and every file has its size: no need to read gigabytes at each start."""
    try:
        manifest = durable.read_manifest(folder)
        sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    except (OSError, ValueError):
        return False
    return manifest.sha256 == view.manifest_sha256 and all(
        sizes[name] == size for name, (size, _) in manifest.files.items()
    )


def _set_aside(
    tx: Transaction, workspace: Workspace, folder: Path, view: CheckpointView | None, problems: list[str]
) -> str:
    if view is not None:
        return set_aside(tx, workspace, view, problems)
    return checkpoint_index.tell_damaged(tx, folder, problems, checkpoint_index.quarantine(workspace, folder))


def _note_missing(tx: Transaction, absent: list[CheckpointView]) -> list[CheckpointView]:
    """Rows without a folder: those that retention was removing are done, the others are told."""
    states = {view.checkpoint_id: checkpoint_index.state(tx, view.checkpoint_id) for view in absent}
    gone = [view for view in absent if states[view.checkpoint_id] == "present"]
    for view in absent:
        checkpoint_index.set_state(tx, view, "retired" if states[view.checkpoint_id] == "retiring" else "missing")
    if gone:
        names = ", ".join(Path(view.path).name for view in gone)
        message = f"These checkpoints are no longer in current_model/: {names}. Nothing of ours removed them."
        tx.record(Notice(at=tx.now, level="warning", title="Checkpoints are missing", message=message))
    return gone


def _read_head_back(database: Database, workspace: Workspace, result: Reconciled, moved: Callable[[], None]) -> None:
    """What training would continue from is read whole, however it looks; the next older one when it is damaged."""
    fresh = {view.checkpoint_id for view in result.indexed}

    def head(tx: Transaction) -> CheckpointView | None:
        lineage = lineages.current(tx)
        return newest(tx, lineage.lineage_id) if lineage else None

    while (view := database.read(head)) is not None and view.checkpoint_id not in fresh:
        problems = verify(view, moved=moved)
        if not problems:
            return
        aside = partial(set_aside, workspace=workspace, view=view, problems=problems)
        result.damaged.append(database.run(aside))
