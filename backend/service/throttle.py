"""Passes on the newest of many values, so often and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class Throttle(Generic[V]):
    """The first value goes out at once, of those that follow within `interval_seconds` only the last."""

    def __init__(self, interval_seconds: float, pass_on: Callable[[V], None]) -> None:
        self._interval_seconds = interval_seconds
        self._pass_on = pass_on
        self._waiting: list[V] = []
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, value: V) -> None:
        """A new value; on the event loop's thread."""
        if self._timer is None:
            self._pass_on(value)
            self._timer = asyncio.get_running_loop().call_later(self._interval_seconds, self._on_timer)
        else:
            self._waiting = [value]

    def _on_timer(self) -> None:
        self._timer = None
        if self._waiting:
            value = self._waiting.pop()
            self.offer(value)
