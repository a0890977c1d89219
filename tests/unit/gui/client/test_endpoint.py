"""The endpoint file is believed only when it is ours alone and its very process lives."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from gui.client import endpoint as endpoints
from tests.unit.gui.client.raw_service import RawService


@contextmanager
def held(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    descriptor = os.open(lock, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def test_locate_finds_the_service_when_it_lives(raw: RawService) -> None:
    raw.publish()
    found = endpoints.locate(raw.workspace)
    assert found is not None
    assert (found.port, found.pid) == (raw.port, os.getpid())


def test_locate_finds_nothing_when_there_is_no_file(tmp_path: Path) -> None:
    assert endpoints.locate(tmp_path) is None
    assert not endpoints.is_untrusted(tmp_path)


def test_locate_finds_nothing_when_the_pid_is_another_process_by_now(raw: RawService) -> None:
    raw.publish(create_time=12345.0)
    assert endpoints.locate(raw.workspace) is None


def test_locate_finds_the_service_when_the_clock_was_set_but_its_lock_is_held(raw: RawService) -> None:
    raw.publish(create_time=12345.0)
    with held(raw.workspace / "status" / "service.lock"):
        assert endpoints.locate(raw.workspace) is not None


def test_locate_finds_nothing_when_the_machine_was_restarted(raw: RawService) -> None:
    raw.publish(boot_id="another boot")
    assert endpoints.locate(raw.workspace) is None


def test_locate_finds_nothing_when_the_process_has_ended(raw: RawService) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    raw.publish(pid=ended.pid)
    assert endpoints.locate(raw.workspace) is None


def test_locate_finds_nothing_when_the_process_is_a_zombie(raw: RawService) -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as ended:
        assert ended.stdout is not None
        ended.stdout.read()
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        raw.publish(pid=ended.pid)
        assert endpoints.locate(raw.workspace) is None


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_endpoint_is_not_trusted_when_others_could_read_or_write_it(raw: RawService, mode: int) -> None:
    raw.publish()
    endpoints.endpoint_file(raw.workspace).chmod(mode)
    assert endpoints.locate(raw.workspace) is None
    assert endpoints.is_untrusted(raw.workspace)


def test_endpoint_is_not_trusted_when_it_is_a_link(raw: RawService, tmp_path: Path) -> None:
    raw.publish()
    real = tmp_path / "elsewhere.json"
    endpoints.endpoint_file(raw.workspace).rename(real)
    endpoints.endpoint_file(raw.workspace).symlink_to(real)
    assert endpoints.locate(raw.workspace) is None
    assert endpoints.is_untrusted(raw.workspace)


def test_locate_does_not_wait_when_the_file_is_a_named_pipe(tmp_path: Path) -> None:
    path = endpoints.endpoint_file(tmp_path)
    path.parent.mkdir()
    os.mkfifo(path, 0o600)
    assert endpoints.locate(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff" * 100, b" " * 1_000_000])
def test_locate_finds_nothing_when_the_file_is_garbage(tmp_path: Path, content: bytes) -> None:
    path = endpoints.endpoint_file(tmp_path)
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert endpoints.locate(tmp_path) is None


def test_create_time_agrees_with_psutil() -> None:
    assert endpoints.create_time(os.getpid()) == pytest.approx(psutil.Process().create_time(), abs=1.0)


def test_locks_are_seen_when_they_are_held_and_stay_free_when_asked(tmp_path: Path) -> None:
    lock = tmp_path / "status" / "guardian.lock"
    assert not endpoints.is_guardian_locked(tmp_path)
    with held(lock):
        assert endpoints.is_guardian_locked(tmp_path)
    assert not endpoints.is_guardian_locked(tmp_path)
    with held(lock):  # asking left nothing behind
        pass
