"""A workspace that is copied, moved or replaced while it is served: each folder has its own service, or none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backend.cli import service_process
from backend.formats.workspace import Workspace
from gui.client import endpoint as window
from tests.integration.conftest import RunningService, VerbError


@pytest.fixture
def other(tmp_path: Path) -> Iterator[RunningService]:
    """Where the workspace goes to; not started."""
    running = RunningService(tmp_path / "elsewhere" / "workspace")
    running.workspace.root.parent.mkdir()
    yield running
    running.close()


@pytest.fixture
def training(running_service: RunningService) -> RunningService:
    running_service.behave(step_seconds=0.03)
    running_service.add(running_service.file("a.jsonl", rows=60))
    running_service.until(lambda: len(running_service.losses()) > 6)
    return running_service


def test_a_copy_of_a_served_workspace_has_a_service_and_a_trainer_of_its_own(
    training: RunningService, other: RunningService
) -> None:
    training.call("pause")
    training.until_state(1, "paused")
    pid = training.trainer_pid()
    shutil.copytree(training.workspace.root, other.workspace.root)
    assert service_process.locate(other.workspace) is None, "the copied file tells of another folder's service"
    assert window.locate(other.workspace.root) is None
    assert service_process.locate(training.workspace) is not None
    assert window.locate(training.workspace.root) is not None

    other.start()
    assert other.call("status")["trainer"] is None
    other.behave()
    other.call("resume")
    other.until_state(1, "finished")
    other.call("shutdown")
    assert other.wait() == 0
    assert psutil.pid_exists(pid)
    assert training.trainer_pid() == pid
    assert training.job(1)["state"] == "paused"


def test_a_service_and_its_trainer_end_when_their_workspace_is_moved(
    training: RunningService, other: RunningService
) -> None:
    pid, endpoint = training.trainer_pid(), training.endpoint
    training.workspace.root.rename(other.workspace.root)
    training.workspace = Workspace(other.workspace.root)
    assert service_process.locate(other.workspace) is None, "it ends in a moment"
    assert training.endpoint == endpoint
    try:
        training.add(training.file("late.jsonl"))
    except VerbError as refused:
        assert refused.body["code"] == "workspace_moved"
    except OSError:
        pass  # ended already
    assert training.wait() == 3
    training.until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    output = training.output.read_text()
    assert "was moved, renamed or replaced" in output
    assert "Traceback" not in output
    log = "".join(path.read_text() for path in other.workspace.logs.glob("*.log"))
    assert "The service ends." in log

    other.start()
    other.behave()
    other.until_state(1, "finished")
    steps = [row["step"] for row in other.call("metrics")["rows"]]
    assert steps == list(range(1, 31))


def test_a_replaced_workspace_is_left_alone_by_the_service_of_the_one_before(
    training: RunningService, other: RunningService
) -> None:
    root, status = training.workspace.root, training.workspace.status
    training.call("pause")
    training.until_state(1, "paused")
    root.rename(other.workspace.root)
    shutil.copytree(other.workspace.root, root)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert training.wait() == 3
    assert (status / "endpoint.json").exists()
    assert {path: path.stat().st_mtime_ns for path in before if path.exists()} == before
