"""Finding and starting the service: a stale endpoint file is not believed, a failed start says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli import service_process
from backend.contract.errors import BadInputError, ServiceUnavailableError
from backend.formats.workspace import Workspace
from tests.fakes.fake_service import FakeService


def test_locate_finds_the_service_when_it_lives(fake: FakeService) -> None:
    found = service_process.locate(fake.workspace)
    assert found is not None
    assert found.port == fake.port


def test_locate_finds_nothing_when_the_process_is_another_one(fake: FakeService) -> None:
    fake.write_endpoint(create_time=12345.0)
    assert service_process.locate(fake.workspace) is None


def test_locate_finds_nothing_when_the_machine_was_restarted(fake: FakeService) -> None:
    fake.write_endpoint(boot_id="another boot")
    assert service_process.locate(fake.workspace) is None


def test_locate_finds_nothing_when_the_process_has_ended(fake: FakeService) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    fake.write_endpoint(pid=ended.pid)
    assert service_process.locate(fake.workspace) is None


def test_endpoint_is_not_trusted_when_others_can_read_it(fake: FakeService) -> None:
    fake.workspace.endpoint_file.chmod(0o644)
    assert service_process.read_endpoint(fake.workspace) is None


def test_endpoint_is_not_trusted_when_it_is_a_link(fake: FakeService, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.json"
    fake.workspace.endpoint_file.rename(real)
    fake.workspace.endpoint_file.symlink_to(real)
    assert service_process.read_endpoint(fake.workspace) is None


def test_create_time_agrees_with_psutil() -> None:
    import psutil

    assert service_process.create_time(os.getpid()) == pytest.approx(psutil.Process().create_time(), abs=1.0)


def test_ensure_starts_nothing_when_a_service_answers(fake: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_process, "_guardian_command", lambda _workspace: ["/nonexistent"])
    assert service_process.ensure(fake.workspace).port == fake.port


def test_ensure_never_doubles_a_service_that_is_silent(fake: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_process, "_guardian_command", lambda _workspace: ["/nonexistent"])
    monkeypatch.setattr(service_process, "SILENT_SECONDS", 0.1)
    fake.token = "the service answers nobody"
    with pytest.raises(ServiceUnavailableError, match=f"process {os.getpid()}"):
        service_process.ensure(fake.workspace)


def test_ensure_says_why_when_the_service_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('The disk is full.')"]
    monkeypatch.setattr(service_process, "_guardian_command", lambda _workspace: failing)
    with pytest.raises(ServiceUnavailableError, match="The disk is full"):
        service_process.ensure(Workspace(tmp_path / "workspace"))


def test_ensure_tries_again_when_another_guardian_was_just_leaving(
    fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = fake.workspace.endpoint_file.read_bytes()
    fake.workspace.endpoint_file.unlink()
    monkeypatch.setattr(service_process, "_OTHER_GUARDIAN_SECONDS", 0.0)
    num_started = 0

    def command(_workspace: Workspace) -> list[str]:
        nonlocal num_started
        num_started += 1
        if num_started == 2:
            fake.workspace.endpoint_file.write_bytes(good)
            fake.workspace.endpoint_file.chmod(0o600)
        return [sys.executable, "-c", ""]

    monkeypatch.setattr(service_process, "_guardian_command", command)
    assert service_process.ensure(fake.workspace).port == fake.port
    assert num_started == 2


def test_ensure_refuses_when_the_workspace_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(BadInputError, match="is not a folder"):
        service_process.ensure(Workspace(file))
