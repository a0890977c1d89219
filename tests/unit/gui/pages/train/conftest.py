"""What the tests of the Train page share: a queue in each of its groups, and a look at the wishes it emitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, SignalInstance
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from backend.contract.jobs import JobState, JobView, Priority
from gui.state.queue_model import QueueModel
from gui.theme.palette import Look
from tests.fakes.example_session import job

RUNNING, HIGH, FIRST, SECOND, THIRD, LOW, DONE = 1, 2, 3, 4, 5, 6, 7


def example_jobs() -> list[JobView]:
    """One running, one high, three normal, one low, one finished."""
    return [
        job(RUNNING, JobState.TRAINING, done_steps=5),
        job(HIGH, priority=Priority.HIGH, position=0),
        job(FIRST, position=0),
        job(SECOND, position=1),
        job(THIRD, position=2),
        job(LOW, priority=Priority.LOW, position=0),
        job(DONE, JobState.FINISHED),
    ]


@pytest.fixture
def dressed(qapp: QApplication) -> Iterator[Look]:
    """The program's own font and style, in one theme: places are measured in its pixels."""
    look = Look(qapp)
    look.choose("dark")
    look.apply()
    yield look
    look.choose("system")


@pytest.fixture
def queue(qapp: QApplication) -> QueueModel:
    """The example jobs in a model."""
    model = QueueModel()
    model.load(example_jobs())
    return model


def show_in_host(qtbot: QtBot, widget: QWidget, width: int, height: int) -> QWidget:
    """Show a widget inside a window that has no smallest size, which the offscreen platform would complain about."""
    host = QWidget()
    qtbot.addWidget(host)
    widget.setParent(host)
    host.resize(width, height)
    widget.setGeometry(0, 0, width, height)
    widget.show()
    host.show()
    QApplication.processEvents()
    return host


def bury(host: QWidget) -> None:
    """Close a window and delete it now, before the models that it shows."""
    host.close()
    host.deleteLater()
    QCoreApplication.sendPostedEvents(host, QEvent.Type.DeferredDelete)


class Wishes:
    """What signals of an object said: `wishes = Wishes(view, "move_requested")`, then `wishes.said`."""

    def __init__(self, source: Any, *names: str) -> None:
        self.said: list[tuple[Any, ...]] = []
        for name in names:
            self._listen(getattr(source, name), name)

    def _listen(self, signal: SignalInstance, name: str) -> None:
        signal.connect(lambda *values: self.said.append((name, *values)))
