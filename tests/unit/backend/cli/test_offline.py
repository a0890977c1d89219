"""Answers without a service come from files and say so."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

import msgspec
import pytest

from backend.cli import offline
from backend.contract.errors import BadInputError
from backend.contract.jobs import JobState
from backend.contract.status import Activity, ProcessView, RunState, TrainerView
from backend.formats.progress import ProgressWriter
from backend.formats.workspace import Workspace
from tests.fakes.fake_service import FakeService, job, status


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    for folder in made.folders:
        folder.mkdir(parents=True, exist_ok=True)
    return made


def remember(workspace: Workspace) -> None:
    view = status(
        activity=Activity.TRAINING,
        service=ProcessView(pid=1, started_at=1.0),
        trainer=TrainerView(pid=2, attempt_id="A000001-ab", attempt_seq=1, phase="training", started_at=1.0),
        job=job(3, JobState.TRAINING, file_name="wiki.jsonl"),
        checkpoint_step=40,
        global_step=43,
        updated_at=time.time() - 120,
    )
    workspace.last_status_file.write_bytes(msgspec.json.encode(view))


def test_status_says_that_nothing_runs_when_the_trainer_is_dead(workspace: Workspace) -> None:
    remember(workspace)
    found = offline.status(workspace)
    assert found.service is None
    assert found.trainer is None
    assert found.activity is Activity.IDLE
    assert "not running" in found.sentence
    assert "wiki.jsonl goes on from step 40" in found.sentence
    assert "2 min 00 s ago" in found.sentence


def test_status_finds_the_living_trainer_among_folders_with_higher_names(workspace: Workspace) -> None:
    remember(workspace)
    for number in range(1, 9):
        folder = workspace.spool / f"A00000{number}-ab"
        folder.mkdir()
        (folder / "trainer.lock").touch()
    with open(workspace.spool / "A000001-ab" / "trainer.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = offline.status(workspace)
    assert "The trainer lives" in found.sentence


def test_status_says_that_the_trainer_lives_when_it_holds_its_lock(workspace: Workspace) -> None:
    remember(workspace)
    folder = workspace.spool / "A000001-ab"
    folder.mkdir()
    ProgressWriter(folder / "progress.bin").enter("saving")
    with open(folder / "trainer.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = offline.status(workspace)
    assert found.activity is Activity.TRAINING
    assert found.trainer is not None
    assert found.trainer.phase == "saving"
    assert found.trainer.last_progress_seconds is not None
    assert "The trainer lives" in found.sentence


def test_status_names_the_stop_file_when_it_lies_there(workspace: Workspace) -> None:
    workspace.stop_file.touch()
    found = offline.status(workspace)
    assert found.stop_file
    assert ".stop" in found.sentence


def test_status_keeps_the_users_wish_when_training_was_stopped(workspace: Workspace) -> None:
    workspace.last_status_file.write_bytes(msgspec.json.encode(status(run_state=RunState.STOPPED)))
    assert offline.status(workspace).activity is Activity.STOPPED


@pytest.mark.parametrize("damage", [b"", b"{", b'{"activity": 7}'])
def test_status_answers_when_its_file_is_damaged(workspace: Workspace, damage: bytes) -> None:
    workspace.last_status_file.write_bytes(damage)
    assert "not running" in offline.status(workspace).sentence


def test_status_makes_nothing_when_there_is_no_workspace(tmp_path: Path) -> None:
    found = offline.status(Workspace(tmp_path / "none"))
    assert "no workspace" in found.sentence
    assert not (tmp_path / "none").exists()


def test_config_shows_defaults_when_there_is_no_file(workspace: Workspace) -> None:
    values = {view.key: view.value for view in offline.config(workspace).settings}
    assert values["training.learning_rate"] == 2e-4


def test_config_names_the_field_when_the_file_is_broken(workspace: Workspace) -> None:
    workspace.config_file.write_text('{"training": {"lora_r": "wide"}}', encoding="utf-8")
    with pytest.raises(BadInputError, match="lora_r"):
        offline.config(workspace)


def test_status_does_not_say_that_a_service_is_gone_that_only_is_silent(fake: FakeService) -> None:
    told = offline.status(fake.workspace).sentence
    assert "lives but does not answer" in told
    assert "not running" not in told
