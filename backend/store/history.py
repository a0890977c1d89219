"""What training told: metrics by step, evaluations, samples.

Keyed (branch, attempt, step). A step that a later attempt replayed is superseded, never overwritten. These tables
are not in the journal: they come back from the spool files.
"""

from __future__ import annotations

from msgspec import Struct

from backend.contract.spool import Evaluated, Sampled, Step
from backend.contract.status import EvaluationRow, MetricRow, SampleRow
from backend.store.database import Transaction


class Bucket(Struct, frozen=True, kw_only=True):
    """Steps drawn together for a chart."""

    first_step: int
    last_step: int
    num_steps: int
    min: float
    max: float
    mean: float


def add_step(tx: Transaction, branch: int, attempt_seq: int, step: Step) -> bool:
    """Record a step; False and no change when it is there already."""
    raise NotImplementedError


def replay_differs(tx: Transaction, branch: int, attempt_seq: int, step: Step) -> str | None:
    """The `loss_hex` an older attempt had at this step with the same rows, when it is not the same; else None."""
    raise NotImplementedError


def metrics(
    tx: Transaction,
    start: int = 0,
    end: int | None = None,
    *,
    superseded: bool = False,
    limit: int = 1_000_000,
    branch: int | None = None,
) -> list[MetricRow]:
    """Rows by step from `start` to `end` (both included), the newest attempt of each step; at most the newest
    `limit`. `branch` None is the current lineage's."""
    raise NotImplementedError


def add_evaluation(tx: Transaction, branch: int, attempt_seq: int, evaluated: Evaluated) -> bool:
    """Record an evaluation; False when it is there already."""
    raise NotImplementedError


def add_sampled(tx: Transaction, branch: int, attempt_seq: int, sampled: Sampled) -> bool:
    """Record samples; False when they are there already."""
    raise NotImplementedError


def evaluations(tx: Transaction, branch: int | None = None) -> list[EvaluationRow]:
    """Evaluations by step."""
    raise NotImplementedError


def samples(tx: Transaction, branch: int | None = None) -> list[SampleRow]:
    """Samples by step."""
    raise NotImplementedError


def last_evaluation(tx: Transaction, branch: int | None = None) -> EvaluationRow | None:
    """The evaluation recorded last."""
    raise NotImplementedError


def last_sample_step(tx: Transaction, branch: int | None = None) -> int:
    """Global step of the samples recorded last; -1 without any."""
    raise NotImplementedError


def last_think_tag_percent(tx: Transaction, branch: int | None = None) -> float | None:
    """Think-tag share of the samples recorded last."""
    raise NotImplementedError


def last_step(tx: Transaction, branch: int | None = None) -> MetricRow | None:
    """The highest step of the branch."""
    raise NotImplementedError


def buckets(
    tx: Transaction, from_: int, to: int, buckets: int, *, column: str = "loss", branch: int | None = None
) -> list[Bucket]:
    """Min, max and mean of one column (loss, lr, grad_norm, seconds, tokens) in at most `buckets` equal parts."""
    raise NotImplementedError
