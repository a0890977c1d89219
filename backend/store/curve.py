"""The curve of a branch in few points, and what is drawn beside it. Only the newest attempt at a step counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any

from backend.contract.results import HistoryResult
from backend.contract.status import FileSpan, ResumeMark
from backend.store import history
from backend.store.database import Row, Transaction

_STEP = "step, at, tokens, loss, lr, grad_norm, seconds, memory_bytes"
_NEWEST = "SELECT max(attempt_seq), * FROM metrics WHERE branch = ? AND step BETWEEN ? AND ? GROUP BY step"


def points(tx: Transaction, start: int, end: int | None, buckets: int, *, branch: int | None = None) -> HistoryResult:
    """The steps `start` to `end`, both included, in at most `buckets` points."""
    number = history.branch_number(tx, branch)
    first, last = tx.one("SELECT min(step), max(step) FROM metrics WHERE branch = ?", (number,)) or (None, None)
    if first is None or last is None:
        return HistoryResult()
    start, end = max(start, first), last if end is None else min(end, last)
    width = 1
    while end // width - start // width + 1 > buckets:
        width *= 2
    before = tx.one(f"SELECT coalesce(sum(tokens), 0) FROM ({_NEWEST})", (number, 0, start - 1)) or (0,)
    rows = tx.execute(f"SELECT {_STEP} FROM ({_NEWEST}) ORDER BY step", (number, start, end))
    return _together(rows, width, first, last, int(before[0]))


def _together(rows: Sequence[Row], width: int, first: int, last: int, tokens: int) -> HistoryResult:
    result = HistoryResult(first_step=first, last_step=last, steps_per_point=width)
    for _, group in groupby(rows, key=lambda row: row[0] // width):
        steps = list(group)
        losses = _finite(row[3] for row in steps)
        seconds = sum(row[6] for row in steps)
        in_point = sum(row[2] for row in steps)
        tokens += in_point
        result.step.append(steps[-1][0])
        result.at.append(steps[-1][1])
        result.tokens.append(tokens)
        result.loss.append(_mean(losses))
        result.loss_min.append(min(losses, default=None))
        result.loss_max.append(max(losses, default=None))
        result.learning_rate.append(next(iter(_finite([steps[-1][4]])), None))
        result.grad_norm.append(_mean(_finite(row[5] for row in steps)))
        result.tokens_per_second.append(in_point / seconds if seconds > 0 else None)
        result.memory_bytes.append(max(row[7] for row in steps))
    return result


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def files(tx: Transaction, branch: int | None = None) -> list[FileSpan]:
    """Which file took which steps, in order."""
    rows = tx.execute(
        f"SELECT m.step, m.job_id, coalesce(j.file_name, '') FROM ({_NEWEST}) m LEFT JOIN jobs j "
        "ON j.job_id = m.job_id ORDER BY m.step",
        (history.branch_number(tx, branch), 0, 2**62),
    )
    spans = []
    for (job_id, name), group in groupby(rows, key=lambda row: (row[1], row[2])):
        steps = [row[0] for row in group]
        spans.append(FileSpan(job_id=job_id, file_name=name, first_step=steps[0], last_step=steps[-1]))
    return spans


def resumes(tx: Transaction, branch: int | None = None) -> list[ResumeMark]:
    """Where training went on in a new process after one ended unexpectedly."""
    rows = tx.execute(
        "SELECT m.attempt_seq, min(m.step), max(m.step), min(m.at) FROM metrics m WHERE m.branch = ? "
        "GROUP BY m.attempt_seq ORDER BY m.attempt_seq",
        (history.branch_number(tx, branch),),
    )
    marks = []
    reached = 0
    for before, now in pairwise(rows):
        reached = max(reached, before[2])
        reason = _unexpected_end(tx, before[0], now[0])
        if reason:
            marks.append(ResumeMark(step=now[1], at=now[3], reason=reason, num_replayed=max(0, reached - now[1] + 1)))
    return marks


def _unexpected_end(tx: Transaction, since: int, until: int) -> str:
    """How the newest process from `since` to before `until` ended that was not asked to, in words; '' for none."""
    rows: list[Any] = tx.execute(
        "SELECT outcome FROM attempts WHERE attempt_seq >= ? AND attempt_seq < ? ORDER BY attempt_seq DESC",
        (since, until),
    )
    for (outcome,) in rows:
        kind, _, sentence = (outcome or "").partition(": ")
        if kind and kind != "orderly":
            return sentence or kind
    return ""
