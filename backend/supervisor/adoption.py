"""Finding a trainer again that a service before this one started.

Only processes recorded in this workspace's attempts count. The identity in the attempt's row is tried first; a
service that died between starting the trainer and writing its pid down left no identity, so then the process is
looked for by its spool folder, whose name was never used before.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from backend.machine import processes
from backend.machine.processes import ProcessIdentity

LOCK = "trainer.lock"


def find_living(spool: Path, recorded: ProcessIdentity | None) -> ProcessIdentity | None:
    """The living trainer of this spool, or None. A copy of the workspace records the trainer of the original, which
    neither names the copy's spool nor holds its lock."""
    if recorded is not None and recorded.boot_id == processes.boot_id() and processes.is_alive(recorded):
        if processes.has_argument(recorded.pid, str(spool)) or lock_is_held(spool):
            return recorded
        return None
    return processes.find_by_argument(str(spool))


def lock_is_held(spool: Path) -> bool:
    """Whether somebody holds the trainer's lock of this spool."""
    try:
        descriptor = os.open(spool / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
