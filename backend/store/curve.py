"""The curve of a branch in few points, and what is drawn beside it. Only the newest attempt at a step counts."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

from backend.contract.results import HistoryResult
from backend.contract.status import FileSpan, ResumeMark
from backend.store import history
from backend.store.pyramid import NEWEST, WIDTHS, finite, grouped
from backend.store.transaction import Transaction

_STEPS = (
    "SELECT step, at, tokens, {loss}, {loss}, {loss}, {lr}, {norm}, "
    "CASE WHEN seconds > 0 THEN tokens / seconds END, memory_bytes FROM ({newest}) ORDER BY step"
).format(loss=finite("loss"), lr=finite("lr"), norm=finite("grad_norm"), newest=NEWEST)
_POINTS = (
    "SELECT last_step, at, tokens, CASE WHEN num_losses > 0 THEN loss_sum / num_losses END, loss_min, loss_max, lr, "
    "CASE WHEN num_grad_norms > 0 THEN grad_norm_sum / num_grad_norms END, "
    "CASE WHEN seconds > 0 THEN tokens / seconds END, memory_bytes FROM ({points}) ORDER BY block"
)


def points(tx: Transaction, start: int, end: int | None, buckets: int, *, branch: int | None = None) -> HistoryResult:
    """The steps `start` to `end`, both included, in at most `buckets` points.

    Points stand for 1, 2, 4 .. steps and begin at multiples of that, so that they stay what they are while the range
    moves; the first and the last may reach out of the range a little.
    """
    number = history.branch_number(tx, branch)
    first, last = _ends(tx, number)
    if last is None or first is None:
        return HistoryResult()
    start, end = max(start, first), last if end is None else min(end, last)
    if end < start:
        return HistoryResult(first_step=first, last_step=last)
    width = 1
    while end // width - start // width + 1 > buckets:
        width *= 2
    start, end = start // width * width, end // width * width + width - 1
    bounds = {"branch": number, "width": width, "first": start, "last": end}
    rows = tx.execute(_sql(width), bounds)
    step, at, tokens, *others = zip(*rows, strict=True) if rows else ((),) * 10
    loss, loss_min, loss_max, learning_rate, grad_norm, tokens_per_second, memory_bytes = map(list, others)
    return HistoryResult(
        first_step=first,
        last_step=last,
        steps_per_point=width,
        step=list(step),
        at=list(at),
        tokens=list(accumulate(tokens, initial=_tokens_before(tx, number, start)))[1:],
        loss=loss,
        loss_min=loss_min,
        loss_max=loss_max,
        learning_rate=learning_rate,
        grad_norm=grad_norm,
        tokens_per_second=tokens_per_second,
        memory_bytes=memory_bytes,
    )


def _sql(width: int) -> str:
    """From the coarsest blocks that fit into points of `width` steps."""
    if width == 1:
        return _STEPS
    return _POINTS.format(points=grouped(max((known for known in WIDTHS if known <= width), default=1)))


def _ends(tx: Transaction, branch: int) -> tuple[int | None, int | None]:
    row = tx.one(  # two questions: each is answered from one end of the index
        "SELECT (SELECT min(step) FROM metrics WHERE branch = :branch AND is_superseded = 0), "
        "(SELECT max(step) FROM metrics WHERE branch = :branch AND is_superseded = 0)",
        {"branch": branch},
    )
    return (row[0], row[1]) if row else (None, None)


def _tokens_before(tx: Transaction, branch: int, step: int) -> int:
    """Tokens of all steps before this one: whole blocks first, the largest that fit."""
    total, done = 0, 0
    for width in reversed(WIDTHS):
        row = tx.one(
            "SELECT coalesce(sum(tokens), 0) FROM curve WHERE branch = ? AND width = ? AND block >= ? AND block < ?",
            (branch, width, done // width, step // width),
        )
        total, done = total + (row[0] if row else 0), step // width * width
    bounds = {"branch": branch, "first": done, "last": step - 1}
    row = tx.one(f"SELECT coalesce(sum(tokens), 0) FROM ({NEWEST})", bounds)
    return int(total + (row[0] if row else 0))


def files(tx: Transaction, branch: int | None = None) -> list[FileSpan]:
    """Which file took which steps, in order."""
    rows = tx.execute(
        "SELECT s.job_id, coalesce(j.file_name, ''), s.first_step, s.last_step FROM job_spans s "
        "LEFT JOIN jobs j ON j.job_id = s.job_id WHERE s.branch = ? ORDER BY s.first_step",
        (history.branch_number(tx, branch),),
    )
    spans: list[FileSpan] = []
    for job_id, name, first, last in rows:
        if spans and spans[-1].job_id == job_id:  # what lay between was trained again
            first = spans.pop().first_step
        spans.append(FileSpan(job_id=job_id, file_name=name, first_step=first, last_step=last))
    return spans


def resumes(tx: Transaction, branch: int | None = None) -> list[ResumeMark]:
    """Where training went on in a new process after one ended unexpectedly."""
    rows = tx.execute(
        "SELECT attempt_seq, first_step, last_step, first_at FROM attempt_spans WHERE branch = ? ORDER BY attempt_seq",
        (history.branch_number(tx, branch),),
    )
    marks = []
    reached = 0
    for before, now in pairwise(rows):
        reached = max(reached, before[2])
        reason = _unexpected_end(tx, before[0], now[0])
        if reason:
            replayed = max(0, reached - now[1] + 1)
            marks.append(ResumeMark(step=now[1], at=now[3], reason=reason, num_replayed=replayed))
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
