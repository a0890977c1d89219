"""The verbs that read what training left: metrics, curves, events, evaluations, samples, checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from backend.contract.arguments import EventsArgs, HistoryArgs, LogsArgs, MetricsArgs, NoArgs
from backend.contract.results import (
    CheckpointsResult,
    EvaluationsResult,
    EventsResult,
    HistoryMarksResult,
    HistoryResult,
    LogsResult,
    MetricsResult,
    SamplesResult,
)
from backend.service import happenings, logs
from backend.service.desk import Desk
from backend.store import curve, history
from backend.store.database import Transaction
from backend.versions import checkpoints

_MOST_LINES = 10_000


def metrics(desk: Desk, tx: Transaction, args: MetricsArgs) -> MetricsResult:
    rows = history.metrics(tx, args.start, args.end, superseded=args.superseded, limit=max(0, args.limit))
    return MetricsResult(rows=rows)


def points(desk: Desk, tx: Transaction, args: HistoryArgs) -> HistoryResult:
    return curve.points(tx, args.start, args.end, args.buckets)


def marks(desk: Desk, tx: Transaction, args: NoArgs) -> HistoryMarksResult:
    return HistoryMarksResult(files=curve.files(tx), resumes=curve.resumes(tx), evaluations=history.evaluations(tx))


def events(desk: Desk, tx: Transaction, args: EventsArgs) -> EventsResult:
    return EventsResult(events=happenings.newest(tx, args.limit))


def evaluations(desk: Desk, tx: Transaction, args: NoArgs) -> EvaluationsResult:
    return EvaluationsResult(rows=history.evaluations(tx))


def samples(desk: Desk, tx: Transaction, args: NoArgs) -> SamplesResult:
    return SamplesResult(rows=history.samples(tx))


def list_checkpoints(desk: Desk, tx: Transaction, args: NoArgs) -> CheckpointsResult:
    return CheckpointsResult(checkpoints=checkpoints.list_checkpoints(tx))


def newest_log_lines(desk: Desk, tx: Transaction, args: LogsArgs) -> LogsResult:
    return LogsResult(lines=logs.newest_lines(desk.core.workspace.logs, min(args.lines, _MOST_LINES)))


RECORD_READS: dict[str, Callable[[Desk, Transaction, Any], Struct]] = {
    "metrics": metrics,
    "history": points,
    "history.marks": marks,
    "events": events,
    "evaluations": evaluations,
    "samples": samples,
    "checkpoints.list": list_checkpoints,
    "logs": newest_log_lines,
}
