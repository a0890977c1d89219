"""One service a workspace: `status/service.lock`, held until the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from backend.contract.errors import LockedError
from backend.contract.status import Endpoint
from backend.store import durable

_PATIENCE_SECONDS = 1.5
"""Who only asks whether the lock is free holds it for a moment; a service that was killed, until it is reaped."""


def take(path: Path, endpoint_file: Path) -> int:
    """A descriptor that holds the lock. Raises LockedError that names the process which has it."""
    with suppress(FileExistsError):
        durable.write_new(path, b"")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            if time.monotonic() > give_up_at:
                os.close(descriptor)
                raise LockedError(
                    f"Another service{_holder(endpoint_file)} already serves this workspace.",
                    hint="Every verb reaches it from here; `shutdown` ends it.",
                ) from None
        time.sleep(0.05)


def _holder(endpoint_file: Path) -> str:
    try:
        return f" (process {msgspec.json.decode(endpoint_file.read_bytes(), type=Endpoint).pid})"
    except (OSError, msgspec.MsgspecError):
        return ""
