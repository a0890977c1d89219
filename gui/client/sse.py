"""Server-sent events out of bytes that come in any pieces. Pure: no Qt, no time, no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MAX_EVENT_BYTES = 8 * 1024 * 1024


class Frame(NamedTuple):
    """One event as it was on the wire."""

    event_id: str
    """'' when the event carries none."""
    data: bytes | None
    """None when it was too large to be kept."""


class SseParser:
    """Feed bytes, take whole frames; what is not yet an event stays inside, never more than `max_bytes` of it."""

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._line: list[bytes] = []
        """Pieces of a line whose end did not come yet, joined once: a long line costs no more than its length."""
        self._has_line = False
        self._event_id = ""
        self._data: list[bytes] = []
        self._num_bytes = 0
        """Of the event so far."""
        self._is_too_large = False

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """The frames that this piece completes; take them all before the next piece."""
        *whole, rest = piece.split(b"\n")
        for line in whole:
            self._keep(line)
            if self._has_line:
                self._end_line()
            else:
                yield from self._end_event()
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        self._num_bytes += len(piece)
        self._has_line = self._has_line or bool(piece.strip(b"\r"))
        if self._num_bytes > self._max_bytes:
            self._is_too_large = True
            self._line.clear()
            self._data.clear()
        elif piece:
            self._line.append(piece)

    def _end_line(self) -> None:
        field, _, value = b"".join(self._line).removesuffix(b"\r").partition(b":")
        self._line.clear()
        self._has_line = False
        if self._is_too_large:
            return
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"id":
            self._event_id = value.decode("utf-8", "replace")

    def _end_event(self) -> Iterator[Frame]:
        frame = Frame(self._event_id, None if self._is_too_large else b"\n".join(self._data))
        self._line.clear()
        self._data.clear()
        self._event_id, self._num_bytes, self._is_too_large = "", 0, False
        if frame.event_id or frame.data or frame.data is None:
            yield frame
