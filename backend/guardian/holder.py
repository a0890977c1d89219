"""Who holds a lock, and whether that process was halted (SIGSTOP). Linux tells it in /proc; elsewhere nobody knows."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def halted_holder(lock: Path, locks: Path = Path("/proc/locks")) -> int | None:
    """Process that holds this file lock and does nothing because it was halted; None when there is no such."""
    with suppress(OSError, ValueError, IndexError):
        inode = f":{lock.stat().st_ino}"
        for line in locks.read_text(encoding="ascii").splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].endswith(inode) and _is_halted(int(fields[4])):
                return int(fields[4])
    return None


def _is_halted(pid: int) -> bool:
    told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return pid != os.getpid() and told.rpartition(")")[2].split()[0] in "Tt"
