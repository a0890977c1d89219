"""A screen of our own for measurements of the window: X server, window manager, folders, and a hand on it.

There is no bus and no tray on it: what these do costs their own processes, not the window. Everything is started with
a path of its own below the folder given and ended with the context.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.gui_chart import virtual_screen
from benchmarks.proof import ROOT, wait_until


@contextmanager
def desktop(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of programs that live on it."""
    for name in ("home", "run", "state", "config", "cache", "data"):
        (folder / name).mkdir(mode=0o700)
    with virtual_screen() as display:
        environment = {
            **os.environ,
            "DISPLAY": display,
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "data"),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder / 'run' / 'bus'}",
            "QT_QPA_PLATFORM": "xcb",
            "QT_SCALE_FACTOR": "1",
            "PYTHONPATH": str(ROOT),
        }
        words = subprocess.DEVNULL
        with subprocess.Popen(["openbox", "--sm-disable"], env=environment, stdout=words, stderr=words) as manager:
            try:
                yield environment
            finally:
                manager.terminate()


def hand(environment: Mapping[str, str], *words: object) -> str:
    """One act of mouse or keyboard, or a question about the windows."""
    done = subprocess.run(
        ["xdotool", *map(str, words)], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout


def window_of(environment: Mapping[str, str], pid: int, seconds: float = 60.0) -> str:
    """The number of the largest window of a process, once it is on the screen."""

    def found() -> str:
        numbers = hand(environment, "search", "--onlyvisible", "--pid", pid).split()
        return max(numbers, key=lambda number: _width(environment, number), default="")

    number: str = wait_until(found, seconds, f"a window of process {pid} is on the screen", pause_seconds=0.2)
    return number


def settle(seconds: float) -> None:
    """Let what was asked of the desktop come to rest: it tells nobody when it has."""
    time.sleep(seconds)


def _width(environment: Mapping[str, str], number: str) -> int:
    told = hand(environment, "getwindowgeometry", "--shell", number)
    lines = [line.partition("=") for line in told.splitlines()]
    return next((int(value) for name, _, value in lines if name == "WIDTH"), 0)
