"""Progress on standard error: a bar in a terminal, a line now and then in a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from backend.cli.printing import terminal

_LINE_SECONDS = 10.0
"""In a pipe the same stage speaks again after this long, and much later when it has nothing new to say."""
_SAME_LINE_SECONDS = 120.0


class Stages:
    """Shows one stage after the other; each has a name, a share done (None: nobody can know) and details."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._stage = ""
        self._line = ""
        self._told_at = 0.0

    def __enter__(self) -> Stages:
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", style="bold"),
                BarColumn(bar_width=28),
                TextColumn("{task.fields[details]}"),
                TimeElapsedColumn(),
                console=terminal(to_stderr=True),
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish(error is None)
        if self._bar is not None:
            self._bar.stop()

    def show(self, stage: str, share: float | None, details: str = "") -> None:
        """The present stage and how far it is, 0 to 1."""
        if self._bar is None:
            self._show_line(stage, share, details)
            return
        if stage != self._stage:
            self._finish(True)
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=None, details="")
        # A stage that comes again goes on in its own line.
        self._stage = stage
        total = None if share is None else 1.0
        self._bar.update(self._tasks[stage], total=total, completed=share or 0.0, details=details)

    def say(self, text: str) -> None:
        """A remark that stays."""
        if self._bar is not None:
            self._bar.console.print(Text(text))
        else:
            print(text, file=sys.stderr, flush=True)

    def _finish(self, well: bool) -> None:
        if self._bar is not None and self._stage in self._tasks and well:
            self._bar.update(self._tasks[self._stage], total=1.0, completed=1.0)

    def _show_line(self, stage: str, share: float | None, details: str) -> None:
        percent = f"{100 * share:.0f} %" if share is not None else ""
        line = "  ".join(part for part in (stage, percent, details) if part)
        quiet_seconds = time.monotonic() - self._told_at
        if stage == self._stage and quiet_seconds < (_SAME_LINE_SECONDS if line == self._line else _LINE_SECONDS):
            return
        self._stage, self._line, self._told_at = stage, line, time.monotonic()
        print(line, file=sys.stderr, flush=True)
