"""What the tests of this room share: Qt without a screen, a session in the middle of training, what was said."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from pytestqt.qtbot import QtBot

from backend.contract.errors import ErrorBody
from gui.actions.registry import Actions
from gui.client.connection_state import ConnectionState
from gui.state.stores import Stores
from gui.state.sync import Sync
from tests.fakes.fake_backend import FakeBackend, example_session


class Desk:
    """A window's engine room without a window."""

    def __init__(self) -> None:
        self.backend = FakeBackend()
        self.backend.serve(example_session(1000))
        self.stores = Stores()
        self.sync = Sync(self.backend, self.stores)
        self.actions = Actions(self.backend, self.stores)
        self.said: list[str] = []
        self.stopped: list[str] = []
        self.errors: list[ErrorBody] = []
        self.actions.done.connect(self.said.append)
        self.actions.files.stopped.connect(self.stopped.append)
        self.actions.failed.connect(self.errors.append)

    def asked(self, verb: str) -> list[Any]:
        return self.backend.asked(verb)


@pytest.fixture
def desk(qtbot: QtBot) -> Desk:
    made = Desk()
    made.backend.process.become(ConnectionState.CONNECTED)
    with qtbot.waitSignal(made.sync.loaded):
        made.backend.start()
    return made
