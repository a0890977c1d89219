"""A desktop of our own for the tests: a screen, a window manager, a bus, a notification daemon, a tray; a hand on it.

Everything is started with a path of its own and ended by process number. Nothing of the machine's own desktop is seen.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
PROBED = ROOT / "tests" / "gui" / "probed_window.py"
SOURCE = ROOT / "tests" / "gui" / "drop_source.py"
SCREEN = (1600, 1000)
PAUSE_SECONDS = 0.12
"""Between two moves of the mouse: window managers and Qt both look at the time between them."""

Widget = dict[str, Any]


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The first true answer; fails when there is none in time."""
    give_up_at = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < give_up_at, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.05)
    return found


class Desktop:
    """The screen and who lives on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[Any]] = []
        self._files: list[IO[Any]] = []
        self.tray: subprocess.Popen[Any] | None = None
        for name in ("home", "run", "state", "config", "cache", "data"):
            (folder / name).mkdir(mode=0o700)
        self.environment = {
            **os.environ,
            "DISPLAY": self._start_screen(),
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_DATA_HOME": str(folder / "data"),
            "QT_QPA_PLATFORM": "xcb",
            "QT_LOGGING_RULES": "*.debug=false",
            "PYTHONPATH": str(ROOT),
        }
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = self._start_bus()
        self._start("openbox", "--sm-disable")
        self._start("dunst", "-print", log="dunst.log")
        self.start_tray()
        until(lambda: self.hand("getmouselocation"), "the screen answers")

    def _start_screen(self) -> str:
        reader, writer = os.pipe()
        size = f"{SCREEN[0]}x{SCREEN[1]}x24"
        command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", size, "-nolisten", "tcp", "-noreset"]
        log = self._log("xvfb.log")
        self._processes.append(subprocess.Popen(command, pass_fds=[writer], stdout=log, stderr=log))
        os.close(writer)
        with open(reader, encoding="ascii") as numbers:
            return ":" + numbers.readline().strip()

    def _start_bus(self) -> str:
        command = ["dbus-daemon", "--session", "--nofork", "--print-address=1", "--nopidfile"]
        bus = subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=self._log("bus.log"), text=True
        )
        self._processes.append(bus)
        assert bus.stdout is not None
        self._files.append(bus.stdout)
        return bus.stdout.readline().strip()

    def start_tray(self) -> None:
        """Let there be a tray."""
        self.tray = self._start("trayer", "--edge", "top", "--widthtype", "request", "--heighttype", "pixel")

    def end_tray(self) -> None:
        """Take the tray away."""
        if self.tray is not None:
            self.tray.terminate()
            self.tray.wait(10)
            self.tray = None

    def _start(self, *command: str, log: str = "desktop.log") -> subprocess.Popen[Any]:
        words = self._log(log)
        process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=words, stderr=words
        )
        self._processes.append(process)
        return process

    def _log(self, name: str) -> IO[Any]:
        file = open(self.folder / name, "ab")  # noqa: SIM115 - lives as long as who writes into it
        self._files.append(file)
        return file

    def close(self) -> None:
        """End everybody, the screen last."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for file in self._files:
            file.close()

    def notifications(self) -> str:
        """Everything the notification daemon was told so far."""
        return (self.folder / "dunst.log").read_text(encoding="utf-8", errors="replace")

    # ---- the hand

    def hand(self, *words: object) -> str:
        """One act of mouse or keyboard."""
        done = subprocess.run(
            ["xdotool", *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.hand("key", "--clearmodifiers", key)
            time.sleep(0.05)

    def write(self, text: str) -> None:
        """Type a text."""
        self.hand("type", "--delay", 15, text)

    def click(self, place: Widget, *, button: int = 1) -> None:
        """Click in the middle of it."""
        self.hand("mousemove", *middle(place), "click", button)
        time.sleep(0.05)

    def drag(self, start: tuple[int, int], end: tuple[int, int], *, hover_seconds: float = 0.3) -> None:
        """Take something and let it go elsewhere, in several moves as a hand makes them."""
        self.hand("mousemove", *start)
        time.sleep(PAUSE_SECONDS)
        self.hand("mousedown", 1)
        time.sleep(PAUSE_SECONDS)
        for share in (0.08, 0.3, 0.6, 0.9, 1.0):
            self.hand("mousemove", *(round(a + (b - a) * share) for a, b in zip(start, end, strict=True)))
            time.sleep(PAUSE_SECONDS)
        time.sleep(hover_seconds)
        self.hand("mousemove", end[0] + 1, end[1] + 1)
        time.sleep(PAUSE_SECONDS)
        self.hand("mouseup", 1)
        time.sleep(PAUSE_SECONDS)

    def picture(self, path: Path) -> None:
        """What is on the screen now."""
        program = (
            "import sys; from PySide6.QtGui import QGuiApplication as A; a = A([]); "
            "a.primaryScreen().grabWindow(0).save(sys.argv[1])"
        )
        subprocess.run([sys.executable, "-c", program, str(path)], env=self.environment, timeout=30, check=True)


class OpenWindow:
    """One `main.py gui` on the desktop, seen through its probe."""

    def __init__(self, desktop: Desktop, workspace: Path, *words: str, **variables: str) -> None:
        self.desktop = desktop
        self._socket = desktop.folder / f"probe-{time.monotonic_ns()}"
        self._log = open(desktop.folder / "window.out", "ab")  # noqa: SIM115 - closed with the window
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(PROBED), str(self._socket), "gui", "--workspace", str(workspace), *words],
            env={**desktop.environment, **variables},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def __enter__(self) -> OpenWindow:
        try:
            until(lambda: self.is_shown() or not self.is_running(), "the window is shown")
            assert self.is_running(), (self.desktop.folder / "window.out").read_text(errors="replace")[-2000:]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(20)
        self._log.close()

    def is_shown(self) -> bool:
        """Whether there is a window with its page."""
        return self._socket.exists() and any(widget["class"] == "TrainPage" for widget in self.see())

    def see(self) -> list[Widget]:
        """Every widget on the screen, as it is now; nothing when the window is not there."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(20)
                probe.connect(str(self._socket))
                with probe.makefile("r") as stream:
                    told = stream.read()
        except OSError:
            return []
        return json.loads(told) if told else []

    def find(self, kind: str = "", **seen: str) -> Widget | None:
        """The first widget of a class whose words contain these."""
        for widget in self.see():
            if kind in ("", widget["class"]) and all(words in widget[field] for field, words in seen.items()):
                return widget
        return None

    def the(self, kind: str = "", *, seconds: float = 30.0, **seen: str) -> Widget:
        """As `find`, waited for."""
        found: Widget = until(lambda: self.find(kind, **seen), f"{kind} {seen} is on the screen", seconds)
        return found

    def rows(self) -> list[Widget]:
        """The rows of the queue."""
        view = self.find("QueueView")
        return list(view["rows"]) if view else []

    def row(self, text: str, *, seconds: float = 30.0) -> Widget:
        """The row of a file."""
        found: Widget = until(
            lambda: next((row for row in self.rows() if text in row["text"]), None), f"{text} is in the queue", seconds
        )
        return found

    def is_hidden(self) -> bool:
        """Whether there is no window to be seen (the tray's icon is none)."""
        return self.find("MainWindow") is None

    def activate(self) -> None:
        """Put it in front, as a click on its frame would."""
        number = self.desktop.hand("search", "--onlyvisible", "--pid", self.process.pid).split()
        self.desktop.hand("windowactivate", number[-1])
        until(lambda: (self.find("MainWindow") or {"active": False})["active"], "the window is in front")

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process.poll() is None


def middle(place: Widget) -> tuple[int, int]:
    """The middle of a widget or row on the screen."""
    x, y, width, height = place["rect"]
    return x + width // 2, y + height // 2
