"""How every wish reaches the service, and how what became of it is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from backend.contract.jobs import JobView
from backend.contract.results import Done, UndoResult
from backend.contract.status import StatusView
from gui.client.connection_state import ConnectionState
from gui.client.service_client import Reply
from gui.state.session_store import SessionStore
from gui.state.stores import Stores

Jobs = list[JobView]
Rule = Callable[[SessionStore, Jobs], str]
"""Why it cannot be done now, given the jobs selected, as a sentence; '' when it can."""


class Caller(Protocol):
    """What is used of gui.client.backend.Backend."""

    def call(self, verb: str, args: Struct | None = None, *, minimal: bool = False) -> Reply: ...


class Errands(QObject):
    """Calls verbs. A failure is told as it came, a success by its sentence where it has one."""

    failed = Signal(object)  # ErrorBody
    done = Signal(str)

    def __init__(self, backend: Caller, stores: Stores, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stores = stores
        self._backend = backend

    def change(self, verb: str, args: Struct | None = None, *, said: str = "") -> Reply:
        """A change whose result comes over the event stream; `said` tells it where nothing is to be seen."""
        reply = self._backend.call(verb, args, minimal=True)
        reply.failed.connect(self.failed)
        if said:
            reply.done.connect(lambda _: self.done.emit(said))
        return reply

    def ask(self, verb: str, args: Struct | None = None) -> Reply:
        """A verb whose answer is wanted: words are said, a status is shown."""
        reply = self._backend.call(verb, args)
        reply.failed.connect(self.failed)
        reply.done.connect(self._take)
        return reply

    def fetch(self, verb: str, args: Struct | None = None) -> Reply:
        """A verb whose answer, or failure, is shown by who asked."""
        return self._backend.call(verb, args)

    def _take(self, answer: Any) -> None:
        match answer:
            case StatusView():
                self.stores.session.set_status(answer)
            case Done(done=words) | UndoResult(done=words):
                self.done.emit(words)


def why_unreachable(session: SessionStore, jobs: Jobs) -> str:
    """For wishes that may wait until the service is there, or start it again."""
    if session.connection in (ConnectionState.INCOMPATIBLE, ConnectionState.REFUSED):
        return session.connection.sentence
    return ""


def why_not_live(session: SessionStore, jobs: Jobs) -> str:
    """For wishes about what happens this moment."""
    if session.connection is not ConnectionState.CONNECTED:
        return session.connection.sentence
    return ""
