"""Which process is which: a pid alone is never trusted, because the kernel hands it out again."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CLOCK_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that can be found again without mistaking a stranger for it."""

    pid: int
    create_time: float
    boot_id: str


def boot_id() -> str:
    """Changes with every start of the machine."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return f"boot-{psutil.boot_time():.0f}"


def identify(pid: int) -> ProcessIdentity | None:
    """Identity of a living process; None when there is none (a zombie counts as ended)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, process.create_time(), boot_id())
    except psutil.Error:
        return None


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether this very process still runs."""
    found = identify(identity.pid)
    return (
        found is not None
        and found.boot_id == identity.boot_id
        and abs(found.create_time - identity.create_time) < _CLOCK_TOLERANCE_SECONDS
    )


def find_by_argument(argument: str) -> ProcessIdentity | None:
    """The living process of this user that has `argument` among its command-line words."""
    own = os.getuid()
    for process in psutil.process_iter():
        try:
            if process.uids().real == own and argument in process.cmdline() and process.pid != os.getpid():
                return identify(process.pid)
        except psutil.Error:
            continue
    return None


def has_argument(pid: int, argument: str) -> bool:
    """Whether a process has `argument` among its command-line words."""
    try:
        return argument in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def is_halted(pid: int) -> bool:
    """Whether a process was halted (SIGSTOP) and waits to be let go on."""
    return _status(pid) == str(psutil.STATUS_STOPPED)


def waits_for_disk(pid: int) -> bool:
    """Whether a process is in the kernel, waiting for a device; no signal reaches it there."""
    return _status(pid) == str(psutil.STATUS_DISK_SLEEP)


def _status(pid: int) -> str:
    try:
        return str(psutil.Process(pid).status())
    except psutil.Error:
        return ""


def memory_bytes(pid: int) -> int:
    """Resident memory of a process, 0 when it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


class Watch:
    """Knows the moment a process ends, whoever its parent is. Close it when done."""

    def __init__(self, identity: ProcessIdentity) -> None:
        self._identity = identity
        self._descriptor: int | None = None
        if hasattr(os, "pidfd_open"):
            try:
                self._descriptor = os.pidfd_open(identity.pid)
            except OSError:
                self._descriptor = None
        self._was_alive = is_alive(identity)  # after opening: the descriptor cannot be a later process's

    def has_ended(self) -> bool:
        """Asks the kernel; cheap enough to be called twenty times a second."""
        if not self._was_alive:
            return True
        if self._descriptor is None:
            return not is_alive(self._identity)
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
