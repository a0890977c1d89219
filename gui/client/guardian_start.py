"""Starts the guardian of a workspace as a process of its own, and hears its last words.

It outlives this window: its own session, no descriptor of ours, no signal that we ignore ignored there too. Its
error output goes to a file in the system's temporary folder, whose name is taken away once the service is ready.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QDir, QIODevice, QProcess, QProcessEnvironment, QTemporaryFile

from gui.client.endpoint import create_time, is_same_process
from gui.client.environment import child_environment

ROOT = Path(__file__).resolve().parents[2]
LINGER_SECONDS = 60
"""A service that nobody listens to and that has nothing to do leaves after this."""
_WORDS_BYTES = 4000


def guardian_command(workspace: Path) -> list[str]:
    """This interpreter has all that is needed, so main.py and its look at the environment are not gone through."""
    run = "import sys; from backend.guardian.guardian import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-P", "-c", run, "--workspace", str(workspace), "--linger", str(LINGER_SECONDS)]


class StartedGuardian:
    """One guardian that this window started. Nobody waits for it: it belongs to the system from the start."""

    def __init__(self, command: Sequence[str]) -> None:
        self._words = QTemporaryFile(QDir.tempPath() + "/everstep-start-XXXXXX")
        self._problem = ""
        self.pid = 0
        self._create_time: float | None = None
        if self._words.open():
            self._start(command)
        else:
            self._problem = self._words.errorString()

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.pid > 0 and is_same_process(self.pid, self._create_time)

    def last_words(self) -> str:
        """What it and its service printed last: an error is one sentence, so a few lines are enough."""
        if self._problem:
            return self._problem
        length = self._words.size()
        self._words.seek(max(0, length - _WORDS_BYTES))
        text = bytes(self._words.readAll().data()).decode("utf-8", "replace")
        return " ".join([line.strip() for line in text.splitlines() if line.strip()][-3:])

    def forget_words(self) -> None:
        """It came up well: what it prints from now on needs no name."""
        self._words.remove()

    def _start(self, command: Sequence[str]) -> None:
        process = QProcess()
        process.setProgram(command[0])
        process.setArguments(list(command[1:]))
        process.setWorkingDirectory(ROOT.anchor)
        process.setProcessEnvironment(_environment())
        process.setStandardInputFile(QProcess.nullDevice())
        process.setStandardOutputFile(QProcess.nullDevice())
        process.setStandardErrorFile(self._words.fileName(), QIODevice.OpenModeFlag.Append)
        flags = QProcess.UnixProcessFlag
        parameters = QProcess.UnixProcessParameters()
        parameters.flags = flags.ResetSignalHandlers | flags.CloseFileDescriptors
        process.setUnixProcessParameters(parameters)
        # What the binding returns is declared as (bool, pid), and is the bool alone.
        if process.startDetached():
            self.pid, self._create_time = _find_by_errors(self._words.fileName())
        else:
            self._problem = process.errorString()


def _find_by_errors(name: str) -> tuple[int, float | None]:
    """The oldest process whose error output is this file; 0 when it has ended already."""
    wanted = Path(name).stat()
    found: list[tuple[float, int]] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            seen = (folder / "fd" / "2").stat()
            if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                pid = int(folder.name)
                if (started := create_time(pid)) is not None:
                    found.append((started, pid))
    return (min(found)[1], min(found)[0]) if found else (0, None)


def _environment() -> QProcessEnvironment:
    environment = QProcessEnvironment()
    for name, value in child_environment(os.environ, PYTHONPATH=str(ROOT)).items():
        environment.insert(name, value)
    return environment
