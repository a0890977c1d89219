"""Finds the service of a workspace, or starts its guardian in the background and waits until it is ready.

Reads `status/endpoint.json` and /proc, starts one detached process, and writes nothing in the workspace.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from backend.cli.client import ask_ready
from backend.contract.errors import BadInputError, ServiceUnavailableError
from backend.contract.status import Endpoint
from backend.formats.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
LINGER_SECONDS = 60
START_SECONDS = 60.0
SILENT_SECONDS = 20.0
_POLL_SECONDS = 0.05
_CREATE_TIME_SLACK_SECONDS = 2.0
_OTHER_GUARDIAN_SECONDS = 1.0


def read_endpoint(workspace: Workspace) -> Endpoint | None:
    """The endpoint file, whether or not somebody still listens there; None when there is none to trust."""
    try:
        with open(workspace.endpoint_file, "rb", opener=_open_own) as file:
            endpoint = msgspec.json.decode(file.read(), type=Endpoint)
        return endpoint if _is_of(endpoint, workspace.root) else None
    except (OSError, msgspec.MsgspecError):
        return None


def _is_of(endpoint: Endpoint, root: Path) -> bool:
    """Whether it was written for this very folder, and where it still is: a copy or a moved one has no service."""
    if not endpoint.workspace_inode:  # written by an older service
        return True
    folder = (endpoint.workspace_device, endpoint.workspace_inode)
    states = [path.stat() for path in (root, Path(endpoint.workspace))]
    return all((state.st_dev, state.st_ino) == folder for state in states)


def _open_own(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        os.close(descriptor)
        raise PermissionError(1, "not ours alone", path)
    return descriptor


def is_alive(endpoint: Endpoint) -> bool:
    """True while the very process that wrote the endpoint file lives (not another one with its number)."""
    if endpoint.boot_id and endpoint.boot_id != boot_id():
        return False
    started = create_time(endpoint.pid)
    return started is not None and abs(started - endpoint.create_time) <= _CREATE_TIME_SLACK_SECONDS


def boot_id() -> str:
    """Name of this boot of the machine; '' where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


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


def locate(workspace: Workspace) -> Endpoint | None:
    """Where the living service of this workspace listens; None when there is none."""
    endpoint = read_endpoint(workspace)
    return endpoint if endpoint is not None and is_alive(endpoint) else None


def ensure(workspace: Workspace, *, tell: Callable[[str], None] = lambda _text: None) -> Endpoint:
    """The endpoint of a service that answers; starts one when there is none.

    Raises ServiceUnavailableError with the reason when it does not get ready. A service that lives but is
    silent is never doubled.
    """
    endpoint = locate(workspace)
    if endpoint is not None:
        if _wait_for_answer(endpoint, workspace):
            return read_endpoint(workspace) or endpoint
        if (still := locate(workspace)) is not None:
            raise ServiceUnavailableError(
                f"The service (process {still.pid}) lives but has been silent for {SILENT_SECONDS:.0f} s.",
                hint="Training is not touched by this. `logs` shows its last lines.",
            )
    _refuse_odd_folder(workspace)
    tell("Starting the service.")
    return _start(workspace)


def wait_until_gone(endpoint: Endpoint, timeout_seconds: float) -> bool:
    """Wait until the process of a service that was told to end is gone; False when it takes longer."""
    give_up_at = time.monotonic() + timeout_seconds
    while is_alive(endpoint):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _wait_for_answer(endpoint: Endpoint, workspace: Workspace) -> bool:
    give_up_at = time.monotonic() + SILENT_SECONDS
    found: Endpoint | None = endpoint
    while found is not None and time.monotonic() < give_up_at:
        if ask_ready(found) is not None:
            return True
        time.sleep(_POLL_SECONDS)
        found = locate(workspace)
    return False


def _refuse_odd_folder(workspace: Workspace) -> None:
    root = workspace.root
    if root.exists() and not root.is_dir():
        raise BadInputError(f"{root} is not a folder.", hint="Name a folder with --workspace DIR.")
    if root.exists() and not os.access(root, os.W_OK | os.X_OK):
        raise BadInputError(f"{root} cannot be written by you.", hint="Name another folder with --workspace DIR.")


def _start(workspace: Workspace) -> Endpoint:
    give_up_at = time.monotonic() + START_SECONDS
    with tempfile.TemporaryFile() as words:
        while time.monotonic() < give_up_at:
            guardian = _spawn(workspace, words)
            endpoint = _wait_for_start(workspace, guardian, give_up_at)
            if endpoint is not None:
                return endpoint
            if guardian.returncode:
                raise ServiceUnavailableError(
                    f"The service could not start. {_last_words(words)}".strip(),
                    hint=f"Its log is in {workspace.logs}.",
                )
            # 0: another guardian was there, and its service ended meanwhile. Now there is room.
        raise ServiceUnavailableError(
            f"The service did not get ready within {START_SECONDS:.0f} s. {_last_words(words)}".strip(),
            hint=f"Its log is in {workspace.logs}.",
        )


def _spawn(workspace: Workspace, words: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _guardian_command(workspace),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=words,
        cwd=ROOT.anchor,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,  # outlives this prompt and its Ctrl-C
    )


def _wait_for_start(workspace: Workspace, guardian: subprocess.Popen[bytes], give_up_at: float) -> Endpoint | None:
    """The endpoint once it answers; None when our guardian has ended and no other one's service came up."""
    alone_until = 0.0
    while time.monotonic() < give_up_at:
        endpoint = locate(workspace)
        if endpoint is not None and ask_ready(endpoint) is not None:
            # It is meant to outlive us; without this Popen warns when it is collected.
            guardian.returncode = guardian.returncode or 0
            return endpoint
        if guardian.poll() is not None:
            alone_until = alone_until or time.monotonic() + _OTHER_GUARDIAN_SECONDS
            if guardian.returncode != 0 or time.monotonic() > alone_until:
                return None
        time.sleep(_POLL_SECONDS)
    if guardian.poll() is None:
        guardian.terminate()
        guardian.wait()
    return None


def _guardian_command(workspace: Workspace) -> list[str]:
    # This interpreter has all that is needed, so main.py and its look at the environment are not gone through again.
    run = "import sys; from backend.guardian.guardian import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-P", "-c", run, "--workspace", str(workspace.root), "--linger", str(LINGER_SECONDS)]


def _last_words(words: IO[bytes]) -> str:
    """What the guardian and the service printed last: an error is one sentence, so a few lines are enough."""
    words.seek(0)
    lines = [line.strip() for line in words.read()[-4000:].decode("utf-8", "replace").splitlines()]
    return " ".join([line for line in lines if line][-3:])
