"""What `serve` tells at a terminal: where it serves, each file that starts and ends, goodbye; or one object a line.

Reads events after they were committed, writes to standard output on a thread of its own: a terminal that was halted, or
a pipe nobody reads, holds up nothing but these lines.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from backend.contract.events import JobChanged, Notice, RunStateChanged, ServiceEvent
from backend.contract.jobs import TERMINAL_STATES, JobState, JobView
from backend.contract.status import RunState
from backend.formats.workspace import Workspace

_MOST_WAITING = 1000
_GOODBYE_SECONDS = 2.0
_STARTS = frozenset({JobState.STARTING, JobState.TRAINING, JobState.EVALUATING, JobState.SAVING})
LEAVE = (
    "Ctrl-C saves and ends, the trainer too; the next start goes on where it was. `shutdown` does the same from "
    "elsewhere, `pause` and `stop` hold the training."
)
LEAVE_WHEN_IDLE = "It ends by itself when nothing is left to do. Ctrl-C saves and ends it before that."


class Narrator:
    """Tells in the order things happened; what a slow reader makes it miss is missed."""

    def __init__(self, write: Callable[[str], object] | None = None, *, as_json: bool = False) -> None:
        self._write = write or _to_stdout
        self._as_json = as_json
        self._told: dict[int, str] = {}
        self._lines: queue.Queue[str | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="narration", daemon=True)
        self._thread.start()

    def serving(self, workspace: Workspace, *, pid: int, until_idle: bool) -> None:
        """Before anything else."""
        self._tell(
            "serving",
            [
                f"Serving {workspace.root} (process {pid}).",
                f"Files put into {workspace.inbox} are taken in and trained; `add` does the same.",
                LEAVE_WHEN_IDLE if until_idle else LEAVE,
            ],
            workspace=str(workspace.root),
            inbox=str(workspace.inbox),
            pid=pid,
        )

    def ready(self, sentence: str) -> None:
        """The service answers."""
        self._tell("ready", [f"{_clock()} Ready. {sentence}".rstrip()], sentence=sentence)

    def saw(self, _sequence: int, event: ServiceEvent) -> None:
        """One event, after its commit, on whichever thread committed it."""
        match event:
            case JobChanged(job=job):
                self._saw_job(job)
            case RunStateChanged(run_state=state, cause=cause):
                words = {RunState.RUNNING: "Training may go on", RunState.PAUSED: "Paused", RunState.STOPPED: "Stopped"}
                told = f"{words[RunState(state)]} ({cause})." if cause else f"{words[RunState(state)]}."
                self._tell("run_state", [f"{_clock()} {told}"], run_state=state, cause=cause)
            case Notice(level=level, title=title, message=message) if level != "info":
                self._tell("notice", [f"{_clock()} {title}. {message}"], title=title, message=message)

    def ending(self) -> None:
        """Asked to end, with a trainer at work."""
        sentence = "Saving and ending. Ctrl-C again does not wait for it."
        self._tell("ending", [f"{_clock()} {sentence}"], sentence=sentence)

    def goodbye(self, sentence: str) -> None:
        """The last line; waits a moment until it is written."""
        self._tell("goodbye", [f"{_clock()} {sentence}"], sentence=sentence)
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_GOODBYE_SECONDS)

    def _saw_job(self, job: JobView) -> None:
        kind = _kind(job.state)
        if kind is None or self._told.get(job.job_id) == kind:
            return
        is_news = kind != "waits" or job.job_id in self._told
        self._told[job.job_id] = kind
        if not is_news:
            return
        facts = {"job_id": job.job_id, "file": job.file_name, "state": job.state.value, "reason": job.reason}
        self._tell(
            f"job_{kind}",
            [f"{_clock()} {job.file_name} (job {job.job_id}) {_words(job)}"],
            **facts,
            done_steps=job.done_steps,
            total_steps=job.total_steps,
            loss=job.last_loss,
        )

    def _tell(self, kind: str, sentences: list[str], **facts: Any) -> None:
        lines = [json.dumps({"event": kind, "at": time.time(), **facts})] if self._as_json else sentences
        for line in lines:
            with suppress(queue.Full):
                self._lines.put_nowait(_clean(line))

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more
                self._write(line + "\n")


def _kind(state: JobState) -> str | None:
    if state in _STARTS:
        return "started"
    if state in TERMINAL_STATES:
        return "ended"
    return {JobState.PAUSED: "paused", JobState.BLOCKED: "blocked", JobState.QUEUED: "waits"}.get(state)


def _words(job: JobView) -> str:
    steps = f"{job.done_steps:,} of {job.total_steps:,} steps"
    reason = f": {job.reason.rstrip('.')}." if job.reason else "."
    match job.state:
        case JobState.FINISHED:
            loss = f", loss {job.last_loss:.3f}" if job.last_loss is not None else ""
            return f"finished: {steps}{loss}."
        case JobState.BLOCKED:
            return f"needs you{reason}"
        case JobState.QUEUED:
            return f"waits again after {steps}{reason}"
        case JobState.PAUSED:
            return f"is paused after {steps}{reason}"
        case state if state in TERMINAL_STATES:
            return f"{state.value} after {steps}{reason}"
    return f"goes on after {steps}." if job.done_steps else f"starts: {job.total_steps:,} steps."


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _clean(line: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)


def _to_stdout(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
