"""The index of checkpoint folders. The manifest in a folder is the commit; a row here only points at it.

A row's state: present, retiring (retention is about to unlink it), retired, quarantined, missing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from backend.contract.errors import ConflictError, DamagedError, NotFoundError
from backend.contract.events import CheckpointCommitted, Notice
from backend.contract.models import CheckpointView
from backend.contract.spool import CheckpointMeta, CheckpointSaved
from backend.formats.workspace import Workspace
from backend.store import durable, meta
from backend.store.database import Transaction

PREFIX = "step-"
"""Folders in current_model/ that begin so are checkpoints; everything else there is left alone."""

_NAMES = (
    "checkpoint_id",
    "path",
    "manifest_sha256",
    "lineage_id",
    "branch",
    "attempt_seq",
    "global_step",
    "job_id",
    "job_step",
    "size_bytes",
    "verified_at",
    "created_at",
)
_COLUMNS = ", ".join(_NAMES)


def is_at_home(workspace: Workspace, folder: Path) -> bool:
    """Whether a checkpoint lies in this workspace's own current_model/: nothing else is indexed, moved or removed."""
    return folder.parent == workspace.current_model and folder.name.startswith(PREFIX) and not folder.is_symlink()


def at_home(workspace: Workspace, path: str, manifest_sha256: str) -> Path | None:
    """Where the checkpoint once saved as `path` lies in this workspace, which may have been moved or copied since:
    the folder of that name, if it is the same one; else None."""
    folder = workspace.current_model / Path(path).name
    if not is_at_home(workspace, folder) or not folder.exists():
        return None
    return folder if folder == Path(path) or _has_manifest(folder, manifest_sha256) else None


def _has_manifest(folder: Path, manifest_sha256: str) -> bool:
    try:
        return durable.read_manifest(folder).sha256 == manifest_sha256
    except (OSError, ValueError):
        return False


def read_meta(folder: Path) -> CheckpointMeta:
    """What the manifest says. Raises DamagedError."""
    try:
        return msgspec.convert(dict(durable.read_manifest(folder).meta), CheckpointMeta)
    except (OSError, ValueError, msgspec.ValidationError) as problem:
        raise DamagedError(f"{folder.name} is no checkpoint: {problem}.") from problem


def verify(view: CheckpointView, *, moved: Callable[[], None] = lambda: None) -> list[str]:
    """Read the whole checkpoint back; an empty list when it is what was written. Slow: outside of transactions."""
    return durable.verify_folder(Path(view.path), view.manifest_sha256, moved=moved)


def index(
    tx: Transaction, saved: CheckpointSaved, meta: CheckpointMeta, *, folder: Path | None = None
) -> CheckpointView:
    """Put a committed folder into the index, not yet verified; one that is there stays as it is. `folder`: where it
    lies now, if not where it was saved."""
    folder = folder or Path(saved.path)
    return add(tx, folder, meta, manifest_sha256=saved.manifest_sha256, size_bytes=saved.size_bytes)


def add(
    tx: Transaction, folder: Path, meta: CheckpointMeta, *, manifest_sha256: str, size_bytes: int
) -> CheckpointView:
    """Index a folder by what its manifest says; one that is there stays as it is. Raises ConflictError (code outside)
    for one that does not lie in this workspace's current_model/."""
    if not is_at_home(Workspace(tx.root), folder):
        raise ConflictError(f"{folder} is no checkpoint of this workspace; it was left alone.", code="outside")
    path = tx.relative(folder)
    known = tx.one(f"SELECT {_COLUMNS} FROM checkpoints WHERE path = ?", (path,))
    if known is not None and _view(tx, known).manifest_sha256 == manifest_sha256:
        return _view(tx, known)
    row: dict[str, Any] = {"checkpoint_id": known[0], "verified_at": None} if known else {}
    row |= {
        "path": path,
        "manifest_sha256": manifest_sha256,
        "lineage_id": meta.lineage_id,
        "branch": meta.branch,
        "attempt_seq": meta.attempt_seq,
        "global_step": meta.global_step,
        "job_id": meta.job_id,
        "job_step": meta.job_step,
        "size_bytes": size_bytes,
        "state": "present",
        "created_at": meta.created_at or tx.now,
    }
    return get(tx, tx.put("checkpoints", row))


def get(tx: Transaction, checkpoint_id: int) -> CheckpointView:
    """One checkpoint. Raises NotFoundError."""
    row = tx.one(f"SELECT {_COLUMNS} FROM checkpoints WHERE checkpoint_id = ?", (checkpoint_id,))
    if row is None:
        raise NotFoundError(f"There is no checkpoint {checkpoint_id}.")
    return _view(tx, row)


def mark_verified(tx: Transaction, checkpoint_id: int) -> CheckpointView:
    """It was read back; records CheckpointCommitted the first time."""
    view = get(tx, checkpoint_id)
    tx.put("checkpoints", {"checkpoint_id": checkpoint_id, "state": "present", "verified_at": tx.now})
    if view.verified_at is None:
        view = get(tx, checkpoint_id)
        tx.record(CheckpointCommitted(at=tx.now, checkpoint=view))
    return view


def set_aside(tx: Transaction, workspace: Workspace, view: CheckpointView, problems: list[str]) -> str:
    """Move a damaged checkpoint to quarantine/ and say so in a Notice; returns the sentence."""
    if not is_at_home(workspace, Path(view.path)):
        raise ConflictError(f"{view.path} is no checkpoint of this workspace; it was left alone.", code="outside")
    kept = quarantine(workspace, Path(view.path))
    tx.put("checkpoints", {"checkpoint_id": view.checkpoint_id, "state": "quarantined", "verified_at": None})
    return tell_damaged(tx, Path(view.path), problems, kept)


def quarantine(workspace: Workspace, folder: Path) -> Path:
    """Move a folder to a free name in quarantine/; one that is gone already is fine."""
    number = 1
    while (target := workspace.quarantine / f"{folder.name}-{number}").exists():
        number += 1
    if folder.exists() or folder.is_symlink():
        durable.move(folder, target)
    return target


def tell_damaged(tx: Transaction, folder: Path, problems: list[str], kept: Path) -> str:
    """Record the Notice about a damaged checkpoint."""
    sentence = (
        f"The checkpoint {folder.name} was damaged ({problems[0]}) and is kept as {tx.relative(kept)}. "
        "Training goes on from the newest one that is whole."
    )
    tx.record(Notice(at=tx.now, level="warning", title="A checkpoint was damaged", message=sentence))
    return sentence


def newest(tx: Transaction, lineage_id: int) -> CheckpointView | None:
    """Head of the lineage: the highest (attempt_seq, global_step) among verified ones of its current branch."""
    row = tx.one(
        f"SELECT {_with_prefix('c')} FROM checkpoints c "
        "JOIN lineages l ON l.lineage_id = c.lineage_id AND l.branch = c.branch "
        "WHERE c.lineage_id = ? AND c.state = 'present' AND c.verified_at IS NOT NULL "
        "ORDER BY c.attempt_seq DESC, c.global_step DESC LIMIT 1",
        (lineage_id,),
    )
    return _view(tx, row) if row else None


def list_checkpoints(tx: Transaction, lineage_id: int | None = None) -> list[CheckpointView]:
    """Those that exist, newest first; None is the current lineage."""
    wanted = meta.get(tx, "lineage_id") if lineage_id is None else lineage_id
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE lineage_id = ? AND state = 'present' "
        "ORDER BY attempt_seq DESC, global_step DESC",
        (wanted,),
    )
    return [_view(tx, row) for row in rows]


def state(tx: Transaction, checkpoint_id: int) -> str:
    """present, retiring, retired, quarantined or missing."""
    row = tx.one("SELECT state FROM checkpoints WHERE checkpoint_id = ?", (checkpoint_id,))
    return str(row[0]) if row else "missing"


def bring_home(tx: Transaction, workspace: Workspace, view: CheckpointView) -> None:
    """A row that points outside, left by a workspace that was moved or copied, points at the same checkpoint here, to
    be read back; where there is none the row counts as missing. What lies outside is not touched."""
    folder = at_home(workspace, view.path, view.manifest_sha256)
    path = tx.relative(folder) if folder is not None else ""
    if not path or tx.one("SELECT 1 FROM checkpoints WHERE path = ?", (path,)) is not None:
        set_state(tx, view, "missing")
    else:
        tx.put(
            "checkpoints",
            {"checkpoint_id": view.checkpoint_id, "path": path, "state": "present", "verified_at": None},
        )


def set_state(tx: Transaction, view: CheckpointView, state: str) -> None:
    """Change a row's state; the same again changes nothing."""
    known = tx.one("SELECT state FROM checkpoints WHERE checkpoint_id = ?", (view.checkpoint_id,))
    if known is not None and known[0] != state:
        tx.put("checkpoints", {"checkpoint_id": view.checkpoint_id, "state": state})


def in_state(tx: Transaction, *states: str) -> list[CheckpointView]:
    """Rows of every lineage in one of these states, oldest first."""
    marks = ", ".join("?" * len(states))
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM checkpoints WHERE state IN ({marks}) ORDER BY attempt_seq, global_step", states
    )
    return [_view(tx, row) for row in rows]


def job_steps(tx: Transaction, head: CheckpointView | None) -> dict[int, int]:
    """For each job the steps of it that are inside `head`: what its cursor must be when training goes on there.

    A checkpoint that retention removed still counts, a damaged one does not.
    """
    if head is None:
        return {}
    rows = tx.execute(
        "SELECT job_id, max(job_step) FROM checkpoints WHERE lineage_id = ? AND branch = ? AND attempt_seq <= ? "
        "AND global_step <= ? AND state NOT IN ('quarantined', 'missing') GROUP BY job_id",
        (head.lineage_id, head.branch, head.attempt_seq, head.global_step),
    )
    return {int(job_id): int(job_step) for job_id, job_step in rows}


def _with_prefix(prefix: str) -> str:
    return ", ".join(f"{prefix}.{name}" for name in _NAMES)


def _view(tx: Transaction, row: tuple[Any, ...]) -> CheckpointView:
    values = dict(zip(_NAMES, row, strict=True))
    return CheckpointView(**{**values, "path": tx.absolute(values["path"])})
