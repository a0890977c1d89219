"""The trainer's side of its spool folder: numbered events out, the desired state in.

One locked writer numbers the events of all threads. A line is visible to the service as soon as `emit` returns and
durable after `sync`.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from backend.contract.spool import Assignment, Control, Desired, Request, TrainerEvent
from backend.formats.home import Home
from backend.formats.progress import ProgressWriter
from backend.store.durable import Appender

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
POLL_SECONDS = 0.02


class EventLog:
    """Appends TrainerEvents to events.jsonl, numbered from 1, and moves the progress counter."""

    def __init__(self, folder: Path) -> None:
        self.progress = ProgressWriter(folder / "progress.bin")
        self.gives_up: Callable[[], bool] = lambda: False
        """Asked while the disk is full: True ends the waiting with the error."""
        self._path = folder / "events.jsonl"
        self._appender = Appender(self._path)
        self._lock = threading.Lock()
        self._n = 0

    def emit(self, kind: type[TrainerEvent], **fields: Any) -> None:
        """Append one event. On a full disk it waits: an event that happened must not be missing."""
        with self._lock:
            record = msgspec.json.encode(kind(n=self._n + 1, at=time.time(), **fields))
            while True:
                try:
                    self._appender.append(record)
                    break
                except OSError as problem:
                    self._appender.close()
                    if problem.errno not in NO_SPACE or self.gives_up():
                        raise
                    time.sleep(0.2)
                    self._appender = Appender(self._path)  # cuts what was written of the record
            self._n += 1
        self.progress.move()

    def sync(self) -> None:
        """Make every event emitted so far durable."""
        with self._lock:
            self._appender.sync()


class Commands:
    """What is asked of this process: control.json, the workspace's `.stop` file, SIGTERM and SIGINT."""

    def __init__(self, folder: Path, stop_file: Path | None = None) -> None:
        self._path = folder / "control.json"
        self._stop_file = stop_file
        self.home: Home | None = None
        """The workspace's folder, where the process shall end when it was moved away."""
        self._data = b""
        self._control = Control(seq=-1, desired=Desired.RUN)
        self.was_signalled = False
        self._taken_requests: set[str] = set()

    def control(self) -> Control:
        """The newest desired state; the last good one while the file is missing or not ours."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return self._control
        if data != self._data:
            self._data = data
            try:
                control = msgspec.json.decode(data, type=Control)
            except msgspec.MsgspecError:
                return self._control
            if control.seq > self._control.seq:
                self._control = control
        return self._control

    def leaving(self) -> str:
        """Why the process shall end: stop, stop_file, or '' when it shall not. Raises WorkspaceMovedError."""
        if self.home is not None:
            self.home.require_here()
        if self._stop_file is not None and os.path.lexists(self._stop_file):
            return "stop_file"
        return "stop" if self.was_signalled or self.control().desired is Desired.STOP else ""

    def is_paused(self) -> bool:
        """Whether to hold."""
        return self.control().desired is Desired.PAUSE

    def new_requests(self) -> list[Request]:
        """One-shot requests not handed out before; each is handed out once, however long it stays in control.json."""
        new = [request for request in self.control().requests if request.request_id not in self._taken_requests]
        self._taken_requests.update(request.request_id for request in new)
        return new

    def still_wants(self, assignment: Assignment) -> bool:
        """False when the service gave this turn up."""
        wanted = self.control().assignment
        return wanted is not None and (wanted.job_id, wanted.turn) == (assignment.job_id, assignment.turn)
