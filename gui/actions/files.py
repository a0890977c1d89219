"""Add files: slice by slice, so that five thousand of them show progress and can be cancelled.

Paths go to the service as they are, folders too: it copies and checks, and refuses each that cannot be used with a
sentence of its own, also one that vanished meanwhile. The others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from backend.contract.arguments import AddArgs, MoveArgs
from backend.contract.errors import ErrorBody
from backend.contract.jobs import Priority
from backend.contract.results import AddResult, RefusedFile
from gui.actions.errands import Errands
from gui.client.service_client import Reply
from gui.state.wording import count

SLICE = 200


@dataclass
class _Batch:
    """Files of one drop, on their way."""

    paths: deque[str]
    priority: Priority
    before: int | None
    after: int | None
    num_paths: int = 0
    num_sent: int = 0
    num_last: int = 0
    num_jobs: int = 0
    is_cancelled: bool = False
    refused: list[RefusedFile] = field(default_factory=list)


class FileActions(QObject):
    """One batch at a time; the next waits, so that files keep the order they were dropped in."""

    progressed = Signal(int, int)  # paths done, of how many; both 0 when nothing is being added any more
    stopped = Signal(str)
    """A sentence: not all were added, for somebody or something ended it."""
    refused = Signal(list)
    """list[RefusedFile]: what was not added, each with its sentence; the others are."""

    def __init__(self, errands: Errands) -> None:
        super().__init__(errands)
        self._errands = errands
        self._batches: deque[_Batch] = deque()
        self._reply: Reply | None = None

    @property
    def is_adding(self) -> bool:
        """Whether files are on their way."""
        return bool(self._batches)

    def add_files(
        self,
        paths: Sequence[str],
        priority: Priority | str = Priority.NORMAL,
        *,
        before: int | None = None,
        after: int | None = None,
    ) -> None:
        """Queue files and folders; `before` or `after` a job puts them there, in their order."""
        batch = _Batch(deque(), Priority(priority), before, after)
        for path in dict.fromkeys(paths):
            full = str(Path(path).absolute())
            if _can_be_sent(full):
                batch.paths.append(full)
            else:
                message = self.tr("Its name is not valid text. Rename it and add it again.")
                batch.refused.append(RefusedFile(path=_readable(full), code="file_name", message=message))
        batch.num_paths = len(batch.paths)
        self._batches.append(batch)
        if len(self._batches) == 1:
            self._send_next()

    def cancel(self) -> None:
        """Send no more. The slice that was sent already is added."""
        for batch in self._batches:
            batch.is_cancelled = True
        while len(self._batches) > 1:
            self._batches.pop()

    # -- private

    def _send_next(self) -> None:
        batch = self._batches[0]
        if batch.is_cancelled or not batch.paths:
            self._finish(batch)
            return
        if batch.num_paths > SLICE:
            self.progressed.emit(batch.num_sent, batch.num_paths)
        paths = [batch.paths.popleft() for _ in range(min(SLICE, len(batch.paths)))]
        batch.num_sent += len(paths)
        batch.num_last = len(paths)
        # Its words are said when the whole batch is through.
        self._reply = self._errands.ask("add", AddArgs(paths=paths, priority=batch.priority))
        self._reply.done.connect(self._on_added)
        self._reply.failed.connect(self._on_failed)

    def _on_added(self, answer: AddResult) -> None:
        batch = self._batches[0]
        batch.num_jobs += len(answer.jobs)
        batch.refused += answer.refused
        job_ids = [job.job_id for job in answer.jobs]
        if job_ids and (batch.before is not None or batch.after is not None):
            self._errands.change("queue.move", MoveArgs(job_ids=job_ids, before=batch.before, after=batch.after))
            batch.after = None if batch.before is not None else job_ids[-1]
        self._send_next()

    def _on_failed(self, error: ErrorBody) -> None:
        batch = self._batches[0]
        batch.is_cancelled = True  # said already; the rest would fare no better
        batch.num_sent -= batch.num_last
        self._send_next()

    def _finish(self, batch: _Batch) -> None:
        self._batches.popleft()
        self._reply = None
        if batch.num_paths > SLICE:
            self.progressed.emit(0, 0)
        if batch.is_cancelled and batch.num_paths > batch.num_sent:
            words = self.tr("Stopped: {0} files were added, {1} were not.")
            self.stopped.emit(words.format(count(batch.num_jobs), count(batch.num_paths - batch.num_sent)))
        elif batch.num_jobs == 1:
            self._errands.done.emit(self.tr("1 file was added."))
        elif batch.num_jobs > 1:
            self._errands.done.emit(self.tr("{0} files were added.").format(count(batch.num_jobs)))
        if batch.refused:
            self.refused.emit(batch.refused)
        if self._batches:
            self._send_next()


def _can_be_sent(path: str) -> bool:
    """Bytes that are no UTF-8 come as surrogates, which no JSON can carry."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _readable(path: str) -> str:
    return path.encode(errors="replace").decode()
