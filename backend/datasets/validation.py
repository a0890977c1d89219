"""The frozen validation set: `data/validation/ID/{rows.jsonl,tokens-FINGERPRINT/}`, ID = sha256 of rows.jsonl.

It is chosen once, its name is its content, and every validation loss carries that name.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.contract.errors import DamagedError, StorageError
from backend.contract.results import ValidationView
from backend.datasets import registry
from backend.formats.workspace import Workspace
from backend.store import durable, meta
from backend.store.database import Transaction

ROWS = "rows.jsonl"


def current(tx: Transaction) -> ValidationView:
    """The set in force; an empty view when there is none."""
    row = tx.one(
        "SELECT validation_id, num_rows, source, created_at FROM validations WHERE validation_id = ?",
        (meta.get(tx, "validation_id") or "",),
    )
    if row is None:
        return ValidationView()
    return ValidationView(validation_id=row[0], num_rows=row[1], source=row[2], created_at=row[3])


def freeze(
    tx: Transaction, workspace: Workspace, folder_from_checker: Path, *, source: str, fingerprint: str = ""
) -> ValidationView:
    """Commit a checker's `validation/` folder (rows.jsonl and a token store) and make it the set in force.

    With a `fingerprint` the token store is committed as `tokens-FINGERPRINT/` too. Raises StorageError when the
    disk refuses.
    """
    validation_id, num_rows = _commit_rows(workspace, folder_from_checker / ROWS)
    if fingerprint:
        commit_tokens(workspace, validation_id, fingerprint, folder_from_checker)
    if tx.one("SELECT 1 FROM validations WHERE validation_id = ?", (validation_id,)) is None:
        row = {"validation_id": validation_id, "num_rows": num_rows, "source": source, "created_at": tx.now}
        tx.put("validations", row)
    meta.set(tx, "validation_id", validation_id)
    return current(tx)


def folder_of(workspace: Workspace, validation_id: str) -> Path:
    """`data/validation/ID`."""
    return workspace.validation / validation_id


def rows_path(workspace: Workspace, validation_id: str) -> Path:
    """The rows, one canonical row a line; what the checker excludes."""
    return folder_of(workspace, validation_id) / ROWS


def require_rows(workspace: Workspace, validation_id: str) -> Path:
    """The rows, after comparing them with their name. Raises DamagedError."""
    path = rows_path(workspace, validation_id)
    try:
        sha256 = durable.hash_file(path)[1]
    except OSError as problem:
        raise DamagedError(f"The validation set {path} cannot be read: {problem.strerror}.") from problem
    if sha256 != validation_id:
        raise DamagedError(
            f"The validation set {path} is not what was frozen.",
            hint="Put the file back from a copy, or set a new one with `validation set`.",
        )
    return path


def tokens_path(workspace: Workspace, validation_id: str, fingerprint: str) -> Path:
    """Token store of the set for one tokenizer and length; may not exist yet."""
    return folder_of(workspace, validation_id) / f"tokens-{fingerprint}"


def commit_tokens(workspace: Workspace, validation_id: str, fingerprint: str, folder: Path) -> Path:
    """Commit a token store made of rows.jsonl for another tokenizer or length (the checker's `validation/` or
    `tokens/` folder). Raises StorageError when the disk refuses."""

    def fill(staging: Path) -> Mapping[str, Any]:
        for path in sorted(folder.iterdir()):
            if path.name not in (ROWS, durable.MANIFEST):
                durable.move(path, staging / path.name)
        return {"kind": "validation_tokens", "validation_id": validation_id, "fingerprint": fingerprint}

    return registry.commit_store(workspace, tokens_path(workspace, validation_id, fingerprint), fill)


def _commit_rows(workspace: Workspace, rows: Path) -> tuple[str, int]:
    """Copy the rows under their hash; an existing sound copy stays."""
    try:
        with open(rows, "rb") as file:
            num_rows = sum(1 for line in file if line.strip())
        validation_id = durable.hash_file(rows)[1]
        target = rows_path(workspace, validation_id)
        if not target.exists() or durable.hash_file(target)[1] != validation_id:
            durable.make_folder(target.parent)
            if target.exists():
                durable.move(target, workspace.quarantine / f"{validation_id}-{time.time_ns()}-{target.name}")
            durable.copy_in(rows, target)
    except OSError as problem:
        raise StorageError(
            f"The validation set could not be written to {workspace.validation}: {problem.strerror}.",
            hint="See that the disk has room and is healthy, then retry the job.",
        ) from problem
    return validation_id, num_rows
