"""What the tests of this room share: an event loop that is turned by hand, and a server that says what it is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEventLoop, SignalInstance
from PySide6.QtWidgets import QApplication

from tests.unit.gui.client.raw_service import RawService

PATIENCE_SECONDS = 20.0


@pytest.fixture(autouse=True)
def application() -> QCoreApplication:
    """One a process; the other rooms of the window need one with widgets."""
    return QCoreApplication.instance() or QApplication(["everstep-tests"])


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[RawService]:
    """A server of the workspace `tmp_path / "workspace"`; its endpoint file is not written yet."""
    service = RawService(tmp_path / "workspace")
    yield service
    service.close()


class Heard:
    """What signals said, in order: `heard = Heard(reply, "done", "failed")`."""

    def __init__(self, source: Any, *names: str) -> None:
        self.said: list[tuple[Any, ...]] = []
        for name in names:
            self._listen(getattr(source, name), name)

    def _listen(self, signal: SignalInstance, name: str) -> None:
        signal.connect(lambda *values: self.said.append((name, *values)))

    def names(self) -> list[str]:
        return [said[0] for said in self.said]

    def values(self, name: str) -> list[Any]:
        return [said[1] for said in self.said if said[0] == name]


def wait_until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS, *, what: str = "") -> Any:
    """Turn the event loop until something is true; fails when it does not become true."""
    give_up_at = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {seconds} s in vain{' for ' + what if what else ''}")
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 10)
    return value


def turn(seconds: float) -> None:
    """Turn the event loop for so long: whatever should not happen had its chance."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 10)
