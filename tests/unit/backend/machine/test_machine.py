"""The machine: asked, compared with what the system itself says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from backend.machine import disk, probe, processes


def test_probe_finds_what_is_there() -> None:
    machine = probe.probe()
    assert 1 <= machine.physical_cores <= machine.logical_cores
    assert machine.memory_bytes == psutil.virtual_memory().total
    if not Path("/proc/driver/nvidia/version").exists():
        assert machine.gpus == ()


def test_free_bytes_are_the_disk_s(tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    assert disk.free_bytes(tmp_path) == pytest.approx(state.f_bavail * state.f_frsize, rel=0.05)


def test_filesystem_kind_is_that_of_the_nearest_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Partition:
        def __init__(self, mountpoint: str, fstype: str) -> None:
            self.mountpoint, self.fstype = mountpoint, fstype

    inside = tmp_path.resolve() / "share"
    inside.mkdir()
    partitions = [Partition("/", "ext4"), Partition(str(inside), "nfs4"), Partition(str(inside) + "2", "xfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: partitions)  # noqa: A006
    assert disk.filesystem_kind(inside / "not" / "there" / "yet") == "nfs4"
    assert disk.filesystem_kind(tmp_path) == "ext4"


@pytest.mark.parametrize(
    ("kind", "is_network"), [("nfs4", True), ("CIFS", True), ("fuse.sshfs", True), ("ext4", False), ("btrfs", False)]
)
def test_network_filesystems_are_known(kind: str, is_network: bool) -> None:
    assert disk.is_network_filesystem(kind) is is_network


def test_identity_tells_a_process_from_a_later_one_of_its_number() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = processes.identify(child.pid)
    assert identity is not None
    watch = processes.Watch(identity)
    assert processes.is_alive(identity)
    assert not watch.has_ended()
    assert not processes.is_alive(processes.ProcessIdentity(child.pid, identity.create_time - 50, identity.boot_id))
    assert not processes.is_alive(processes.ProcessIdentity(child.pid, identity.create_time, "other boot"))
    child.communicate(b"\n")
    assert watch.has_ended()
    assert not processes.is_alive(identity)
    watch.close()
    watch.close()


def test_process_that_waits_to_be_reaped_counts_as_ended() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.identify(child.pid) is None
    child.wait()


def test_watch_of_a_process_long_gone_says_so() -> None:
    watch = processes.Watch(processes.ProcessIdentity(2**22 - 1, 1.0, processes.boot_id()))
    assert watch.has_ended()
    watch.close()


def test_process_is_found_by_a_word_of_its_command_line() -> None:
    word = "word-that-nobody-else-has"
    assert processes.find_by_argument(word) is None
    child = subprocess.Popen([sys.executable, "-c", "input()", word], stdin=subprocess.PIPE)
    found = processes.find_by_argument(word)
    child.communicate(b"\n")
    assert found is not None
    assert found.pid == child.pid


def test_memory_of_a_process_is_its_resident_size() -> None:
    assert processes.memory_bytes(os.getpid()) > 5_000_000
    assert processes.memory_bytes(2**22 - 1) == 0
