"""`progress.bin`: a counter in shared memory that moves while the trainer gets anywhere.

64 bytes, memory-mapped by both sides: uint64 counter, uint64 monotonic nanoseconds of the last move, 32 bytes of
phase name. A torn read is harmless: only whether the counter moved matters, and the next read is right.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import NamedTuple

_SIZE = 64
_LAYOUT = struct.Struct("<QQ32s")


class Progress(NamedTuple):
    """What the file says."""

    counter: int
    moved_at_ns: int
    """time.monotonic_ns() of the writer; comparable on the same boot."""
    phase: str


class ProgressWriter:
    """The trainer's side."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        finally:
            os.close(descriptor)
        self._counter = 0
        self._phase = b""

    def move(self) -> None:
        """Say that something was achieved: a layer, a row, a megabyte."""
        self._counter += 1
        _LAYOUT.pack_into(self._map, 0, self._counter, time.monotonic_ns(), self._phase)

    def enter(self, phase: str) -> None:
        """Name what is being done; counts as a move."""
        self._phase = phase.encode()[:32]
        self.move()


def read_progress(path: Path) -> Progress | None:
    """The service's side; None when there is no file yet."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < _LAYOUT.size:
        return None
    counter, moved_at_ns, phase = _LAYOUT.unpack_from(data)
    return Progress(counter, moved_at_ns, phase.rstrip(b"\0").decode(errors="replace"))
