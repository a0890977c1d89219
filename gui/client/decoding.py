"""Answers decoded without holding up the window."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Raw, Struct
from PySide6.QtCore import QObject, QThreadPool, Signal

MAX_AT_ONCE_BYTES = 1024 * 1024
"""Takes 1 to 2 ms; a queue of 2,000 jobs."""
_BATCH_BYTES = 256 * 1024


class BackgroundDecoder(QObject):
    """Decodes large answers on a thread of its own, one after the other.

    A thread alone would not help: decoding holds the interpreter's lock, and the window needs it too. So it is
    done in pieces, and between them the lock goes to whoever waits. Cutting 30 MB into pieces takes 10 ms, which
    is the longest piece; answers are not larger.
    """

    _decoded = Signal(object, object, object)  # on_done, value, error: crosses to the thread this object lives on

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setObjectName("large answers")
        self._pool.setMaxThreadCount(1)  # two would only take the lock from one another
        self._decoded.connect(self._on_decoded)

    def decode(self, body: bytes, kind: Any, on_done: Callable[[Any, Exception | None], None]) -> None:
        """Call `on_done` with the value, or with None and what was wrong; at once where the body is small."""
        if len(body) <= MAX_AT_ONCE_BYTES:
            try:
                value = msgspec.json.decode(body, type=kind)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
                on_done(None, problem)
                return
            on_done(value, None)
            return
        self._pool.start(lambda: self._work(body, kind, on_done))

    def _work(self, body: bytes, kind: Any, on_done: Callable[[Any, Exception | None], None]) -> None:
        try:
            value, problem = decode_in_pieces(body, kind), None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as found:
            value, problem = None, found
        self._decoded.emit(on_done, value, problem)

    def _on_decoded(self, on_done: Callable[[Any, Exception | None], None], value: Any, problem: Any) -> None:
        on_done(value, problem)


def decode_in_pieces(body: bytes, kind: Any) -> Any:
    """The same as one call of the decoder, with pauses: for structs whose bulk is in lists."""
    if not (isinstance(kind, type) and issubclass(kind, Struct)):
        return msgspec.json.decode(body, type=kind)
    raw = msgspec.json.decode(body, type=dict[str, Raw])
    _let_others_run()
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.encode_name in raw:
            values[field.name] = _decode_field(raw.pop(field.encode_name), field.type)
    return kind(**values)


def _decode_field(raw: Raw, kind: Any) -> Any:
    if get_origin(kind) is not list or len(memoryview(raw)) <= _BATCH_BYTES:
        return msgspec.json.decode(raw, type=kind)
    items = msgspec.json.decode(raw, type=list[Raw])
    _let_others_run()
    decoder = msgspec.json.Decoder(get_args(kind)[0])
    found: list[Any] = []
    num_bytes = 0
    for item in items:
        found.append(decoder.decode(item))
        num_bytes += len(memoryview(item))
        if num_bytes > _BATCH_BYTES:
            num_bytes = 0
            _let_others_run()
    return found


def _let_others_run() -> None:
    time.sleep(0)  # lets go of the interpreter's lock
