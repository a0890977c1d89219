"""Everything a window shows, fetched in pages: the state of the service at one time, near enough.

The queue may change between two pages. Then jobs would be twice or not at all in them: it is asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from msgspec import Struct
from PySide6.QtCore import QObject, Signal

from backend.contract.arguments import EventsArgs, HistoryArgs, QueueListArgs
from backend.contract.errors import ErrorBody
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
_NUM_EVENTS = 500

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

    HISTORY: ClassVar[HistoryArgs] = HistoryArgs(start=0, buckets=4000)

    def __init__(self, call: Call, *, is_first: bool, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._call = call
        self._is_first = is_first
        self._answers: dict[str, Any] = {}
        self._jobs: dict[int, JobView] = {}
        self._num_tries = 1
        self._replies: list[Any] = []
        self._is_over = False

    def start(self) -> None:
        """Ask for everything. What one sees first is asked first."""
        self._ask("status")
        self._ask_page(0)
        self._ask("base.show")
        self._ask("history", self.HISTORY)
        self._ask("history.marks")
        self._ask("samples")
        self._ask("events", EventsArgs(limit=_NUM_EVENTS))

    def cancel(self) -> None:
        """Ask no more and say nothing."""
        self._is_over = True
        for reply in self._replies:
            reply.cancel()
        self.deleteLater()

    def _ask(self, verb: str, args: Struct | None = None) -> None:
        self._connect(verb, args, lambda answer: self._on_answer(verb, answer))

    def _ask_page(self, offset: int) -> None:
        if offset == 0:
            self._jobs.clear()
        args = QueueListArgs(offset=offset, limit=PAGE)
        self._connect("queue.list", args, lambda page: self._on_page(offset, page))

    def _connect(self, verb: str, args: Struct | None, take: Callable[[Any], None]) -> None:
        reply = self._call(verb, args)
        self._replies.append(reply)
        reply.done.connect(take)
        reply.failed.connect(self._on_failed)

    def _on_page(self, offset: int, page: QueueResult) -> None:
        if self._is_over:
            return
        self._jobs.update((job.job_id, job) for job in page.jobs)
        if offset == 0 and self._is_first:
            self.first_page.emit(page.jobs)
        is_whole = page.num_jobs == 0 or len(page.jobs) > PAGE  # a service that knows no pages
        end = offset + len(page.jobs)
        if not is_whole and page.jobs and end < page.num_jobs:
            self._ask_page(end)
        elif not is_whole and len(self._jobs) != page.num_jobs and self._num_tries < _MAX_TRIES:
            self._num_tries += 1
            self._ask_page(0)
        else:
            self._on_answer("queue.list", list(self._jobs.values()))

    def _on_answer(self, verb: str, answer: Any) -> None:
        if self._is_over:
            return
        self._answers[verb] = answer
        if len(self._answers) == 7:
            self._is_over = True
            self.done.emit(self._snapshot())

    def _on_failed(self, error: ErrorBody) -> None:
        if not self._is_over:
            self._is_over = True
            for reply in self._replies:
                reply.cancel()
            self.failed.emit(error)

    def _snapshot(self) -> Snapshot:
        answers = self._answers
        base: BaseResult = answers["base.show"]
        events: EventsResult = answers["events"]
        samples: SamplesResult = answers["samples"]
        return Snapshot(
            status=answers["status"],
            jobs=answers["queue.list"],
            history=answers["history"],
            marks=answers["history.marks"],
            samples=samples.rows,
            events=events.events,
            base=base.base,
            lineage=base.lineage,
        )
