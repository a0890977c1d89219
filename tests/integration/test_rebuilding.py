"""A workspace that lost its database, was copied, or lost its newest checkpoints: nothing trained goes unnoticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import RunningService


def end(service: RunningService) -> None:
    service.call("shutdown")
    assert service.wait() == 0


def train_and_end(service: RunningService, name: str, rows: int = 8) -> None:
    """One file, by a trainer of its own."""
    (job_id,) = service.add(service.file(name, rows=rows))
    service.until_state(job_id, "finished")
    end(service)


def forget(service: RunningService) -> None:
    """Delete database and journal."""
    for path in (*service.workspace.root.glob("everstep.db*"), service.workspace.journal):
        path.unlink()


def checkpoints(service: RunningService) -> list[tuple[int, int]]:
    """(step, attempt) by the names of the folders."""
    found = service.workspace.current_model.glob("step-*")
    return sorted((int(path.name.split("-")[1]), int(path.name.split("-")[2])) for path in found)


@pytest.fixture
def three_trained(running_service: RunningService) -> RunningService:
    """Three files of four steps, a trainer each; ended."""
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        if running_service.process.poll() is not None:
            running_service.start()
        train_and_end(running_service, name)
    assert checkpoints(running_service) == [(4, 1), (8, 2), (12, 3)]
    return running_service


def test_new_file_goes_on_from_old_checkpoints_when_the_database_was_deleted(
    three_trained: RunningService, tmp_path: Path
) -> None:
    service = three_trained
    forget(service)
    service.start()
    service.base(tmp_path)
    (job_id,) = service.add(service.file("d.jsonl", rows=12))
    job = service.until_state(job_id, "finished")
    assert (job["first_global_step"], job["last_global_step"]) == (13, 18)
    status = service.call("status")
    assert (status["global_step"], status["checkpoint_step"]) == (18, 18)
    (job_id,) = service.add(service.file("e.jsonl"))
    assert service.until_state(job_id, "finished")["first_global_step"] == 19
    assert (18, 4) in checkpoints(service), "its checkpoints stay"


def test_new_file_goes_on_from_checkpoints_taken_into_a_new_workspace(
    three_trained: RunningService, tmp_path: Path
) -> None:
    old = three_trained.workspace
    service = RunningService(tmp_path / "other" / "workspace")
    try:
        service.configure(validation_max_rows=0)
        shutil.copytree(old.current_model, service.workspace.current_model)
        shutil.copytree(old.base_models, service.workspace.base_models)
        service.start()
        service.base(tmp_path)
        (job_id,) = service.add(service.file("d.jsonl", rows=12))
        assert service.until_state(job_id, "finished")["first_global_step"] == 13
        assert service.call("status")["checkpoint_step"] == 18
    finally:
        service.close()


def test_copy_of_a_workspace_never_touches_the_original(three_trained: RunningService, tmp_path: Path) -> None:
    old = three_trained.workspace
    (tmp_path / "other").mkdir()
    shutil.copytree(old.root, tmp_path / "other" / "workspace")
    before = sorted(path.relative_to(old.root) for path in old.root.rglob("*"))
    service = RunningService(tmp_path / "other" / "workspace")
    try:
        for path in service.workspace.root.glob("everstep.db*"):
            path.unlink()
        lines = service.workspace.journal.read_bytes().splitlines(keepends=True)
        cut = max(place for place, line in enumerate(lines) if b'"boot_id"' in line)
        service.workspace.journal.write_bytes(b"".join(lines[: cut + 1]))
        service.configure(validation_max_rows=0, keep_checkpoints=2)
        service.start()
        listed = service.call("checkpoints.list")["checkpoints"]
        assert {str(Path(one["path"]).parent) for one in listed} == {str(service.workspace.current_model)}
        for name in ("d.jsonl", "e.jsonl", "f.jsonl"):
            (job_id,) = service.add(service.file(name))
            service.until_state(job_id, "finished")
        service.until(lambda: (4, 1) not in checkpoints(service))
        end(service)
    finally:
        service.close()
    assert sorted(path.relative_to(old.root) for path in old.root.rglob("*")) == before
