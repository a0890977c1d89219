"""The frozen validation set: named by its content, kept once, noticed when it is changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backend.contract.errors import DamagedError, StorageError
from backend.contract.results import ValidationView
from backend.datasets import validation
from backend.formats.workspace import Workspace
from backend.store import durable, failpoints
from backend.store.database import Database

ROWS = b'{"text": "one"}\n{"text": "two"}\n'
ID = hashlib.sha256(ROWS).hexdigest()


def checker_folder(workspace: Workspace, name: str = "out", rows: bytes = ROWS) -> Path:
    folder = workspace.root / name / "validation"
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_bytes(rows)
    (folder / "store.json").write_bytes(b"{}")
    (folder / "tokens.u32").write_bytes(b"1234" * 9)
    return folder


def freeze(database: Database, workspace: Workspace, folder: Path, fingerprint: str = "") -> ValidationView:
    return database.run(lambda tx: validation.freeze(tx, workspace, folder, source="a.jsonl", fingerprint=fingerprint))


def test_current_is_empty_before_a_set_was_frozen(database: Database) -> None:
    assert database.read(validation.current) == ValidationView()


def test_freeze_keeps_rows_under_their_hash_and_puts_them_in_force(database: Database, workspace: Workspace) -> None:
    view = freeze(database, workspace, checker_folder(workspace), "f" * 16)
    assert (view.validation_id, view.num_rows, view.source) == (ID, 2, "a.jsonl")
    assert database.read(validation.current) == view
    assert validation.rows_path(workspace, ID).read_bytes() == ROWS
    assert validation.require_rows(workspace, ID) == validation.rows_path(workspace, ID)
    store = validation.tokens_path(workspace, ID, "f" * 16)
    assert sorted(path.name for path in store.iterdir()) == ["MANIFEST.json", "store.json", "tokens.u32"]
    assert durable.verify_folder(store) == []


def test_freeze_of_the_same_rows_again_keeps_the_first_and_another_replaces_it(
    database: Database, workspace: Workspace
) -> None:
    first = freeze(database, workspace, checker_folder(workspace, "one"), "f" * 16)
    assert freeze(database, workspace, checker_folder(workspace, "two"), "f" * 16) == first
    other = freeze(database, workspace, checker_folder(workspace, "three", b'{"text": "three"}\n'))
    assert other.validation_id != ID
    assert database.read(validation.current) == other
    assert validation.rows_path(workspace, ID).exists()


def test_commit_tokens_adds_a_store_for_another_tokenizer(database: Database, workspace: Workspace) -> None:
    freeze(database, workspace, checker_folder(workspace, "one"), "f" * 16)
    folder = validation.commit_tokens(workspace, ID, "e" * 16, checker_folder(workspace, "two"))
    assert folder == validation.tokens_path(workspace, ID, "e" * 16)
    assert durable.verify_folder(folder) == []
    assert not (folder / "rows.jsonl").exists()


def test_require_rows_raises_when_the_set_is_not_what_was_frozen(database: Database, workspace: Workspace) -> None:
    freeze(database, workspace, checker_folder(workspace))
    path = validation.rows_path(workspace, ID)
    path.write_bytes(ROWS + b'{"text": "added"}\n')
    with pytest.raises(DamagedError, match="not what was frozen"):
        validation.require_rows(workspace, ID)
    path.unlink()
    with pytest.raises(DamagedError, match="cannot be read"):
        validation.require_rows(workspace, ID)
    freeze(database, workspace, checker_folder(workspace, "again"))  # the same rows mend it
    validation.require_rows(workspace, ID)


def test_freeze_changes_nothing_when_the_disk_is_full(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checker_folder(workspace)
    monkeypatch.setattr(failpoints, "_HITS", {})
    monkeypatch.setenv("EVERSTEP_FAILPOINTS", "durable.copy_write:1:ENOSPC")
    monkeypatch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(workspace.root))
    with pytest.raises(StorageError, match="validation set"):
        freeze(database, workspace, folder)
    assert database.read(validation.current) == ValidationView()
    assert not validation.rows_path(workspace, ID).exists()
