"""Keeps the stores true to the service: a snapshot when the stream opens, then events.

What happens while the snapshot is fetched waits and is applied after it. `reset`, which also follows when another
database took the place of the one known, starts again.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

from msgspec import Struct
from PySide6.QtCore import QObject, QTimer, Signal

from backend.contract.arguments import HistoryArgs
from backend.contract.errors import ErrorBody
from backend.contract.events import (
    BaseChanged,
    EvaluationDone,
    JobChanged,
    JobRemoved,
    QueueReordered,
    SampleDone,
    ServiceEvent,
    StatusChanged,
    StepDone,
)
from backend.contract.jobs import TERMINAL_STATES
from backend.contract.results import BaseResult, HistoryMarksResult, HistoryResult
from backend.contract.status import EvaluationRow, StatusView
from gui.client.connection_state import ConnectionState
from gui.state.snapshot import HISTORY, Snapshot, SnapshotReader
from gui.state.stores import Stores

_GAP_MS = 1000
"""Missed steps are gathered so long, then asked for together."""
_MARKS_MS = 1000
_RETRY_MS = 2000
_MAX_BUCKETS = 5000
_GATHER_MS = 50
"""What happens to jobs is shown in turns of so long: one act may touch 5,000 of them."""
_SLICE = 50
"""Events applied in one turn of the event loop after a snapshot."""


class _Call(Protocol):
    done: Any
    failed: Any

    def cancel(self) -> None: ...


class _Backend(Protocol):
    """What is used of gui.client.backend.Backend."""

    @property
    def process(self) -> Any: ...
    @property
    def stream(self) -> Any: ...
    def call(self, verb: str, args: Struct | None = None, *, minimal: bool = False) -> Any: ...


class Sync(QObject):
    """The only one that listens to the backend."""

    loaded = Signal()
    """The stores hold everything as it is now."""

    def __init__(self, backend: _Backend, stores: Stores, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._backend = backend
        self._stores = stores
        self._reader: SnapshotReader | None = None
        self._is_loaded = False
        self._waiting: deque[ServiceEvent] = deque()
        self._gap: tuple[int, int] | None = None
        self._is_back = False  # the stream was lost and came back: steps may be missing
        self._range_call: _Call | None = None
        self._gap_timer = self._timer(_GAP_MS, self._fetch_gap)
        self._marks_timer = self._timer(_MARKS_MS, self._fetch_marks)
        self._retry_timer = self._timer(_RETRY_MS, self.reload)
        self._drain_timer = self._timer(0, self._drain)
        stores.queue.gather(_GATHER_MS)
        self._connect_signals()

    @property
    def is_loaded(self) -> bool:
        """Whether the stores were filled once."""
        return self._is_loaded

    def reload(self) -> None:
        """Fetch everything anew."""
        self._retry_timer.stop()
        self._drain_timer.stop()
        if self._reader is not None:
            self._reader.cancel()
        self._gap = None
        self._reader = SnapshotReader(self._backend.call, is_first=not self._is_loaded, parent=self)
        self._reader.first_page.connect(self._stores.queue.load)
        self._reader.done.connect(self._on_snapshot_done)
        self._reader.failed.connect(self._on_snapshot_failed)
        self._reader.start()

    def _timer(self, milliseconds: int, work: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(work)
        return timer

    def _connect_signals(self) -> None:
        backend, metrics = self._backend, self._stores.metrics
        backend.process.state_changed.connect(self._on_connection_changed)
        backend.stream.opened.connect(self._on_stream_opened)
        backend.stream.lost.connect(self._on_stream_lost)
        backend.stream.reset_received.connect(self._on_reset)
        backend.stream.event_received.connect(self._on_event)
        metrics.request_range.connect(self._fetch_range)
        metrics.gap_found.connect(self._on_gap_found)
        state = backend.process.state
        if isinstance(state, ConnectionState):
            self._stores.session.set_connection(state)

    # -- the backend speaks

    def _on_connection_changed(self, state: ConnectionState) -> None:
        self._stores.session.set_connection(state)

    def _on_stream_opened(self) -> None:
        if not self._is_loaded and self._reader is None:
            self.reload()

    def _on_stream_lost(self) -> None:
        self._is_back = True

    def _on_reset(self) -> None:
        self._waiting.clear()
        self.reload()

    def _on_event(self, event: ServiceEvent) -> None:
        if self._reader is not None or self._waiting:
            self._waiting.append(event)
            if self._reader is not None and isinstance(event, JobChanged | JobRemoved | QueueReordered):
                self._reader.disturb()
        elif self._is_loaded or isinstance(event, StatusChanged):
            self._apply(event)

    # -- the snapshot

    def _on_snapshot_done(self, snapshot: Snapshot) -> None:
        self._close_reader()
        stores = self._stores
        stores.queue.load(snapshot.jobs)
        stores.metrics.load(snapshot.history)
        stores.metrics.set_marks(snapshot.marks)
        stores.samples.load(snapshot.samples)
        stores.events.load(snapshot.events)
        stores.notices.load(snapshot.events)
        stores.base.load(snapshot.base, snapshot.lineage)
        self._take_status(snapshot.status)
        self._is_loaded = True
        if len(stores.metrics):
            self._fetch_tail()
        elif snapshot.status.global_step:  # the curve alone could not be had
            self._on_gap_found(1, snapshot.status.global_step)
        self._is_back = False
        self.loaded.emit()
        self._drain()

    def _on_snapshot_failed(self, error: ErrorBody) -> None:
        self._close_reader()
        self._retry_timer.start()  # the stream says when the service is gone; until then, again

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.deleteLater()
        self._reader = None

    def _drain(self) -> None:
        for _ in range(min(_SLICE, len(self._waiting))):
            self._apply(self._waiting.popleft())
        if self._waiting and self._reader is None:
            self._drain_timer.start()

    # -- events

    def _apply(self, event: ServiceEvent) -> None:
        stores = self._stores
        match event:
            case StepDone():
                job = stores.queue.job(event.job_id)
                stores.metrics.append(event, job.file_name if job is not None else "")
            case StatusChanged(status=status):
                self._take_status(status)
            case JobChanged(job=job):
                known = stores.queue.job(job.job_id)
                is_restarted = known is not None and known.restarts != job.restarts
                if is_restarted or (job.state in TERMINAL_STATES and event.cause == job.state):
                    self._marks_soon()
                stores.queue.upsert(job)
            case JobRemoved(job_id=job_id):
                stores.queue.remove(job_id)
            case QueueReordered(job_ids=job_ids):
                stores.queue.reorder(job_ids)
            case BaseChanged(base=base):
                stores.base.set_base(base)
            case EvaluationDone():
                stores.metrics.add_evaluation(_row(event))
            case SampleDone(sample=sample):
                stores.samples.add(sample)
        stores.events.add(event)
        stores.notices.see(event)

    def _take_status(self, status: StatusView) -> None:
        stores, before = self._stores, self._stores.session.status
        if status.job is not None:
            if stores.queue.job(status.job.job_id) is not None:
                stores.queue.upsert(status.job)
            left = status.job.total_steps - status.job.done_steps
            if status.job.eta_seconds is not None and left > 0:
                stores.queue.set_seconds_per_step(status.job.eta_seconds / left)
        stores.queue.set_check_progress(status.check_progress)
        stores.session.set_status(status)
        if not self._is_loaded:
            return
        if before is not None and before.lineage_id != status.lineage_id:
            self._is_back = False
            self._fetch_history()
        elif self._is_back:
            self._is_back = False
            if status.global_step > stores.metrics.newest_step:
                self._on_gap_found(stores.metrics.newest_step + 1, status.global_step)
            self._marks_soon()

    # -- the curve

    def _on_gap_found(self, first: int, last: int) -> None:
        if self._gap is not None:
            first, last = min(first, self._gap[0]), max(last, self._gap[1])
        self._gap = first, last
        if not self._gap_timer.isActive():
            self._gap_timer.start()

    def _fetch_gap(self) -> None:
        if self._gap is None:
            return
        (first, last), self._gap = self._gap, None
        self._ask_history(HistoryArgs(start=first, end=last, buckets=_MAX_BUCKETS), self._stores.metrics.fill)

    def _fetch_range(self, first: int, last: int, buckets: int) -> None:
        if self._range_call is not None:
            self._range_call.cancel()  # only the newest look counts
        args = HistoryArgs(start=max(0, first), end=last, buckets=max(1, min(buckets, _MAX_BUCKETS)))
        self._range_call = self._ask_history(args, self._on_range_done)

    def _on_range_done(self, history: HistoryResult) -> None:
        self._range_call = None
        self._stores.metrics.set_window(history)

    def _fetch_history(self) -> None:
        """Another lineage: another curve."""
        self._gap = None
        self._backend.call("base.show").done.connect(self._on_lineage_told)
        self._ask_history(HISTORY, self._on_history_done)
        self._marks_soon()

    def _on_lineage_told(self, answer: BaseResult) -> None:
        self._stores.base.set_lineage(answer.lineage)

    def _on_history_done(self, history: HistoryResult) -> None:
        self._stores.metrics.load(history)
        self._fetch_tail()

    def _fetch_tail(self) -> None:
        """The newest steps one by one, whatever the length of the whole."""
        tail = self._stores.metrics.thinned_tail
        if tail is not None:
            args = HistoryArgs(start=tail[0], end=tail[1], buckets=_MAX_BUCKETS)
            self._ask_history(args, self._stores.metrics.fill)

    def _ask_history(self, args: HistoryArgs, take: Any) -> Any:
        reply = self._backend.call("history", args)
        reply.done.connect(take)
        return reply

    def _marks_soon(self) -> None:
        if not self._marks_timer.isActive():
            self._marks_timer.start()

    def _fetch_marks(self) -> None:
        reply = self._backend.call("history.marks")
        reply.done.connect(self._on_marks_done)

    def _on_marks_done(self, marks: HistoryMarksResult) -> None:
        self._stores.metrics.set_marks(marks)


def _row(event: EvaluationDone) -> EvaluationRow:
    measured = event.evaluation
    return EvaluationRow(
        step=measured.global_step,
        job_id=measured.job_id,
        validation_id=measured.validation_id,
        validation_loss=measured.validation_loss,
        train_loss=measured.train_loss,
        gap=measured.gap,
        heldout_loss=measured.heldout_loss,
        at=measured.at,
    )
