"""Checkpoints: the folders are the truth, the index follows, and the newest whole one is the head."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.contract.errors import DamagedError, NotFoundError, StorageError
from backend.contract.events import CheckpointCommitted, Notice, ServiceEvent
from backend.contract.models import CheckpointView, LineageView
from backend.contract.spool import CheckpointSaved
from backend.formats.workspace import Workspace
from backend.store import durable
from backend.store.database import Database
from backend.versions import checkpoint_index, checkpoints
from tests.unit.backend.versions.conftest import Save


def head(database: Database, lineage: int = 1) -> int | None:
    view = database.read(lambda tx: checkpoints.newest(tx, lineage))
    return view.global_step if view else None


def steps(database: Database) -> list[int]:
    return [view.global_step for view in database.read(lambda tx: checkpoints.list_checkpoints(tx))]


def saved(folder: Path, step: int) -> CheckpointSaved:
    manifest = durable.read_manifest(folder)
    return CheckpointSaved(
        n=1,
        at=5.0,
        job_id=1,
        path=str(folder),
        manifest_sha256=manifest.sha256,
        global_step=step,
        job_step=step,
        size_bytes=manifest.size_bytes,
        seconds=0.1,
    )


def index(database: Database, folder: Path, step: int) -> CheckpointView:
    meta = checkpoints.read_meta(folder)
    return database.run(lambda tx: checkpoints.index(tx, saved(folder, step), meta))


# ---- the trainer said it saved one -------------------------------------------------------------------------


def test_checkpoint_counts_once_it_was_read_back(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    heard: list[ServiceEvent] = []
    database.subscribe(lambda _, event: heard.append(event))
    folder = save(5, job_step=3)
    view = index(database, folder, 5)
    assert index(database, folder, 5) == view
    assert (view.path, view.job_step, view.verified_at) == (str(folder), 3, None)
    assert head(database) is None
    assert checkpoints.verify(view) == []
    verified = database.run(lambda tx: checkpoints.mark_verified(tx, view.checkpoint_id))
    assert verified.verified_at is not None
    assert head(database) == 5
    database.run(lambda tx: checkpoints.mark_verified(tx, view.checkpoint_id))
    assert [event.checkpoint for event in heard if isinstance(event, CheckpointCommitted)] == [verified]


def test_set_aside_keeps_a_damaged_checkpoint_and_tells(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    folder = save(5)
    view = index(database, folder, 5)
    (folder / "adapter_config.json").write_bytes(b"damaged")
    problems = checkpoints.verify(view)
    assert "adapter_config.json" in problems[0]
    database.run(lambda tx: checkpoints.set_aside(tx, workspace, view, problems))
    assert not folder.exists()
    assert (workspace.quarantine / f"{folder.name}-1" / "adapter_config.json").read_bytes() == b"damaged"
    (_, notice) = database.events_after(0, 100)[-1]
    assert isinstance(notice, Notice)
    assert f"quarantine/{folder.name}-1" in notice.message
    assert steps(database) == []


def test_read_meta_raises_when_the_folder_is_no_checkpoint(workspace: Workspace) -> None:
    durable.commit_folder(workspace.current_model / "step-x", lambda _: {"kind": "something"})
    for name in ("step-x", "step-missing"):
        with pytest.raises(DamagedError, match="is no checkpoint"):
            checkpoints.read_meta(workspace.current_model / name)


def test_head_is_the_newest_attempt_first_whatever_the_clock_said(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    for step, attempt in ((10, 1), (20, 1), (15, 2), (12, 2)):
        os.utime(save(step, attempt=attempt), (random.Random(step).randint(1, 10**9),) * 2)
    checkpoints.reconcile(database, workspace)
    assert steps(database) == [15, 12, 20, 10]
    assert head(database) == 15  # attempt 2 went on from step 10: what attempt 1 did later is superseded


def test_job_steps_are_those_inside_the_head(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    save(5, job=1, job_step=5)
    save(8, job=2, job_step=3)
    save(20, attempt=1, job=1, job_step=17)
    save(10, attempt=2, job=1, job_step=7)
    checkpoints.reconcile(database, workspace)

    def job_steps() -> dict[int, int]:
        return database.read(lambda tx: checkpoints.job_steps(tx, checkpoints.newest(tx, 1)))

    assert job_steps() == {1: 7, 2: 3}  # step 20 was superseded
    view = database.read(lambda tx: checkpoints.newest(tx, 1))
    assert view is not None
    database.run(lambda tx: checkpoints.set_aside(tx, workspace, view, ["damaged"]))
    assert job_steps() == {1: 17, 2: 3}
    assert database.read(lambda tx: checkpoints.job_steps(tx, None)) == {}


def test_get_raises_when_there_is_no_such_checkpoint(database: Database) -> None:
    with pytest.raises(NotFoundError):
        database.read(lambda tx: checkpoints.get(tx, 9))


# ---- reconcile ---------------------------------------------------------------------------------------------


def test_reconcile_indexes_what_is_there_and_changes_nothing_the_second_time(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    save(5)
    save(10)
    found = checkpoints.reconcile(database, workspace)
    assert [view.global_step for view in found.indexed] == [5, 10]
    assert (found.damaged, found.missing) == ([], [])
    sequence = database.last_sequence
    again = checkpoints.reconcile(database, workspace)
    assert (again.indexed, again.damaged, again.missing) == ([], [], [])
    assert database.last_sequence == sequence
    assert head(database) == 10


def test_reconcile_leaves_everything_else_in_the_folder_alone(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    save(5)
    (workspace.current_model / ".tmp-step-6").mkdir()
    (workspace.current_model / "notes").mkdir()
    (workspace.current_model / "step-file").write_bytes(b"mine")
    (workspace.current_model / "step-link").symlink_to("step-00000005-000001")
    before = sorted(path.name for path in workspace.current_model.iterdir())
    checkpoints.reconcile(database, workspace)
    assert sorted(path.name for path in workspace.current_model.iterdir()) == before
    assert steps(database) == [5]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "MANIFEST.json").unlink(),
        lambda folder: (folder / "adapter_config.json").unlink(),
        lambda folder: os.truncate(folder / "adapter_model.safetensors", 7),
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"weights 11" * 50),
        lambda folder: (folder / "MANIFEST.json").write_bytes(b'{"schema": 1, "meta": {}, "files": {}}'),
        lambda folder: (folder / "extra").write_bytes(b"x"),
    ],
)
@pytest.mark.parametrize("is_indexed", [False, True])
def test_reconcile_falls_back_to_the_newest_whole_one_when_the_newest_is_damaged(
    database: Database,
    workspace: Workspace,
    lineage: LineageView,
    save: Save,
    damage: Callable[[Path], object],
    is_indexed: bool,
) -> None:
    save(5)
    if not is_indexed:
        checkpoints.reconcile(database, workspace)
    newest = save(10)
    if is_indexed:
        checkpoints.reconcile(database, workspace)
        assert head(database) == 10
    damage(newest)
    found = checkpoints.reconcile(database, workspace)
    assert len(found.damaged) == 1
    assert newest.name in found.damaged[0]
    assert head(database) == 5
    assert not newest.exists()
    assert [path.name for path in workspace.quarantine.iterdir()] == [f"{newest.name}-1"]
    notices = [event.message for _, event in database.events_after(0, 100) if isinstance(event, Notice)]
    assert notices == found.damaged
    assert checkpoints.reconcile(database, workspace).damaged == []


def test_reconcile_goes_back_several_when_several_are_damaged(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    folders = [save(step) for step in (5, 10, 15, 20)]
    checkpoints.reconcile(database, workspace)
    for folder in folders[1:]:
        data = bytearray((folder / "adapter_model.safetensors").read_bytes())
        data[3] ^= 1  # same size, other bytes: only reading back finds it
        (folder / "adapter_model.safetensors").write_bytes(data)
    found = checkpoints.reconcile(database, workspace)
    assert len(found.damaged) == 3
    assert head(database) == 5


def test_reconcile_tells_of_checkpoints_that_somebody_removed_and_takes_them_back(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save, tmp_path: Path
) -> None:
    save(5)
    folder = save(10)
    checkpoints.reconcile(database, workspace)
    shutil.move(folder, tmp_path / "elsewhere")
    found = checkpoints.reconcile(database, workspace)
    assert [view.global_step for view in found.missing] == [10]
    assert head(database) == 5
    assert checkpoints.reconcile(database, workspace).missing == []  # told once
    shutil.move(tmp_path / "elsewhere", folder)
    checkpoints.reconcile(database, workspace)
    assert head(database) == 10


def test_reconcile_indexes_another_checkpoint_under_a_name_that_was_damaged_before(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    folder = save(5)
    checkpoints.reconcile(database, workspace)
    (folder / "adapter_config.json").write_bytes(b"damaged")
    checkpoints.reconcile(database, workspace)
    save(5, job_step=4)
    checkpoints.reconcile(database, workspace)
    view = database.read(lambda tx: checkpoints.newest(tx, 1))
    assert view is not None
    assert (view.global_step, view.job_step) == (5, 4)
    assert checkpoints.verify(view) == []


def test_reconcile_raises_and_changes_nothing_when_the_folder_cannot_be_listed(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(5)
    checkpoints.reconcile(database, workspace)

    def refuse(_: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refuse)
        with pytest.raises(StorageError, match="cannot be listed"):
            checkpoints.reconcile(database, workspace)
    assert head(database) == 5


def test_reconcile_finds_everything_in_a_database_that_was_lost(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    for step in (5, 10):
        save(step)
    database.close()
    for path in (workspace.database, workspace.journal):
        path.unlink()
    empty = Database.open(workspace.database, workspace.journal)
    checkpoints.reconcile(empty, workspace)
    views = empty.read(lambda tx: checkpoint_index.in_state(tx, "present"))
    assert [view.global_step for view in views] == [5, 10]
    assert all(view.verified_at is not None for view in views)
    empty.close()


def test_checkpoints_are_found_when_the_workspace_was_moved(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save, tmp_path: Path
) -> None:
    save(5)
    checkpoints.reconcile(database, workspace)
    database.close()
    moved = Workspace(tmp_path / "moved")
    moved.root.mkdir()
    for name in ("everstep.db", "journal.jsonl", "current_model"):
        shutil.move(workspace.root / name, moved.root / name)
    again = Database.open(moved.database, moved.journal)
    found = checkpoints.reconcile(again, moved)
    assert (found.indexed, found.missing) == ([], [])
    view = again.read(lambda tx: checkpoints.newest(tx, 1))
    assert view is not None
    assert view.path == str(moved.current_model / "step-00000005-000001")
    again.close()
