"""The judges of the kill proofs find what is planted: a proof that cannot fail proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import kill_service, kill_trainer
from benchmarks.kill_service import broken_promises
from benchmarks.kill_trainer import Taken, Unbroken, most_replayed
from benchmarks.proof import ProofError
from benchmarks.queue_clients import Expected

UNBROKEN = Unbroken({step: (f"0x{step}", (step,)) for step in range(1, 13)}, 1.0, 1.0)


def taken(attempt: int, first: int, last: int) -> list[Taken]:
    return [Taken(attempt, step, f"0x{step}", (step,), float(step)) for step in range(first, last + 1)]


def shown(steps: list[Taken]) -> list[dict[str, Any]]:
    return [{"attempt": step.attempt, "step": step.step, "loss_hex": step.loss_hex} for step in steps]


def verdict(steps: list[Taken], visible: list[dict[str, Any]] | None = None) -> kill_trainer.Report:
    report = kill_trainer.Report()
    newest = {step.step: step for step in steps}
    visible = shown([newest[step] for step in sorted(newest)]) if visible is None else visible
    kill_trainer.judge(report, UNBROKEN, steps, shown=visible, every=shown(steps))
    return report


def test_judge_finds_no_fault_when_replayed_steps_are_equal() -> None:
    report = verdict(taken(1, 1, 8) + taken(2, 6, 12))
    assert report.faults == []
    assert report.most_steps_replayed == 3


def test_judge_finds_a_replayed_loss_that_differs() -> None:
    steps = taken(1, 1, 8) + taken(2, 6, 12)
    steps[-6] = steps[-6]._replace(loss_hex="0x7.1")
    assert verdict(steps).num_steps_different == 1


def test_judge_finds_other_rows_under_an_equal_loss() -> None:
    steps = taken(1, 1, 12)
    steps[3] = steps[3]._replace(rows=(99,))
    assert verdict(steps).num_steps_different == 1


def test_judge_finds_too_many_replayed_steps() -> None:
    assert verdict(taken(1, 1, 9) + taken(2, 4, 12)).faults


def test_judge_finds_a_skipped_step() -> None:
    visible = shown(taken(1, 1, 12))
    del visible[4]
    assert verdict(taken(1, 1, 12), visible).num_steps_skipped == 1


def test_judge_finds_a_step_shown_twice() -> None:
    visible = shown(taken(1, 1, 12))
    assert verdict(taken(1, 1, 12), [*visible, visible[-1]]).num_steps_shown_twice == 1


def test_most_replayed_refuses_a_trainer_that_left_steps_out() -> None:
    with pytest.raises(ProofError):
        most_replayed(taken(1, 1, 4) + taken(2, 7, 9))


JOB: dict[str, Any] = {"state": "queued", "priority": "normal", "position": 0}


@pytest.mark.parametrize(
    ("promised", "job"),
    [
        (Expected("a"), None),
        (Expected("a", is_removed=True), JOB),
        (Expected("a", is_held=True), JOB),
        (Expected("a", is_held=True), {**JOB, "state": "finished"}),
        (Expected("a", is_held=False), {**JOB, "state": "held"}),
        (Expected("a", priority="high"), JOB),
    ],
)
def test_broken_promises_are_found(promised: Expected, job: dict[str, Any] | None) -> None:
    assert broken_promises(promised, job)


@pytest.mark.parametrize(
    ("promised", "job"),
    [
        (Expected("a"), JOB),
        (Expected("a", is_removed=True), None),
        (Expected("a", is_held=True), {**JOB, "state": "held"}),
        (Expected("a", is_held=False), {**JOB, "state": "training"}),
    ],
)
def test_broken_promises_are_not_invented(promised: Expected, job: dict[str, Any] | None) -> None:
    assert broken_promises(promised, job) == []


def test_judge_queue_finds_a_file_queued_twice() -> None:
    listed = [{**JOB, "job_id": number, "file_name": "a.jsonl", "position": number} for number in (0, 1)]
    report = kill_service.Report()
    kill_service.judge_queue(report, [], listed)
    assert report.num_jobs_queued_twice == 1
