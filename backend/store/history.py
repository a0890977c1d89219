"""What training told: metrics by step, evaluations, samples.

Keyed (branch, attempt, step). A step that a later attempt replayed is superseded, never overwritten; so is everything
beyond the head where training goes on before it (`supersede`). These tables are not in the journal: they come back
from the spool files.
"""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

from backend.contract.spool import Evaluated, Sampled, Step
from backend.contract.status import EvaluationRow, MetricRow, SampleRow
from backend.store import meta, pyramid
from backend.store.transaction import Transaction

_METRIC = (
    "m.step, m.loss, m.loss_hex, coalesce(j.file_name, ''), m.lr, m.tokens, m.grad_norm, m.seconds, m.attempt_seq, "
    "m.job_id, m.supervised_tokens, m.rows_sha256"
)
_EVALUATION = "step, job_id, validation_id, validation_loss, train_loss, gap, heldout_loss, at"
# SQLite takes the other columns of a group from the row that has the maximum: the newest attempt of each step.
_NEWEST = (
    "SELECT max(attempt_seq), * FROM metrics WHERE branch = ? AND step BETWEEN ? AND ? AND is_superseded = 0 "
    "GROUP BY step"
)
_TABLES = ("metrics", "evaluations", "samples")
_EVERY = "SELECT attempt_seq, * FROM metrics WHERE branch = ? AND step BETWEEN ? AND ?"
_LAST_STEP = 2**62
_CUTS = "superseded"
"""In meta: [branch, step, attempt] of every cut; what attempts up to this one told of later steps does not count."""


def rows_sha256(rows: list[int]) -> str:
    """Fingerprint of the row ids a step trained on, in order."""
    return hashlib.sha256(struct.pack(f"<{len(rows)}Q", *rows)).hexdigest()


def add_step(tx: Transaction, branch: int, attempt_seq: int, step: Step) -> bool:
    """Record a step; False and no change when it is there already."""
    row = {
        "branch": branch,
        "step": step.global_step,
        "attempt_seq": attempt_seq,
        "job_id": step.job_id,
        "job_step": step.job_step,
        "loss": step.loss,
        "loss_hex": step.loss_hex,
        "lr": step.learning_rate,
        "grad_norm": step.grad_norm,
        "tokens": step.num_tokens,
        "supervised_tokens": step.num_supervised,
        "micro_batches": step.num_micro_batches,
        "seconds": step.seconds,
        "rows_sha256": rows_sha256(step.rows),
        "memory_bytes": step.memory_bytes,
        "at": step.at,
        "is_superseded": _is_superseded(tx, branch, attempt_seq, step.global_step),
    }
    is_new = _insert(tx, "metrics", row)
    if is_new:
        pyramid.note_step(tx, branch, attempt_seq, step)
    return is_new


def replay_differs(tx: Transaction, branch: int, attempt_seq: int, step: Step) -> str | None:
    """The `loss_hex` an older attempt had at this step with the same rows of the same job, when it is not the same;
    else None."""
    row = tx.one(
        "SELECT loss_hex FROM metrics WHERE branch = ? AND step = ? AND attempt_seq < ? AND rows_sha256 = ? "
        "AND is_superseded = 0 AND job_id = ? ORDER BY attempt_seq DESC LIMIT 1",
        (branch, step.global_step, attempt_seq, rows_sha256(step.rows), step.job_id),
    )
    return str(row[0]) if row and row[0] != step.loss_hex else None


def metrics(
    tx: Transaction,
    start: int = 0,
    end: int | None = None,
    *,
    superseded: bool = False,
    limit: int = 1_000_000,
    branch: int | None = None,
) -> list[MetricRow]:
    """Rows by step from `start` to `end` (both included), the newest attempt of each step (`superseded`: all).

    At most the newest `limit`. `branch` None is the current lineage's.
    """
    last = _LAST_STEP if end is None else end
    rows = tx.execute(
        f"SELECT {_METRIC} FROM ({_EVERY if superseded else _NEWEST}) m LEFT JOIN jobs j ON j.job_id = m.job_id "
        "ORDER BY m.step DESC, m.attempt_seq DESC LIMIT ?",
        (branch_number(tx, branch), start, last, limit),
    )
    return [_metric(row) for row in reversed(rows)]


def last_step(tx: Transaction, branch: int | None = None) -> MetricRow | None:
    """The highest step of the branch."""
    row = tx.one(
        f"SELECT {_METRIC} FROM metrics m LEFT JOIN jobs j ON j.job_id = m.job_id WHERE m.branch = ? "
        "AND m.is_superseded = 0 ORDER BY m.step DESC, m.attempt_seq DESC LIMIT 1",
        (branch_number(tx, branch),),
    )
    return _metric(row) if row else None


def add_evaluation(tx: Transaction, branch: int, attempt_seq: int, evaluated: Evaluated) -> bool:
    """Record an evaluation; False when it is there already."""
    row = {
        "branch": branch,
        "step": evaluated.global_step,
        "attempt_seq": attempt_seq,
        "n": evaluated.n,
        "job_id": evaluated.job_id,
        "validation_id": evaluated.validation_id,
        "validation_loss": evaluated.validation_loss,
        "validation_example_loss": evaluated.validation_example_loss,
        "train_loss": evaluated.train_loss,
        "gap": evaluated.gap,
        "heldout_loss": evaluated.heldout_loss,
        "seconds": evaluated.seconds,
        "request_id": evaluated.request_id,
        "at": evaluated.at,
        "is_superseded": _is_superseded(tx, branch, attempt_seq, evaluated.global_step),
    }
    return _insert(tx, "evaluations", row)


def evaluations(tx: Transaction, branch: int | None = None) -> list[EvaluationRow]:
    """Evaluations by step."""
    rows = tx.execute(
        f"SELECT {_EVALUATION} FROM evaluations WHERE branch = ? AND is_superseded = 0 ORDER BY step, attempt_seq, n",
        (branch_number(tx, branch),),
    )
    return [_evaluation(row) for row in rows]


def last_evaluation(tx: Transaction, branch: int | None = None) -> EvaluationRow | None:
    """The evaluation recorded last."""
    row = tx.one(
        f"SELECT {_EVALUATION} FROM evaluations WHERE branch = ? AND is_superseded = 0 "
        "ORDER BY attempt_seq DESC, n DESC LIMIT 1",
        (branch_number(tx, branch),),
    )
    return _evaluation(row) if row else None


def add_sampled(tx: Transaction, branch: int, attempt_seq: int, sampled: Sampled) -> bool:
    """Record samples; False when they are there already."""
    is_new = False
    is_superseded = _is_superseded(tx, branch, attempt_seq, sampled.global_step)
    for place, sample in enumerate(sampled.samples):
        row = {
            "branch": branch,
            "step": sampled.global_step,
            "attempt_seq": attempt_seq,
            "n": sampled.n,
            "place": place,
            "job_id": sampled.job_id,
            "prompt": sample.prompt,
            "text": sample.text,
            "has_think_tag": sample.has_think_tag,
            "think_tag_percent": sampled.think_tag_percent,
            "request_id": sampled.request_id,
            "at": sampled.at,
            "is_superseded": is_superseded,
        }
        is_new |= _insert(tx, "samples", row)
    return is_new


def samples(tx: Transaction, branch: int | None = None) -> list[SampleRow]:
    """Samples by step."""
    rows = tx.execute(
        "SELECT step, job_id, prompt, text, has_think_tag, at FROM samples WHERE branch = ? "
        "AND is_superseded = 0 ORDER BY step, attempt_seq, n, place",
        (branch_number(tx, branch),),
    )
    return [
        SampleRow(step=step, job_id=job_id, prompt=prompt, text=text, has_think_tag=bool(has_tag), at=at)
        for step, job_id, prompt, text, has_tag, at in rows
    ]


def last_sample_step(tx: Transaction, branch: int | None = None) -> int:
    """Global step of the samples recorded last; -1 without any."""
    row = _last_sampled(tx, branch)
    return int(row[0]) if row else -1


def last_think_tag_percent(tx: Transaction, branch: int | None = None) -> float | None:
    """Think-tag share of the samples recorded last."""
    row = _last_sampled(tx, branch)
    return row[1] if row else None


def _last_sampled(tx: Transaction, branch: int | None) -> tuple[Any, ...] | None:
    return tx.one(
        "SELECT step, think_tag_percent FROM samples WHERE branch = ? AND is_superseded = 0 "
        "ORDER BY attempt_seq DESC, n DESC LIMIT 1",
        (branch_number(tx, branch),),
    )


def supersede(tx: Transaction, branch: int, after_step: int) -> None:
    """Training goes on after `after_step`: what was told of later steps stays on record and no longer counts."""
    union = " UNION ALL ".join(
        f"SELECT attempt_seq FROM {table} WHERE branch = :branch AND step > :step AND is_superseded = 0"
        for table in _TABLES
    )
    row = tx.one(f"SELECT max(attempt_seq) FROM ({union})", {"branch": branch, "step": after_step})
    if row is None or row[0] is None:
        return
    cuts = [*_cuts(tx), [branch, after_step, int(row[0])]]
    meta.set(tx, _CUTS, json.dumps(cuts))
    for table in _TABLES:
        tx.execute(f"UPDATE {table} SET is_superseded = 1 WHERE branch = ? AND step > ?", (branch, after_step))
    pyramid.cut(tx, branch, after_step)


def _cuts(tx: Transaction) -> list[list[int]]:
    cuts: list[list[int]] = json.loads(meta.get(tx, _CUTS) or "[]")
    return cuts


def _is_superseded(tx: Transaction, branch: int, attempt_seq: int, step: int) -> int:
    """1 for what is told once more, after a repair, of a step that was cut off before."""
    return int(any(branch == cut and step > after and attempt_seq <= last for cut, after, last in _cuts(tx)))


def branch_number(tx: Transaction, branch: int | None) -> int:
    """The branch asked for, else the current lineage's; -1 before there is one."""
    if branch is not None:
        return branch
    row = tx.one(
        "SELECT l.branch FROM lineages l JOIN meta m ON m.key = 'lineage_id' AND m.value = CAST(l.lineage_id AS TEXT)"
    )
    return int(row[0]) if row else -1


def _insert(tx: Transaction, table: str, row: dict[str, Any]) -> bool:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING 1"
    return tx.one(sql, list(row.values())) is not None


def _metric(row: tuple[Any, ...]) -> MetricRow:
    step, loss, loss_hex, file, lr, tokens, grad_norm, seconds, attempt, job_id, supervised, rows = row
    return MetricRow(
        step=step,
        # SQLite keeps no NaN: it comes back as NULL, and the exact value is in loss_hex
        loss=float.fromhex(loss_hex) if loss is None else loss,
        loss_hex=loss_hex,
        file=file,
        lr=_number(lr),
        tokens=tokens,
        grad_norm=_number(grad_norm),
        seconds=seconds,
        attempt=attempt,
        job_id=job_id,
        supervised_tokens=supervised,
        rows_sha256=rows,
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _evaluation(row: tuple[Any, ...]) -> EvaluationRow:
    step, job_id, validation_id, validation_loss, train_loss, gap, heldout_loss, at = row
    return EvaluationRow(
        step=step,
        job_id=job_id,
        validation_id=validation_id,
        validation_loss=validation_loss,
        train_loss=train_loss,
        gap=gap,
        heldout_loss=heldout_loss,
        at=at,
    )
