"""A workspace that lost its database, was copied, or lost its newest checkpoints: nothing trained goes unnoticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
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
    assert job_id == 4, "no number of a file that was trained is given to another"
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
        assert [row["step"] for row in service.call("metrics")["rows"]] == list(range(1, 43)), "also those of a, b, c"
        end(service)
    finally:
        service.close()
    assert sorted(path.relative_to(old.root) for path in old.root.rglob("*")) == before


@pytest.fixture
def four_trained(three_trained: RunningService) -> RunningService:
    """A fourth one, in the hands of the same kind of trainer; ended, and the three newest checkpoints spoiled."""
    service = three_trained.start()
    train_and_end(service, "d.jsonl")
    for folder in sorted(service.workspace.current_model.glob("step-*"))[-3:]:
        (folder / "model.json").write_text('{"digest": "00"}')
    return service


def test_finished_files_are_trained_again_when_their_checkpoints_are_damaged(four_trained: RunningService) -> None:
    service = four_trained
    before = {row["step"]: row["loss_hex"] for row in service.start().call("metrics", superseded=True)["rows"]}
    jobs = [service.until_state(job_id, "finished") for job_id in (2, 3, 4)]
    assert [(job["first_global_step"], job["last_global_step"]) for job in jobs] == [(5, 8), (9, 12), (13, 16)]
    rows = service.call("metrics")["rows"]
    assert {row["step"]: row["loss_hex"] for row in rows} == before, "the same steps once more"
    assert [row["attempt"] for row in rows] == [1] * 4 + [5] * 12
    status = service.call("status")
    assert (status["global_step"], status["checkpoint_step"]) == (16, 16)
    log = "".join(path.read_text() for path in service.workspace.logs.glob("*.log"))
    assert "Finished files are trained again. b.jsonl, c.jsonl, d.jsonl were trained up to step 16" in log


def test_status_and_history_show_one_timeline_while_lost_files_wait(four_trained: RunningService) -> None:
    service = four_trained
    (service.workspace.root / ".stop").touch()
    service.start()
    assert [service.job(job_id)["state"] for job_id in (1, 2, 3, 4)] == ["finished", "queued", "queued", "queued"]
    status = service.call("status")
    assert (status["global_step"], status["checkpoint_step"], status["num_waiting"]) == (4, 4, 3)
    assert [row["step"] for row in service.call("metrics")["rows"]] == [1, 2, 3, 4]
    assert len(service.call("metrics", superseded=True)["rows"]) == 16
    assert service.call("history")["last_step"] == 4
    assert [span["job_id"] for span in service.call("history.marks")["files"]] == [1]
    assert [row["step"] for row in service.call("evaluations")["rows"]] == [4]
    service.call("queue.move", job_ids=[4], to=1)
    (service.workspace.root / ".stop").unlink()
    assert service.until_state(4, "finished")["first_global_step"] == 5


def test_finished_file_goes_on_where_the_newest_whole_checkpoint_left_it(
    running_service: RunningService,
) -> None:
    service = running_service
    train_and_end(service, "a.jsonl", rows=20)
    (service.workspace.current_model / "step-00000010-1" / "model.json").write_text("spoiled")
    service.start()
    job = service.until_state(1, "finished")
    assert (job["first_global_step"], job["last_global_step"], job["done_steps"]) == (1, 10, 10)
    assert [row["attempt"] for row in service.call("metrics")["rows"]] == [1] * 5 + [2] * 5


def test_losses_are_read_again_from_the_spools_when_the_database_was_deleted(three_trained: RunningService) -> None:
    service = three_trained.start()
    before = service.call("metrics")["rows"]
    end(service)
    forget(service)
    service.start()
    after = service.call("metrics")["rows"]
    assert [(row["step"], row["loss_hex"], row["attempt"]) for row in after] == [
        (row["step"], row["loss_hex"], row["attempt"]) for row in before
    ]
    assert len(service.call("evaluations")["rows"]) == 3
    assert service.call("status")["global_step"] == 12
    end(service)
    assert service.start().call("status")["global_step"] == 12


def test_trainer_saves_and_ends_when_the_database_it_was_known_in_is_gone(
    running_service: RunningService, tmp_path: Path
) -> None:
    service = running_service
    service.behave(step_seconds=0.05)
    service.add(service.file("a.jsonl", rows=60))
    service.until(lambda: len(service.losses()) > 6)
    pid = service.trainer_pid()
    assert service.terminate() == 0
    assert psutil.pid_exists(pid), "it goes on by itself"
    forget(service)
    service.start()
    service.until(lambda: not psutil.pid_exists(pid))
    service.base(tmp_path)
    (job_id,) = service.add(service.file("b.jsonl"))
    job = service.until_state(job_id, "finished")
    assert job_id == 2
    log = "".join(path.read_text() for path in service.workspace.logs.glob("*.log"))
    assert log.count("Told the trainer to run: job 2") == 1, "its turn is not taken for one that is over"
    reached = max(step for step, attempt in checkpoints(service) if attempt == 1)
    assert job["first_global_step"] == reached + 1 > 7, "what it had trained is what goes on"
