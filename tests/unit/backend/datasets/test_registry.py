"""The index of datasets and the token stores beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.contract.datasets import CheckReport
from backend.contract.errors import NotFoundError, StorageError
from backend.contract.events import DatasetChecked, ServiceEvent
from backend.datasets import registry
from backend.datasets.staging import Staged
from backend.formats.workspace import Workspace
from backend.store import durable, failpoints
from backend.store.database import Database

DATASET = "ab" * 32


def staged(workspace: Workspace, name: str = "a.jsonl") -> Staged:
    return Staged(dataset_id=DATASET, size_bytes=5, folder=registry.dataset_folder(workspace, DATASET), file_name=name)


def checker_output(workspace: Workspace, name: str = "out", *, heldout: bool = True) -> Path:
    out = workspace.root / name
    for store in ("tokens", "heldout") if heldout else ("tokens",):
        (out / store).mkdir(parents=True)
        (out / store / "store.json").write_bytes(b"{}")
        (out / store / "tokens.u32").write_bytes(b"1234" * 9)
    (out / "report.json").write_bytes(b"{}")
    return out


def test_add_indexes_once_and_takes_the_new_name(database: Database, workspace: Workspace) -> None:
    first = database.run(lambda tx: registry.add(tx, staged(workspace)))
    database.run(lambda tx: registry.set_report(tx, DATASET, CheckReport(ok=True, num_rows=3)))
    second = database.run(lambda tx: registry.add(tx, staged(workspace, "b.jsonl")))
    assert (second.file_name, second.added_at, second.size_bytes) == ("b.jsonl", first.added_at, 5)
    assert second.report is not None
    assert second.report.num_rows == 3
    with pytest.raises(NotFoundError):
        database.read(lambda tx: registry.get(tx, "cd" * 32))


def test_set_report_is_told(database: Database, workspace: Workspace) -> None:
    heard: list[ServiceEvent] = []
    database.subscribe(lambda _, event: heard.append(event))
    database.run(lambda tx: registry.add(tx, staged(workspace)))
    report = CheckReport(ok=True, format="messages", num_rows=3)
    database.run(lambda tx: registry.set_report(tx, DATASET, report))
    (event,) = heard
    assert isinstance(event, DatasetChecked)
    assert event.dataset.report == report


def test_tokens_fingerprint_depends_on_all_that_changes_the_rows() -> None:
    base = registry.tokens_fingerprint("t", 512, "v")
    assert len(base) == 16
    others = [("u", 512, "v"), ("t", 513, "v"), ("t", 512, "")]
    assert len({base, *(registry.tokens_fingerprint(*one) for one in others)}) == 4


def test_commit_tokens_takes_the_stores_of_the_checker(workspace: Workspace) -> None:
    out = checker_output(workspace)
    folder = registry.commit_tokens(workspace, DATASET, "f" * 16, out)
    assert folder == registry.tokens_path(workspace, DATASET, "f" * 16)
    assert sorted(path.name for path in folder.iterdir()) == ["MANIFEST.json", "heldout", "tokens"]
    assert durable.verify_folder(folder) == []
    assert durable.read_manifest(folder).meta == {
        "kind": "tokens",
        "dataset_id": DATASET,
        "fingerprint": "f" * 16,
    }
    assert [path.name for path in out.iterdir()] == ["report.json"]


def test_commit_tokens_keeps_a_sound_store_and_sets_a_damaged_one_aside(workspace: Workspace) -> None:
    folder = registry.commit_tokens(workspace, DATASET, "f" * 16, checker_output(workspace, "one"))
    second = checker_output(workspace, "two", heldout=False)
    assert registry.commit_tokens(workspace, DATASET, "f" * 16, second) == folder
    assert (folder / "heldout").exists()
    (folder / "tokens" / "tokens.u32").write_bytes(b"damaged")
    registry.commit_tokens(workspace, DATASET, "f" * 16, second)
    assert durable.verify_folder(folder) == []
    assert not (folder / "heldout").exists()
    (kept,) = workspace.quarantine.iterdir()
    assert (kept / "tokens" / "tokens.u32").read_bytes() == b"damaged"


def test_commit_tokens_leaves_nothing_half_done_when_the_disk_is_full(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = checker_output(workspace)
    monkeypatch.setattr(failpoints, "_HITS", {})
    monkeypatch.setenv("EVERSTEP_FAILPOINTS", "durable.manifest_before_write:1:ENOSPC")
    monkeypatch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(workspace.root))
    with pytest.raises(StorageError, match="could not be written"):
        registry.commit_tokens(workspace, DATASET, "f" * 16, out)
    assert list(registry.dataset_folder(workspace, DATASET).iterdir()) == []
