"""Short-lived children: one task, one folder, one time limit, killed with everything they started when unwanted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from backend.contract.errors import ErrorBody
from backend.store import durable
from backend.supervisor.launcher import child_environment

_PROGRESS_SECONDS = 0.3
_STDERR_BYTES = 8 * 1024

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class ChildEnd:
    """How a child ended."""

    code: int
    stderr: str
    timed_out: bool = False

    @property
    def was_killed(self) -> bool:
        """Whether somebody else ended it, not its own fault and not our time limit."""
        return not self.timed_out and self.code in (-signal.SIGKILL, -signal.SIGTERM)

    def sentence(self, what: str) -> str:
        """Why it did not do its work, for a person."""
        if self.timed_out:
            return f"{what} took too long and was ended."
        if self.code < 0:
            try:
                name = signal.Signals(-self.code).name
            except ValueError:
                name = f"signal {-self.code}"
            return f"{what} was ended by the system ({name})."
        last = self.stderr.strip().splitlines()[-1:] or [f"code {self.code}"]
        return f"{what} failed: {last[0][:300]}"


async def run_child(
    command: Sequence[str],
    request: Struct,
    scratch: Path,
    *,
    timeout_seconds: float,
    online: bool = False,
    on_progress: Progress = lambda _progress: None,
) -> ChildEnd:
    """Run `command REQUEST.json` with an empty working folder; its results are in `scratch / "out"`.

    The request's `out_folder` must be `scratch / "out"`, which is made here. A cancelled call kills the child.
    """
    out, cwd, request_file = scratch / "out", scratch / "cwd", scratch / "request.json"
    durable.make_folder(out)
    durable.make_folder(cwd)
    durable.write_new(request_file, msgspec.json.encode(request))
    child = await asyncio.create_subprocess_exec(
        *command,
        str(request_file),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        env=child_environment(online=online),
        start_new_session=True,
    )
    watching = asyncio.create_task(_watch_progress(out / "progress.json", on_progress), name="child progress")
    try:
        async with asyncio.timeout(timeout_seconds):
            stderr = await _tail_of(child)
            return ChildEnd(code=await child.wait(), stderr=stderr)
    except TimeoutError:
        return ChildEnd(code=-signal.SIGKILL, stderr="", timed_out=True)
    finally:
        watching.cancel()
        await _kill(child)


async def _tail_of(child: asyncio.subprocess.Process) -> str:
    tail = b""
    assert child.stderr is not None
    while chunk := await child.stderr.read(4096):
        tail = (tail + chunk)[-_STDERR_BYTES:]
    return tail.decode("utf-8", "replace")


async def _kill(child: asyncio.subprocess.Process) -> None:
    """The child and all it started; nothing happens when they are gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


async def _watch_progress(path: Path, on_progress: Progress) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        with suppress(OSError, ValueError):
            progress = json.loads(path.read_bytes())
            if isinstance(progress, dict):
                on_progress(progress)


def share(progress: dict[str, Any]) -> float | None:
    """Done bytes of total bytes as 0..1, None when unknown."""
    done, total = progress.get("done_bytes"), progress.get("total_bytes")
    if not isinstance(done, int | float) or not isinstance(total, int | float) or total <= 0:
        return None
    return max(0.0, min(1.0, done / total))


def read_error(out: Path) -> ErrorBody | None:
    """The error a child wrote down before it ended."""
    try:
        return msgspec.json.decode((out / "error.json").read_bytes(), type=ErrorBody)
    except (OSError, msgspec.MsgspecError):
        return None
