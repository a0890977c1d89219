"""The order of training: the same on every machine and for ever, every row once an epoch."""

from __future__ import annotations

import hashlib

import pytest

from backend.formats.order import StepPlan, num_steps, occurrences, order_fingerprint, row_order

ROWS = [hashlib.sha256(text.encode()).digest() for text in ("a", "b", "c", "d", "e", "a", "f", "a")]


@pytest.mark.parametrize(
    ("seed", "epoch", "order"),
    [
        (42, 0, [7, 6, 0, 2, 3, 1, 5, 4]),
        (42, 1, [1, 2, 5, 6, 7, 3, 4, 0]),
        (0, 0, [1, 0, 5, 3, 6, 2, 4, 7]),
    ],
)
def test_row_order_is_pinned(seed: int, epoch: int, order: list[int]) -> None:
    assert row_order(ROWS, seed=seed, epoch=epoch) == order


def test_order_fingerprint_is_pinned() -> None:
    assert (
        order_fingerprint(ROWS, seed=42, num_epochs=2, per_step=3)
        == "b1efed5ad04136248c4fb600ad29d1710c7e9d84c03556c1884b66a63294e0b6"
    )


def test_row_order_follows_content_not_places() -> None:
    rows = [*ROWS[:5], ROWS[6]]
    moved = [ROWS[3], ROWS[1], ROWS[4], ROWS[0], ROWS[6], ROWS[2]]
    order = [rows[row] for row in row_order(rows, seed=42, epoch=0)]
    assert [moved[row] for row in row_order(moved, seed=42, epoch=0)] == order


def test_row_order_differs_by_seed_and_epoch_and_holds_every_row() -> None:
    orders = [tuple(row_order(ROWS, seed=seed, epoch=epoch)) for seed in (1, 2) for epoch in (0, 1)]
    assert len(set(orders)) == 4
    assert all(sorted(order) == list(range(8)) for order in orders)


def test_occurrences_number_equal_rows() -> None:
    assert occurrences(ROWS) == [0, 0, 0, 0, 0, 1, 0, 2]


def test_equal_rows_are_told_apart() -> None:
    same = [ROWS[0]] * 50
    assert sorted(row_order(same, seed=42, epoch=0)) == list(range(50))
    assert row_order(same, seed=42, epoch=0) != list(range(50))


@pytest.mark.parametrize("change", [{"seed": 43}, {"num_epochs": 3}, {"per_step": 4}])
def test_order_fingerprint_changes_with_everything_that_decides_the_order(change: dict[str, int]) -> None:
    asked = {"seed": 42, "num_epochs": 2, "per_step": 3}
    before = order_fingerprint(ROWS, **asked)
    assert order_fingerprint(ROWS, **(asked | change)) != before
    assert order_fingerprint(ROWS[:-1], **asked) != before
    assert order_fingerprint(ROWS[::-1], **asked) != before


@pytest.mark.parametrize(
    ("num_rows", "num_epochs", "per_step", "steps"),
    [(8, 1, 8, 1), (9, 1, 8, 2), (8, 3, 5, 5), (0, 3, 5, 0), (1, 1, 8, 1)],
)
def test_num_steps_counts_the_smaller_last_step(num_rows: int, num_epochs: int, per_step: int, steps: int) -> None:
    assert num_steps(num_rows, num_epochs=num_epochs, per_step=per_step) == steps


def test_step_plan_lays_epochs_end_to_end() -> None:
    plan = StepPlan(ROWS, seed=42, num_epochs=3, per_step=5)
    steps = [plan.rows_of(step) for step in range(plan.total_steps)]
    assert [len(step) for step in steps] == [5, 5, 5, 5, 4]
    together = [row for step in steps for row in step]
    assert together == [row for epoch in range(3) for row in row_order(ROWS, seed=42, epoch=epoch)]


def test_step_plan_gives_the_same_step_however_it_is_reached() -> None:
    plan = StepPlan(ROWS, seed=42, num_epochs=4, per_step=3)
    forwards = [plan.rows_of(step) for step in range(plan.total_steps)]
    again = StepPlan(ROWS, seed=42, num_epochs=4, per_step=3)
    backwards = [again.rows_of(step) for step in reversed(range(again.total_steps))]
    assert forwards == backwards[::-1]
    assert plan.fingerprint == order_fingerprint(ROWS, seed=42, num_epochs=4, per_step=3)


@pytest.mark.parametrize("step", [-1, 5])
def test_step_plan_refuses_a_step_it_does_not_have(step: int) -> None:
    with pytest.raises(IndexError):
        StepPlan(ROWS, seed=42, num_epochs=3, per_step=5).rows_of(step)
