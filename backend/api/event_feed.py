"""Server-sent events: what happened, to everyone who listens, without waiting for anyone.

Events of the log are sent with an id `EPOCH-SEQUENCE`; a client that comes back with `Last-Event-ID` gets what it
missed, or `reset` when that is not known any more. Gauges carry no id, and a client that reads slowly gets the
newest one only. A client that falls too far behind is cut off: it comes back and is told to start anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from backend.contract.events import Reset, ServiceEvent, StatusChanged, StepDone
from backend.contract.status import StatusView
from backend.machine.clock import until_set

HEARTBEAT_SECONDS = 10.0
_HEARTBEAT = b": still here\n\n"
_GAUGES = (StepDone, StatusChanged)
_MAX_WAITING = 5000
_REPLAY_PAGE = 500
_MAX_REPLAY = 10_000

Replay = Callable[[int, int], Awaitable[list[tuple[int, ServiceEvent]]]]
Snapshot = Callable[[], Awaitable[tuple[int, StatusView]]]


class _Listener:
    """One client's queue."""

    def __init__(self) -> None:
        self.events: deque[tuple[int, bytes]] = deque()
        self.gauges: dict[type, bytes] = {}
        self.wake = asyncio.Event()
        self.is_lost = False


class EventFeed:
    """Takes events in, hands frames out. All calls on the event loop's thread."""

    def __init__(self, *, epoch: str, replay: Replay, snapshot: Snapshot, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._epoch = epoch
        self._replay = replay
        self._snapshot = snapshot
        self._heartbeat = heartbeat
        self._listeners: set[_Listener] = set()
        self._is_closed = False

    @property
    def num_listeners(self) -> int:
        """Clients that are connected now."""
        return len(self._listeners)

    def publish(self, sequence: int, event: ServiceEvent) -> None:
        """An event of the log was committed under this sequence."""
        if not self._listeners:
            return
        frame = self._frame(event, sequence)
        for listener in self._listeners:
            if len(listener.events) >= _MAX_WAITING:
                listener.is_lost = True
            else:
                listener.events.append((sequence, frame))
            listener.wake.set()

    def publish_gauge(self, event: StepDone | StatusChanged) -> None:
        """A value that is worth nothing once there is a newer one."""
        if not self._listeners:
            return
        frame = self._frame(event, None)
        for listener in self._listeners:
            listener.gauges[type(event)] = frame
            listener.wake.set()

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for listener in self._listeners:
            listener.wake.set()

    async def stream(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        """Frames for one client, until it leaves or the feed is closed."""
        listener = _Listener()
        self._listeners.add(listener)  # before reading the past, so that nothing falls between
        try:
            sequence, status = await self._snapshot()
            missed = await self._missed(last_event_id, sequence)
            if missed is None:
                yield self._frame(Reset(at=time.time(), reason="That id is not known any more."), None)
                missed = []
            for number, event in missed:
                yield self._frame(event, number)
            if not missed:
                yield f"id: {self._epoch}-{sequence}\n".encode() + self._frame(_changed(status), None)
            else:
                sequence = max(sequence, missed[-1][0])
                yield self._frame(_changed(status), None)
            async for frame in self._live(listener, sequence):
                yield frame
        finally:
            self._listeners.discard(listener)

    async def _live(self, listener: _Listener, sent: int) -> AsyncIterator[bytes]:
        while not self._is_closed and not listener.is_lost:
            if not await until_set(listener.wake, self._heartbeat):
                yield _HEARTBEAT
                continue
            listener.wake.clear()
            while listener.events:
                number, frame = listener.events.popleft()
                if number > sent:
                    sent = number
                    yield frame
            gauges, listener.gauges = listener.gauges, {}
            for frame in gauges.values():
                yield frame

    async def _missed(self, last_event_id: str | None, newest: int) -> list[tuple[int, ServiceEvent]] | None:
        """Events after the id; None when the client has to start anew."""
        if not last_event_id:
            return []
        epoch, _, number = last_event_id.rpartition("-")
        if epoch != self._epoch or not number.isdecimal() or not 0 <= newest - int(number) <= _MAX_REPLAY:
            return None
        missed: list[tuple[int, ServiceEvent]] = []
        after = int(number)
        while page := await self._replay(after, _REPLAY_PAGE):
            missed.extend(page)
            after = page[-1][0]
        if missed and missed[0][0] != int(number) + 1:
            return None  # the log does not reach back that far
        return missed

    def _frame(self, event: ServiceEvent, sequence: int | None) -> bytes:
        kind = str(event.__struct_config__.tag)
        head = f"id: {self._epoch}-{sequence}\n" if sequence is not None else ""
        return head.encode() + f"event: {kind}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"


def _changed(status: StatusView) -> StatusChanged:
    return StatusChanged(at=status.updated_at, status=status)
