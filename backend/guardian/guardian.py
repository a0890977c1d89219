"""Keeps the service alive. Standard library only, so that little can go wrong in it.

    main.py serve -> guardian -> service -> trainer

One guardian a workspace (`status/guardian.lock`). A second one waits and takes over when the first is gone, also
where a service without guardian holds the workspace. Every child that ends is reaped and written to
`status/ended.json`, among them orphans of a service that died: on Linux they become children of this process.
Safe mode (API up, no training) comes after three starts in a row that ended before `status/ready` was written.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from backend.guardian.holder import halted_holder
from backend.store import durable

CODE_ROOT = Path(__file__).resolve().parents[2]
ON_PURPOSE = (0, 1, 3)
"""Exit codes after which the service stays away: done, done with failures, cannot serve."""
CANNOT_SERVE = 3
STARTS_BEFORE_SAFE_MODE = 3
STARTS_IN_SAFE_MODE = 3
ENDED_KEPT = 200
_PR_SET_CHILD_SUBREAPER = 36
_RESTART_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_TAKE_OVER_POLL_SECONDS = 0.5


def main(argv: Sequence[str]) -> int:
    """Serve a workspace until its service ends on purpose; returns the service's exit code."""
    parser = argparse.ArgumentParser(prog="main.py serve", description="Run the engine on a workspace.")
    parser.add_argument("--workspace", type=Path, default=default_workspace(), help="folder of the project")
    parser.add_argument("--until-idle", action="store_true", help="end when nothing is left to do; 1 if a job failed")
    parser.add_argument("--linger", type=float, metavar="SECONDS", help="end after that long without client or job")
    parser.add_argument("--json", action="store_true", help="tell what happens as one JSON object a line")
    options = parser.parse_args(argv)
    workspace = options.workspace.expanduser().absolute()
    command = [sys.executable, "-P", "-m", "backend.service", "--workspace", str(workspace)]
    command += ["--until-idle"] if options.until_idle else []
    told = ["--tell", "json" if options.json else "text"]
    command += ["--linger", str(options.linger)] if options.linger is not None else told
    return Guardian(workspace, command, waits=options.linger is None).run()


def default_workspace() -> Path:
    """EVERSTEP_WORKSPACE, else the user's data folder."""
    named = os.environ.get("EVERSTEP_WORKSPACE")
    if named:
        return Path(named)
    if sys.platform == "darwin":
        return Path("~/Library/Application Support/everstep/workspace").expanduser()
    data_home = os.environ.get("XDG_DATA_HOME", "").strip() or "~/.local/share"
    return Path(data_home).expanduser() / "everstep" / "workspace"


class Guardian:
    """One workspace, one service at a time."""

    def __init__(self, workspace: Path, command: Sequence[str], *, waits: bool = True) -> None:
        self._status = workspace / "status"
        self._command = list(command)
        self._waits = waits
        self._service: subprocess.Popen[bytes] | None = None
        self._asked_to_end: int | None = None
        self._is_halted = False

    def run(self) -> int:
        """Until the service ends on purpose, or a signal asked both of us to end."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            durable.make_folder(self._status)
            return self._run_alone()
        except OSError as problem:
            _say(f"{self._status.parent} cannot be a workspace: {problem.strerror} ({problem.filename}).")
            _say("Nothing was started. See that it can be written, or name another folder with --workspace DIR.")
            return CANNOT_SERVE

    def _run_alone(self) -> int:
        own = self._take_lock("guardian.lock")
        if own is None:
            return CANNOT_SERVE if self._is_halted else 0
        try:
            free = self._take_lock("service.lock")  # held by a service that lost its guardian
            if free is None:
                return CANNOT_SERVE if self._is_halted else 0
            os.close(free)
            _become_subreaper()
            return self._serve()
        finally:
            os.close(own)

    def _serve(self) -> int:
        early_ends = 0
        while True:
            safe_mode = early_ends >= STARTS_BEFORE_SAFE_MODE
            durable.remove_file(self._status / "ready")
            code = self._run_service(safe_mode=safe_mode)
            if code in ON_PURPOSE or self._asked_to_end is not None:
                return max(code, 0)
            reached_ready = (self._status / "ready").exists()
            early_ends = 0 if reached_ready else early_ends + 1
            if early_ends >= STARTS_BEFORE_SAFE_MODE + STARTS_IN_SAFE_MODE:
                _say("The service does not start, not even without training. The log in logs/ says why.")
                return CANNOT_SERVE
            self._sleep(_RESTART_SECONDS[min(early_ends, len(_RESTART_SECONDS) - 1)])

    def _run_service(self, *, safe_mode: bool) -> int:
        environment = {**os.environ, "PYTHONPATH": str(CODE_ROOT), "EVERSTEP_GUARDIAN": str(os.getpid())}
        more = ["--safe-mode"] if safe_mode else []
        self._service = subprocess.Popen([*self._command, *more], env=environment, cwd=self._status.parent)
        if self._asked_to_end is not None:  # the signal came while it was being started
            self._service.send_signal(self._asked_to_end)
        while True:
            pid, status = os.waitpid(-1, 0)
            code = os.waitstatus_to_exitcode(status)
            is_service = pid == self._service.pid
            self._write_down(pid, code, "service" if is_service else "orphan")
            if is_service:
                self._service.returncode = code
                return code

    def _write_down(self, pid: int, code: int, role: str) -> None:
        entry: dict[str, Any] = {"pid": pid, "code": None if code < 0 else code, "signal": -code if code < 0 else None}
        entry |= {"at": time.time(), "role": role}
        path = self._status / "ended.json"
        ended: list[dict[str, Any]] = []
        with suppress(OSError, ValueError, KeyError):  # no file yet, or not ours: begin anew
            ended = list(json.loads(path.read_bytes())["ended"])
        with suppress(OSError):  # a full disk must not end the guardian
            durable.commit_file(path, json.dumps({"ended": [*ended, entry][-ENDED_KEPT:]}, indent=1).encode())

    def _take_lock(self, name: str) -> int | None:
        """A descriptor that holds the lock; None when it is another's and we do not wait, or were told to end."""
        path = self._status / name
        with suppress(FileExistsError):
            durable.write_new(path, b"")
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        told = False
        while self._asked_to_end is None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except OSError:
                self._tell_halted(path)
                if not self._waits:
                    break
            if not told:
                _say("This workspace is being served already. Waiting to take over; Ctrl-C leaves it as it is.")
                told = True
            self._sleep(_TAKE_OVER_POLL_SECONDS)
        os.close(descriptor)
        return None

    def _tell_halted(self, lock: Path) -> None:
        pid = None if self._is_halted else halted_holder(lock)
        if pid is not None:
            self._is_halted = True
            _say(f"Process {pid} serves this workspace and was halted (SIGSTOP). `kill -CONT {pid}` lets it go on.")

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._asked_to_end is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = number
        if self._service is not None and self._service.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._service.pid, signal.SIGTERM)


def _become_subreaper() -> None:
    """Let orphans of the service become our children, so that their end is known (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _say(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
