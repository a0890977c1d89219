"""What the service tells, as Qt signals: one connection that is kept open, and taken up again where it broke off.

`lost` and `opened` come in turns. After `opened` come the events that were missed; where the service does not know
them any more it says so, and `reset_received` asks for everything to be fetched anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtNetwork import QNetworkReply

from backend.contract.events import AnyServiceEvent, Reset
from backend.contract.status import Endpoint
from gui.client.network import make_network, make_request, status_of
from gui.client.sse import Frame, SseParser

SILENT_SECONDS = 30.0
"""The service says something every ten seconds; after three times that nobody is there."""
PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
TURN_SECONDS = 0.008
"""Half a frame: what comes after is read in the next turn of the event loop."""
_PIECE_BYTES = 16 * 1024
_BUFFER_BYTES = 256 * 1024
"""More than this waits in the socket, and so in the service, which throws gauges away."""


class EventStream(QObject):
    """Listens to `/v1/events`. `find` says where the service listens now, None while it does not."""

    event_received = Signal(object)  # AnyServiceEvent
    opened = Signal()
    lost = Signal()
    reset_received = Signal()
    heard = Signal()  # any byte: the service lives

    def __init__(
        self,
        find: Callable[[], Endpoint | None],
        parent: QObject | None = None,
        *,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        super().__init__(parent)
        self._find = find
        self._network = make_network(self)
        self._decoder: msgspec.json.Decoder[AnyServiceEvent] = msgspec.json.Decoder(AnyServiceEvent)
        self._reply: QNetworkReply | None = None
        self._parser = SseParser()
        self._frames: Iterator[Frame] = iter(())
        self._last_id = ""
        self._is_wanted = self._is_open = False
        self._num_failures = 0
        self._again = self._timer(self._connect)
        self._silence = self._timer(self._on_silence, milliseconds=round(silent_seconds * 1000))
        self._next_turn = self._timer(self._read)

    @property
    def is_open(self) -> bool:
        """Whether the service talks to us now."""
        return self._is_open

    @property
    def last_event_id(self) -> str:
        """Id of the newest event that was delivered; '' before the first one."""
        return self._last_id

    def open(self) -> None:
        """Listen from now on."""
        self._is_wanted = True
        self.connect_now()

    def close(self) -> None:
        """Stop listening; nothing is emitted any more."""
        self._is_wanted = self._is_open = False
        self._again.stop()
        self._drop()

    def connect_now(self) -> None:
        """The service is there: do not wait for the pause to end."""
        self._num_failures = 0
        if self._is_wanted and self._reply is None:
            self._again.stop()
            self._connect()

    def _timer(self, slot: Callable[[], None], milliseconds: int = 0) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(slot)
        return timer

    def _connect(self) -> None:
        endpoint = self._find()
        if endpoint is None:
            self._connect_later()
            return
        request = make_request(endpoint, "/v1/events", timeout_ms=0)
        request.setRawHeader(b"Accept", b"text/event-stream")
        if self._last_id:
            request.setRawHeader(b"Last-Event-ID", self._last_id.encode())
        self._parser, self._frames = SseParser(), iter(())
        self._reply = self._network.get(request)
        self._reply.setReadBufferSize(_BUFFER_BYTES)
        self._reply.metaDataChanged.connect(self._on_head)
        self._reply.readyRead.connect(self._on_bytes)
        self._reply.finished.connect(self._on_finished)
        self._silence.start()

    def _connect_later(self) -> None:
        pause = PAUSES_SECONDS[min(self._num_failures, len(PAUSES_SECONDS) - 1)]
        self._num_failures += 1
        self._again.start(round(pause * 1000))

    def _drop(self) -> None:
        self._silence.stop()
        self._next_turn.stop()
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.disconnect(self)
            reply.abort()
            reply.deleteLater()

    def _lose(self) -> None:
        self._drop()
        self._connect_later()
        if self._is_open:
            self._is_open = False
            self.lost.emit()

    def _read(self) -> None:
        """Deliver what came, for one turn at most. Any slot may close or lose the stream meanwhile."""
        reply = self._reply
        give_up_at = time.monotonic() + TURN_SECONDS
        while reply is not None and reply is self._reply:
            frame = next(self._frames, None)
            if frame is not None:
                self._deliver(frame)
            elif reply.bytesAvailable():
                self._frames = self._parser.feed(bytes(reply.read(_PIECE_BYTES).data()))
            else:
                if reply.isFinished():
                    self._lose()
                return
            if time.monotonic() > give_up_at:
                self._next_turn.start()
                return

    def _deliver(self, frame: Frame) -> None:
        epoch_before, epoch = self._last_id.rpartition("-")[0], frame.event_id.rpartition("-")[0]
        event = self._decode(frame.data) if frame.data else None
        if isinstance(event, Reset) or frame.data is None or (epoch and epoch_before and epoch != epoch_before):
            # Also without being told: what is known belongs to another database, or something is missing from it.
            self._last_id = frame.event_id
            self.reset_received.emit()
        if event is not None and not isinstance(event, Reset):
            self.event_received.emit(event)
        if frame.event_id and self._reply is not None:
            self._last_id = frame.event_id

    def _decode(self, data: bytes) -> AnyServiceEvent | None:
        try:
            return self._decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # a kind that only a newer service knows

    def _on_head(self) -> None:
        reply = self._reply
        if reply is None or self._is_open or status_of(reply) != 200:
            return
        kind = bytes(reply.rawHeader("Content-Type").data())
        if kind.partition(b";")[0].strip().lower() != b"text/event-stream":
            self._lose()
            return
        self._is_open = True
        self.opened.emit()

    def _on_bytes(self) -> None:
        self._silence.start()
        if self._is_open:
            self._num_failures = 0
            self.heard.emit()
            if not self._next_turn.isActive():
                self._read()

    def _on_finished(self) -> None:
        if self._is_open and not self._next_turn.isActive():
            self._read()  # loses the stream once everything that came is delivered
        elif not self._is_open:
            self._lose()

    def _on_silence(self) -> None:
        if self._next_turn.isActive():
            self._silence.start()  # it is this window that is slow: enough came, it is not read yet
        else:
            self._lose()
