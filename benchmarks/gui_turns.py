"""Turns of the window's event loop, timed from inside: how long each was, what it delivered, what it waited for.

A turn is everything that is delivered between two looks of the loop for more, from its first event to its last. The
watching costs some microseconds an event, and lets Qt's network thread ask for the interpreter's lock.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

WANTED_TURN_MS = 16.0
_BIN_MS, _NUM_BINS, _NUM_LONGEST, _MAX_KEPT = 0.1, 20_000, 10, 1_000
_NAMED_MS = 1.0
"""Events that took less are not worth a name."""
_PROFILED_SECONDS, _LOOK_SECONDS = 0.008, 0.002


@dataclass
class Turn:
    """One turn of the event loop: what it took, and its events that took long."""

    at: float = 0.0
    wall_ms: float = 0.0
    cpu_ms: float = 0.0
    """Of the UI thread itself."""
    queued_ms: float = 0.0
    """It could have run, but other programs had the processors. What is then still missing to wall_ms, it waited for
    a lock, the X server or the disk."""
    did: list[tuple[int, str, float]] = field(default_factory=list)
    """Depth, receiver and event, milliseconds; inner events stand before the one around them."""
    places: Counter[str] = field(default_factory=Counter)
    """Where Python stood, with --profile."""

    def words(self) -> str:
        """The turn in a line."""
        heavy = sorted(self.did, key=lambda event: (event[0], -event[2]))[:4]
        told = ", ".join(f"{'in it ' * (depth > 0)}{name} {ms:.1f}" for depth, name, ms in heavy)
        return told or f"only events under {_NAMED_MS:.0f} ms"

    def heaviest(self) -> str:
        """The innermost event that took half of the turn."""
        heavy = [event for event in self.did if event[2] > self.wall_ms / 2]
        return max(heavy, key=lambda event: event[0])[1] if heavy else "many"


class Watch:
    """Every turn since it was told to begin. Its own memory does not grow with their number."""

    def __init__(self) -> None:
        self._counts = np.zeros(_NUM_BINS, dtype=np.int64)
        self.longest: list[Turn] = []
        self.over: list[Turn] = []
        self.is_counting = False
        self.num_over_by_itself = 0
        """Turns that had been too long on an idle machine too."""
        self.num_events = 0
        self.began_at = 0.0
        self.entered_at: float = 0.0
        """When the running turn began, 0 between turns; the profiler looks at it."""
        self.turn = Turn()
        self._cpu = self._queued = self._left_at = self._left_cpu = self._left_queued = 0.0
        self._depth = 0
        self._schedule = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)

    def begin(self) -> None:
        """Count from the next turn on."""
        self.is_counting, self.began_at = True, time.perf_counter()

    def enter(self) -> float:
        """An event is about to be delivered."""
        now = time.perf_counter()
        if not self.entered_at:
            self.entered_at, self._cpu, self._queued, self.turn = now, time.thread_time(), self._queued_ms(), Turn()
        self._depth += 1
        return now

    def leave(self, entered: float, receiver: Any, event: Any) -> None:
        """It was delivered."""
        self._depth -= 1
        now = time.perf_counter()
        took_ms = (now - entered) * 1000
        if took_ms > _NAMED_MS:
            self.turn.did.append((self._depth, _name(receiver, event), took_ms))
        if self._depth == 0:
            self.num_events += 1
            self._left_at, self._left_cpu, self._left_queued = now, time.thread_time(), self._queued_ms()

    def end_turn(self) -> None:
        """The loop is about to wait, or to look for more."""
        if not self.entered_at or self._depth:
            return
        turn, entered_at = self.turn, self.entered_at
        self.entered_at = 0.0
        if not self.is_counting:
            return
        turn.at = entered_at - self.began_at
        turn.wall_ms = (self._left_at - entered_at) * 1000
        turn.cpu_ms = (self._left_cpu - self._cpu) * 1000
        turn.queued_ms = self._left_queued - self._queued
        self.num_over_by_itself += turn.wall_ms - turn.queued_ms > WANTED_TURN_MS
        self._counts[min(int(turn.wall_ms / _BIN_MS), _NUM_BINS - 1)] += 1
        if len(self.longest) < _NUM_LONGEST or turn.wall_ms > self.longest[-1].wall_ms:
            self.longest = sorted([*self.longest, turn], key=lambda one: -one.wall_ms)[:_NUM_LONGEST]
        if turn.wall_ms > WANTED_TURN_MS and len(self.over) < _MAX_KEPT:
            self.over.append(turn)

    def _queued_ms(self) -> float:
        return int(os.pread(self._schedule, 100, 0).split()[1]) / 1e6

    def percentile(self, share: float) -> float:
        """Upper edge of the bin that holds it."""
        total = np.cumsum(self._counts)
        return float((np.searchsorted(total, total[-1] * share / 100) + 1) * _BIN_MS)

    @property
    def num_turns(self) -> int:
        """All that were counted."""
        return int(self._counts.sum())

    @property
    def num_over(self) -> int:
        """Turns longer than wanted."""
        return int(self._counts[round(WANTED_TURN_MS / _BIN_MS) :].sum())


def _name(receiver: Any, event: Any) -> str:
    """`QueueView Paint`; for a timer or a socket also whose it is."""
    from shiboken6 import isValid

    what = event.type().name if isValid(event) else "?"
    if not isValid(receiver):
        return f"(gone) {what}"
    owner = receiver.parent()
    plain = type(receiver).__name__.startswith("Q") and owner is not None
    name = receiver.objectName()
    who = type(receiver).__name__ + (f" '{name}'" if name else "") + (f" of {type(owner).__name__}" if plain else "")
    return f"{who} {what}"


def make_application(watch: Watch) -> Any:
    """An application that tells the watch of every event and turn."""
    from PySide6.QtCore import QAbstractEventDispatcher, QEvent, QObject
    from PySide6.QtWidgets import QApplication

    ui_thread = threading.get_ident()

    class Application(QApplication):
        def notify(self, receiver: QObject, event: QEvent) -> bool:
            if threading.get_ident() != ui_thread:  # Qt's network has a thread of its own
                return super().notify(receiver, event)
            entered = watch.enter()
            try:
                return super().notify(receiver, event)
            finally:
                watch.leave(entered, receiver, event)

    application = Application(["everstep"])
    application.setQuitOnLastWindowClosed(False)
    dispatcher = QAbstractEventDispatcher.instance()
    dispatcher.aboutToBlock.connect(watch.end_turn)  # after a turn, with the dispatcher of GLib and with Qt's own
    dispatcher.awake.connect(watch.end_turn)
    return application


class Profiler:
    """Looks every 2 ms where the UI thread stands in long turns.

    By a signal, which Python delivers on that very thread between two of its own steps: what Qt does meanwhile counts
    for the step that called it. A thread that looks would fight for the lock.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        signal.signal(signal.SIGALRM, self._look)
        signal.siginterrupt(signal.SIGALRM, False)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)

    def stop(self) -> None:
        """Look no more."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _look(self, _: int, frame: FrameType | None) -> None:
        watch = self._watch
        if not watch.is_counting or not watch.entered_at:
            return
        if time.perf_counter() - watch.entered_at > _PROFILED_SECONDS:
            places = []
            while frame is not None:
                if "/gui/" in frame.f_code.co_filename:
                    places.append(f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}:{frame.f_lineno}")
                frame = frame.f_back
            watch.turn.places[" > ".join(reversed(places[:4])) or "Qt"] += 1
