"""The index of staged files and their check reports, and where their token stores lie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from backend.contract.datasets import CheckReport, DatasetView
from backend.contract.errors import NotFoundError, StorageError
from backend.contract.events import DatasetChecked
from backend.datasets.staging import Staged
from backend.formats.workspace import Workspace
from backend.store import durable
from backend.store.database import Transaction

_COLUMNS = "dataset_id, file_name, size_bytes, added_at, report"


def add(tx: Transaction, staged: Staged) -> DatasetView:
    """Index a staged file; known content keeps its row and report, and takes the new name."""
    row: dict[str, Any] = {"dataset_id": staged.dataset_id, "file_name": staged.file_name}
    if tx.one("SELECT 1 FROM datasets WHERE dataset_id = ?", (staged.dataset_id,)) is None:
        row |= {"size_bytes": staged.size_bytes, "added_at": tx.now}
    tx.put("datasets", row)
    return get(tx, staged.dataset_id)


def get(tx: Transaction, dataset_id: str) -> DatasetView:
    """One dataset with its newest report. Raises NotFoundError."""
    row = tx.one(f"SELECT {_COLUMNS} FROM datasets WHERE dataset_id = ?", (dataset_id,))
    if row is None:
        raise NotFoundError(f"There is no dataset {dataset_id[:12]}.")
    return DatasetView(
        dataset_id=row[0],
        file_name=row[1],
        size_bytes=row[2],
        added_at=row[3],
        report=msgspec.json.decode(row[4], type=CheckReport) if row[4] else None,
    )


def set_report(tx: Transaction, dataset_id: str, report: CheckReport) -> DatasetView:
    """Store the result of a check; records DatasetChecked."""
    get(tx, dataset_id)
    tx.put("datasets", {"dataset_id": dataset_id, "report": msgspec.json.encode(report).decode()})
    view = get(tx, dataset_id)
    tx.record(DatasetChecked(at=tx.now, dataset=view))
    return view


def dataset_folder(workspace: Workspace, dataset_id: str) -> Path:
    """`datasets/SHA256[:32]`."""
    return workspace.datasets / dataset_id[:32]


def source_path(workspace: Workspace, dataset_id: str) -> Path:
    """The copied file."""
    return dataset_folder(workspace, dataset_id) / "source"


def tokens_fingerprint(tokenizer_sha256: str, max_length: int, validation_id: str) -> str:
    """Names a token store: everything its content depends on besides the file."""
    text = f"{tokenizer_sha256}\n{max_length}\n{validation_id}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def tokens_path(workspace: Workspace, dataset_id: str, fingerprint: str) -> Path:
    """`datasets/SHA256[:32]/tokens-FINGERPRINT/`, which holds `tokens/` and perhaps `heldout/`."""
    return dataset_folder(workspace, dataset_id) / f"tokens-{fingerprint}"


def commit_tokens(
    workspace: Workspace,
    dataset_id: str,
    fingerprint: str,
    out_folder: Path,
    *,
    moved: Callable[[], None] = lambda: None,
) -> Path:
    """Commit `tokens/` and `heldout/` of a checker's out folder; returns the folder (an existing sound one wins).

    Its `tokens` is the Assignment's tokens_folder, its `heldout` (when it exists) the heldout_folder.
    Raises StorageError when the disk refuses. Slow: not inside a transaction.
    """

    def fill(staging: Path) -> Mapping[str, Any]:
        for name in ("tokens", "heldout"):
            if (out_folder / name).exists():
                durable.move(out_folder / name, staging / name)
        return {"kind": "tokens", "dataset_id": dataset_id, "fingerprint": fingerprint}

    return commit_store(workspace, tokens_path(workspace, dataset_id, fingerprint), fill, moved=moved)


def commit_store(
    workspace: Workspace,
    target: Path,
    fill: Callable[[Path], Mapping[str, Any]],
    *,
    moved: Callable[[], None] = lambda: None,
) -> Path:
    """Commit a folder of token stores, unless a sound one is there; a damaged one goes to quarantine/."""
    try:
        if target.exists():
            if not durable.verify_folder(target, moved=moved):
                return target
            aside = workspace.quarantine / f"{target.parent.name}-{target.name}"
            number = 1
            while (numbered := aside.with_name(f"{aside.name}-{number}")).exists():
                number += 1
            durable.move(target, numbered)
        durable.commit_folder(target, fill, moved=moved)
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise StorageError(
            f"The checked rows could not be written to {target.parent}: {reason}.",
            hint="See that the disk has room and is healthy, then retry the job.",
        ) from problem
    return target
