"""Where the service of a workspace listens, and which of its processes live. Reads `status/` and /proc, writes nothing.

The endpoint file is believed only when it is ours alone, was written for this very folder, and the very process that
wrote it still lives: folders are copied, pids handed out again, and a port of 127.0.0.1 is whose who asks first.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import msgspec

from backend.contract.status import Endpoint

_CREATE_TIME_SLACK_SECONDS = 2.0
_MAX_BYTES = 64 * 1024


def endpoint_file(workspace: Path) -> Path:
    """The file in which a service says where it listens."""
    return workspace / "status" / "endpoint.json"


def read_endpoint(workspace: Path) -> Endpoint | None:
    """What the endpoint file says, whether or not somebody still listens there; None when there is none to trust."""
    try:
        with open(endpoint_file(workspace), "rb", opener=_open_own) as file:
            endpoint = msgspec.json.decode(file.read(_MAX_BYTES), type=Endpoint)
        return endpoint if _is_of(endpoint, workspace) else None
    except (OSError, msgspec.MsgspecError):
        return None


def _is_of(endpoint: Endpoint, workspace: Path) -> bool:
    """Whether it was written for this very folder, and where it still is: a copy or a moved one has no service."""
    if not endpoint.workspace_inode:  # written by an older service
        return True
    folder = (endpoint.workspace_device, endpoint.workspace_inode)
    states = [path.stat() for path in (workspace, Path(endpoint.workspace))]
    return all((state.st_dev, state.st_ino) == folder for state in states)


def is_untrusted(workspace: Path) -> bool:
    """Whether there is an endpoint file that others could have written or read."""
    try:
        descriptor = _open_own(str(endpoint_file(workspace)), os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    os.close(descriptor)
    return False


def _open_own(path: str, flags: int) -> int:
    # Without O_NONBLOCK a named pipe in its place would hold the window until somebody writes into it.
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(descriptor)
        raise PermissionError(1, "not ours alone", path)
    return descriptor


def locate(workspace: Path) -> Endpoint | None:
    """Where the living service of this workspace listens; None when there is none."""
    endpoint = read_endpoint(workspace)
    if endpoint is None or (endpoint.boot_id and endpoint.boot_id != boot_id()):
        return None
    started = create_time(endpoint.pid)
    if started is None:
        return None
    if abs(started - endpoint.create_time) <= _CREATE_TIME_SLACK_SECONDS:
        return endpoint
    # Times of processes move when the clock is set. The lock tells a service that lives from a stranger with its pid.
    return endpoint if is_service_locked(workspace) else None


def is_service_locked(workspace: Path) -> bool:
    """Whether a service holds this workspace, ready or not."""
    return _is_held(workspace / "status" / "service.lock")


def is_guardian_locked(workspace: Path) -> bool:
    """Whether a guardian cares for this workspace."""
    return _is_held(workspace / "status" / "guardian.lock")


def _is_held(lock: Path) -> bool:
    """Asks by taking the lock for a moment; who wants it for good tries more than once."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_same_process(pid: int, started: float | None) -> bool:
    """Whether the process that had this pid at that time still lives."""
    now = create_time(pid)
    return now is not None and started is not None and abs(now - started) <= _CREATE_TIME_SLACK_SECONDS


def create_time(pid: int) -> float | None:
    """When a process was started, in unix time; None when there is no such process or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    if not fields or fields[0] in "ZX":
        return None
    booted_at = next((float(line.split()[1]) for line in lines if line.startswith("btime")), 0.0)
    return booted_at + float(fields[19]) / os.sysconf("SC_CLK_TCK")


def boot_id() -> str:
    """Name of this boot of the machine; '' where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
