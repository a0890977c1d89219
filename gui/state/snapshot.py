"""Everything a window shows, fetched in pages: the state of the service at one time, near enough.

The queue may change between two pages. Then jobs would be twice or not at all in them: it is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from backend.contract.arguments import EventsArgs, HistoryArgs, QueueListArgs
from backend.contract.errors import ErrorBody, ServiceUnavailableError
from backend.contract.events import AnyServiceEvent
from backend.contract.jobs import JobView
from backend.contract.models import BaseModelView, LineageView
from backend.contract.results import (
    BaseResult,
    EventsResult,
    HistoryMarksResult,
    HistoryResult,
    QueueResult,
    SamplesResult,
)
from backend.contract.status import SampleRow, StatusView

PAGE = 500
_MAX_TRIES = 4
_AWAY = ServiceUnavailableError.status
HISTORY = HistoryArgs(start=0, buckets=4000)
_DETAILS: dict[str, Struct | None] = {
    "base.show": None,
    "history": HISTORY,
    "history.marks": None,
    "samples": None,
    "events": EventsArgs(limit=500),
}
"""What may be missing: one of them that fails leaves its part of the window empty, not the whole."""

Call = Callable[..., Any]


@dataclass
class Snapshot:
    """What the verbs answered."""

    status: StatusView
    jobs: list[JobView] = field(default_factory=list)
    history: HistoryResult = field(default_factory=HistoryResult)
    marks: HistoryMarksResult = field(default_factory=HistoryMarksResult)
    samples: list[SampleRow] = field(default_factory=list)
    events: list[AnyServiceEvent] = field(default_factory=list)
    base: BaseModelView | None = None
    lineage: LineageView | None = None


class SnapshotReader(QObject):
    """One snapshot. `done` or `failed` fires once, neither after `cancel`."""

    done = Signal(object)  # Snapshot
    failed = Signal(object)  # ErrorBody
    first_page = Signal(list)
    """Jobs to be shown at once, on a window that shows none yet."""

    def __init__(self, call: Call, *, is_first: bool, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._call = call
        self._is_first = is_first
        self._answers: dict[str, Any] = {}
        self._jobs: dict[int, JobView] = {}
        self._totals: set[int] = set()
        self._is_disturbed = False
        self._num_tries = 1
        self._replies: list[Any] = []
        self._is_over = False

    def start(self) -> None:
        """Ask for everything. What one sees first is asked first."""
        reply = self._connect("status", None, self._on_answer("status"))
        reply.failed.connect(self._on_failed)
        self._ask_page(0)
        for verb, args in _DETAILS.items():
            reply = self._connect(verb, args, self._on_answer(verb))
            reply.failed.connect(self._on_detail_failed(verb))

    def cancel(self) -> None:
        """Ask no more and say nothing."""
        self._end()
        self.deleteLater()

    def disturb(self) -> None:
        """The queue changed while it was read: its pages may not fit together."""
        self._is_disturbed = True

    def _ask_page(self, offset: int) -> None:
        if offset == 0:
            self._jobs.clear()
            self._totals.clear()
            self._is_disturbed = False
        limit = PAGE if self._num_tries < _MAX_TRIES else None  # what never rests is read in one piece
        args = QueueListArgs(offset=offset, limit=limit)
        reply = self._connect("queue.list", args, lambda page: self._on_page(offset, page))
        reply.failed.connect(self._on_failed)

    def _connect(self, verb: str, args: Struct | None, take: Callable[[Any], None]) -> Any:
        reply = self._call(verb, args)
        self._replies.append(reply)
        reply.done.connect(take)
        return reply

    def _on_page(self, offset: int, page: QueueResult) -> None:
        if self._is_over:
            return
        self._jobs.update((job.job_id, job) for job in page.jobs)
        if offset == 0 and self._is_first:
            self.first_page.emit(page.jobs)
        self._totals.add(page.num_jobs)
        end = offset + len(page.jobs)
        is_one_piece = offset == 0 and (end >= page.num_jobs or len(page.jobs) > PAGE)
        if is_one_piece or self._num_tries >= _MAX_TRIES:
            self._take("queue.list", list(self._jobs.values()))
        elif page.jobs and end < page.num_jobs:
            self._ask_page(end)
        elif self._is_disturbed or self._totals != {len(self._jobs)}:
            self._num_tries += 1
            self._ask_page(0)
        else:
            self._take("queue.list", list(self._jobs.values()))

    def _on_answer(self, verb: str) -> Callable[[Any], None]:
        return lambda answer: self._take(verb, answer)

    def _on_detail_failed(self, verb: str) -> Callable[[ErrorBody], None]:
        return lambda error: self._on_failed(error) if error.status == _AWAY else self._take(verb, None)

    def _take(self, verb: str, answer: Any) -> None:
        if self._is_over:
            return
        self._answers[verb] = answer
        if len(self._answers) == 2 + len(_DETAILS):
            self._is_over = True
            self.done.emit(self._snapshot())

    def _on_failed(self, error: ErrorBody) -> None:
        if not self._is_over:
            self._end()
            self.failed.emit(error)

    def _end(self) -> None:
        self._is_over = True
        for reply in self._replies:
            reply.cancel()

    def _snapshot(self) -> Snapshot:
        answers = self._answers
        return Snapshot(
            status=answers["status"],
            jobs=answers["queue.list"],
            history=answers["history"] or HistoryResult(),
            marks=answers["history.marks"] or HistoryMarksResult(),
            samples=(answers["samples"] or SamplesResult(rows=[])).rows,
            events=(answers["events"] or EventsResult(events=[])).events,
            base=(answers["base.show"] or BaseResult(base=None)).base,
            lineage=(answers["base.show"] or BaseResult(base=None)).lineage,
        )
