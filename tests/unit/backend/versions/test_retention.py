"""Retention: the oldest beyond the kept ones go, and nothing goes while the newest is in doubt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backend.contract.errors import ConflictError, StorageError
from backend.contract.models import LineageView
from backend.contract.spool import CheckpointSaved
from backend.formats.workspace import Workspace
from backend.store import durable, failpoints
from backend.store.database import Database
from backend.versions import checkpoint_index, checkpoints, lineages, retention
from tests.unit.backend.versions.conftest import Save


def on_disk(workspace: Workspace) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in workspace.current_model.glob("step-*"))


def planned(database: Database, keep: int) -> list[int]:
    return [view.global_step for view in database.read(lambda tx: retention.plan(tx, keep))]


def fill(database: Database, workspace: Workspace, save: Save, *steps: int) -> None:
    for step in steps:
        save(step)
    checkpoints.reconcile(database, workspace)


def test_carry_out_removes_the_oldest_beyond_the_kept(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    fill(database, workspace, save, 5, 10, 15, 20, 25)
    assert planned(database, 3) == [5, 10]
    assert [view.global_step for view in retention.carry_out(database, 3)] == [5, 10]
    assert on_disk(workspace) == [15, 20, 25]
    assert planned(database, 3) == []
    assert checkpoints.reconcile(database, workspace).missing == []
    steps = database.read(lambda tx: checkpoints.job_steps(tx, checkpoints.newest(tx, 1)))
    assert steps == {1: 25}


def test_plan_keeps_at_least_two(database: Database, workspace: Workspace, lineage: LineageView, save: Save) -> None:
    fill(database, workspace, save, 5, 10, 15)
    assert planned(database, 0) == [5]
    assert planned(database, 99) == []


def test_plan_is_empty_while_the_newest_is_not_verified(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    fill(database, workspace, save, 5, 10, 15)
    newest = save(20)
    meta = checkpoints.read_meta(newest)
    saved = CheckpointSaved(
        n=1,
        at=5.0,
        job_id=1,
        path=str(newest),
        manifest_sha256=durable.read_manifest(newest).sha256,
        global_step=20,
        job_step=20,
        size_bytes=1,
        seconds=0.1,
    )
    view = database.run(lambda tx: checkpoints.index(tx, saved, meta))
    assert planned(database, 2) == []
    assert retention.carry_out(database, 2) == []
    database.run(lambda tx: checkpoints.mark_verified(tx, view.checkpoint_id))
    assert planned(database, 2) == [5, 10]


def test_carry_out_removes_nothing_when_the_newest_was_taken_away(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    fill(database, workspace, save, 5, 10, 15, 20)
    (workspace.current_model / "step-00000020-000001" / "MANIFEST.json").unlink()
    assert retention.carry_out(database, 2) == []
    assert on_disk(workspace) == [5, 10, 15, 20]


def test_plan_touches_no_other_lineage(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    fill(database, workspace, save, 5, 10, 15)
    database.run(lineages.new)
    assert planned(database, 2) == []
    for step in (1, 2, 3):
        save(step, lineage=2)
    checkpoints.reconcile(database, workspace)
    assert [view.lineage_id for view in database.read(lambda tx: retention.plan(tx, 2))] == [2]


@pytest.mark.parametrize("place", ["durable.purge_before_rename", "durable.purge_before_unlink"])
def test_carry_out_cut_short_leaves_whole_checkpoints_and_is_done_next_time(
    database: Database,
    workspace: Workspace,
    lineage: LineageView,
    save: Save,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    fill(database, workspace, save, 5, 10, 15, 20)
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "_HITS", {})
        patch.setenv("EVERSTEP_FAILPOINTS", f"{place}:1:EIO")
        patch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(workspace.root))
        with pytest.raises(StorageError, match="could not be removed"):
            retention.carry_out(database, 2)
    for path in workspace.current_model.glob("step-*"):
        assert durable.verify_folder(path) == []
    found = checkpoints.reconcile(database, workspace)
    assert (found.missing, found.damaged) == ([], [])
    retention.carry_out(database, 2)
    assert on_disk(workspace) == [15, 20]
    assert [path.name for path in workspace.current_model.iterdir() if path.name.startswith(".")] == []


def test_carry_out_without_a_lineage_does_nothing(database: Database, workspace: Workspace, save: Save) -> None:
    folder: Path = save(5)
    assert retention.carry_out(database, 2) == []
    assert folder.exists()


def test_nothing_outside_the_workspace_is_indexed_moved_or_removed(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    fill(database, workspace, save, 5, 10, 15, 20)
    other = workspace.root / "another" / "current_model"
    other.mkdir(parents=True)
    foreign = shutil.copytree(workspace.current_model / "step-00000005-000001", other / "step-00000005-000001")
    link = workspace.current_model / "step-00000006-000001"
    link.symlink_to(foreign)
    for folder in (foreign, link):
        meta = checkpoints.read_meta(folder)
        with pytest.raises(ConflictError, match="no checkpoint of this workspace"):
            database.run(
                lambda tx, folder=folder, meta=meta: checkpoint_index.add(
                    tx, folder, meta, manifest_sha256="x", size_bytes=1
                )
            )
    oldest = database.read(lambda tx: checkpoints.list_checkpoints(tx))[-1]
    view = database.run(
        lambda tx: (
            tx.put("checkpoints", {"checkpoint_id": oldest.checkpoint_id, "path": str(foreign)}),
            checkpoints.get(tx, oldest.checkpoint_id),
        )[1]
    )
    assert planned(database, 2) == [10], "the foreign one is not among them"
    with pytest.raises(ConflictError, match="no checkpoint of this workspace"):
        database.run(lambda tx: checkpoints.set_aside(tx, workspace, view, ["damaged"]))
    with pytest.raises(StorageError, match="no checkpoint of this workspace"):
        retention._require_own(workspace, view)
    assert [view.global_step for view in retention.carry_out(database, 2)] == [10]
    assert (foreign / "MANIFEST.json").exists()


def test_reconcile_brings_rows_home_that_point_into_the_workspace_this_is_a_copy_of(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    fill(database, workspace, save, 5, 10, 15)
    other = workspace.root / "another" / "current_model"
    shutil.copytree(workspace.current_model, other)
    shutil.rmtree(workspace.current_model / "step-00000005-000001")
    (workspace.current_model / "step-00000010-000001" / "adapter_config.json").write_text("damaged")
    for view in database.read(lambda tx: checkpoints.list_checkpoints(tx)):
        row = {"checkpoint_id": view.checkpoint_id, "path": str(other / Path(view.path).name)}
        database.run(lambda tx, row=row: tx.put("checkpoints", row))
    found = checkpoints.reconcile(database, workspace)
    assert len(found.damaged) == 1
    (left,) = database.read(lambda tx: checkpoints.list_checkpoints(tx))
    assert left.path == str(workspace.current_model / "step-00000015-000001")
    assert sorted(path.name for path in other.iterdir()) == [f"step-000000{step}-000001" for step in ("05", "10", "15")]
    assert checkpoints.reconcile(database, workspace).missing == []
