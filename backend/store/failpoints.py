"""Named places where a test can make the program die or fail.

Always compiled in; active only where the environment names both a schedule and a folder below which it holds:

    EVERSTEP_FAILPOINTS="durable.folder.before_rename:3:kill,..."   name : n-th hit : action
    EVERSTEP_FAILPOINTS_BELOW=/some/test/folder

Actions: kill (SIGKILL to oneself), hang (sleep for ever), or the name of an errno (ENOSPC, EIO, EROFS ...).
"""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

_HITS: dict[str, int] = {}


def failpoint(name: str, path: Path) -> None:
    """A place called `name`, about to work on `path`. Does nothing outside of tests."""
    schedule = os.environ.get("EVERSTEP_FAILPOINTS")
    if schedule:
        _perhaps_fail(name, path, schedule)


def _perhaps_fail(name: str, path: Path, schedule: str) -> None:
    below = os.environ.get("EVERSTEP_FAILPOINTS_BELOW")
    if not below or not path.absolute().is_relative_to(below):
        return
    _HITS[name] = _HITS.get(name, 0) + 1
    for entry in schedule.split(","):
        wanted, hit, action = entry.split(":")
        if wanted == name and int(hit) == _HITS[name]:
            _act(action, name, path)


def _act(action: str, name: str, path: Path) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if action == "hang":
        while True:
            time.sleep(3600)
    number = getattr(errno, action)
    raise OSError(number, f"failpoint {name}: {os.strerror(number)}", str(path))
