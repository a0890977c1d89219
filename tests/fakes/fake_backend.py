"""A window's view of a service, without one: answers verbs from a dict, pushes events, plays the connection.

`example_session()` fills it with a believable afternoon of training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from msgspec import Struct
from PySide6.QtCore import QObject, QTimer, Signal

from backend.contract.errors import ErrorBody
from backend.contract.events import ServiceEvent
from backend.contract.results import Done
from tests.fakes.example_session import NOW, Answer, ExampleSession, example_session, job, status

__all__ = ["NOW", "FakeBackend", "FakeReply", "example_session", "job", "status"]


class FakeReply(QObject):
    """Fires once, at the next turn of the event loop, like the real one; `hold` keeps it until `release`."""

    done = Signal(object)
    failed = Signal(object)

    def __init__(self, answer: Struct | ErrorBody | None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._answer = answer
        self.is_cancelled = False
        self.is_over = False

    def cancel(self) -> None:
        """Nothing fires after this."""
        self.is_cancelled = True

    def release(self) -> None:
        """Give the answer now."""
        if self.is_cancelled or self.is_over:
            return
        self.is_over = True
        if isinstance(self._answer, ErrorBody):
            self.failed.emit(self._answer)
        else:
            self.done.emit(self._answer)


class FakeStream(QObject):
    """Events are what the test pushes."""

    event_received = Signal(object)
    opened = Signal()
    lost = Signal()
    reset_received = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.is_open = False

    def open(self) -> None:
        self.is_open = True
        self.opened.emit()

    def close(self) -> None:
        self.is_open = False

    def push(self, *events: ServiceEvent) -> None:
        """Let events arrive."""
        for event in events:
            self.event_received.emit(event)


class FakeProcess(QObject):
    """The service's process as the window sees it."""

    state_changed = Signal(object)
    ready = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state: Any = None
        self.log: list[str] = []

    def become(self, state: Any) -> None:
        """Change the connection's state."""
        self.state = state
        self.state_changed.emit(state)

    def log_tail(self, lines: int) -> list[str]:
        return self.log[-lines:]


class FakeClient(QObject):
    """Answers verbs from `answers`, remembers what was asked in `calls`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.answers: dict[str, Answer] = {}
        self.calls: list[tuple[str, Struct | None]] = []
        self.replies: list[FakeReply] = []
        self.is_holding = False
        """True: replies wait until the test releases them."""

    def call(self, verb: str, args: Struct | None = None, *, minimal: bool = False) -> FakeReply:
        self.calls.append((verb, args))
        answer = self.answers.get(verb, Done(done="Done."))
        if callable(answer):
            answer = cast(Callable[[Any], Struct | ErrorBody | None], answer)(args)
        if minimal and not isinstance(answer, ErrorBody):
            answer = None
        reply = FakeReply(answer, self)
        self.replies.append(reply)
        if not self.is_holding:
            QTimer.singleShot(0, reply, reply.release)
        return reply


class FakeBackend(QObject):
    """What `gui.client.backend.Backend` is to the rooms above."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.process = FakeProcess(self)
        self.client = FakeClient(self)
        self.stream = FakeStream(self)
        self.is_started = False

    @property
    def answers(self) -> dict[str, Answer]:
        return self.client.answers

    @property
    def calls(self) -> list[tuple[str, Struct | None]]:
        return self.client.calls

    def start(self) -> None:
        """The service is there at once."""
        self.is_started = True
        self.stream.open()

    def call(self, verb: str, args: Struct | None = None, *, minimal: bool = False) -> FakeReply:
        return self.client.call(verb, args, minimal=minimal)

    def push(self, *events: ServiceEvent) -> None:
        """Let events arrive."""
        self.stream.push(*events)

    def asked(self, verb: str) -> list[Any]:
        """Arguments of every call of a verb so far."""
        return [args for name, args in self.calls if name == verb]

    def serve(self, session: ExampleSession) -> None:
        """Answer the verbs of a snapshot from an example."""
        self.answers.update(session.answers())
