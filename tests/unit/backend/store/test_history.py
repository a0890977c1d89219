"""Metrics, evaluations, samples: each told once, the newest attempt shown, replayed losses compared."""

from __future__ import annotations

import math
from typing import Any

from backend.contract.models import BaseModelView
from backend.contract.settings import TrainingSettings
from backend.contract.spool import Evaluated, Sample, Sampled, Step
from backend.store import history
from backend.store.database import Database, Transaction
from backend.versions import bases, lineages


def step(number: int, *, loss: float = 1.5, rows: list[int] | None = None, n: int = 1) -> Step:
    return Step(
        n=n,
        at=100.0 + number,
        job_id=1,
        global_step=number,
        job_step=number,
        loss=loss,
        loss_hex=loss.hex(),
        learning_rate=1e-4,
        grad_norm=0.5,
        num_tokens=10 * number,
        num_supervised=5,
        num_micro_batches=2,
        seconds=0.25,
        rows=[number, number + 1] if rows is None else rows,
    )


def evaluated(number: int, *, n: int = 1, loss: float | None = 2.0) -> Evaluated:
    return Evaluated(
        n=n, at=5.0, job_id=1, global_step=number, validation_id="v", validation_loss=loss, train_loss=1.5, gap=0.5
    )


def sampled(number: int, *, n: int = 1, percent: float | None = 50.0) -> Sampled:
    samples = [
        Sample(prompt="a", text="<think>x", has_think_tag=True),
        Sample(prompt="b", text="y", has_think_tag=False),
    ]
    return Sampled(n=n, at=5.0, job_id=1, global_step=number, samples=samples, think_tag_percent=percent)


def add_steps(database: Database, attempt: int, *steps: Step) -> list[bool]:
    return database.run(lambda tx: [history.add_step(tx, 1, attempt, one) for one in steps])


def steps_of(rows: list[Any]) -> list[tuple[int, int]]:
    return [(row.step, row.attempt) for row in rows]


def test_add_step_says_false_when_the_step_is_known(database: Database) -> None:
    assert add_steps(database, 1, step(1), step(2), step(1, loss=9.0)) == [True, True, False]
    rows = database.read(lambda tx: history.metrics(tx, branch=1))
    assert [(row.step, row.loss) for row in rows] == [(1, 1.5), (2, 1.5)]


def test_metrics_gives_a_row_with_everything_the_prompt_prints(database: Database) -> None:
    one = step(3)
    add_steps(database, 7, one)
    (row,) = database.read(lambda tx: history.metrics(tx, branch=1))
    assert (row.step, row.loss, row.loss_hex, row.lr, row.tokens, row.attempt) == (3, 1.5, (1.5).hex(), 1e-4, 30, 7)
    assert (row.file, row.grad_norm, row.seconds, row.supervised_tokens) == ("", 0.5, 0.25, 5)
    assert row.rows_sha256 == history.rows_sha256([3, 4]) != history.rows_sha256([4, 3])


def test_metrics_shows_the_newest_attempt_of_each_step_unless_asked_for_all(database: Database) -> None:
    add_steps(database, 1, *(step(number) for number in range(1, 6)))
    add_steps(database, 2, *(step(number) for number in range(4, 8)))
    newest = database.read(lambda tx: history.metrics(tx, branch=1))
    assert steps_of(newest) == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 2)]
    every = database.read(lambda tx: history.metrics(tx, branch=1, superseded=True))
    assert steps_of(every) == [(1, 1), (2, 1), (3, 1), (4, 1), (4, 2), (5, 1), (5, 2), (6, 2), (7, 2)]
    some = database.read(lambda tx: history.metrics(tx, 3, 6, branch=1, limit=2))
    assert steps_of(some) == [(5, 2), (6, 2)]
    assert database.read(lambda tx: history.metrics(tx, branch=2)) == []


def test_replay_differs_only_when_the_same_rows_gave_another_loss(database: Database) -> None:
    add_steps(database, 1, step(1), step(2))

    def differs(one: Step, attempt: int = 2) -> str | None:
        return database.read(lambda tx: history.replay_differs(tx, 1, attempt, one))

    assert differs(step(1)) is None
    assert differs(step(1, loss=1.25)) == (1.5).hex()
    assert differs(step(1, loss=1.25, rows=[8])) is None
    assert differs(step(1, loss=1.25), attempt=1) is None
    assert differs(step(9, loss=1.25)) is None


def test_metrics_keeps_a_loss_that_is_no_number(database: Database) -> None:
    add_steps(database, 1, step(1, loss=math.nan), step(2, loss=math.inf))
    first, second = database.read(lambda tx: history.metrics(tx, branch=1))
    assert math.isnan(first.loss)
    assert second.loss == math.inf


def test_last_step_is_the_highest_of_the_newest_attempt(database: Database) -> None:
    assert database.read(lambda tx: history.last_step(tx, 1)) is None
    add_steps(database, 1, step(1), step(2))
    add_steps(database, 2, step(2, loss=1.0))
    row = database.read(lambda tx: history.last_step(tx, 1))
    assert row is not None
    assert (row.step, row.attempt, row.loss) == (2, 2, 1.0)


def test_branch_is_the_current_lineages_when_none_is_named(database: Database) -> None:
    def begin(tx: Transaction) -> int:
        base = bases.put(tx, BaseModelView(base_id="b", source="s", folder="/b"))
        bases.choose(tx, "b")
        first = lineages.ensure(tx, base, TrainingSettings())
        history.add_step(tx, lineages.branch(tx, first.lineage_id), 1, step(1))
        return lineages.branch(tx, lineages.new(tx).lineage_id)

    assert database.read(lambda tx: history.metrics(tx)) == []
    second = database.run(begin)
    assert database.read(lambda tx: history.metrics(tx)) == []
    database.run(lambda tx: history.add_step(tx, second, 2, step(1, loss=3.0)))
    assert [row.loss for row in database.read(lambda tx: history.metrics(tx))] == [3.0]


def test_evaluations_are_kept_once_and_the_last_is_known(database: Database) -> None:
    assert database.read(lambda tx: history.last_evaluation(tx, 1)) is None
    assert database.run(lambda tx: history.add_evaluation(tx, 1, 1, evaluated(10)))
    assert not database.run(lambda tx: history.add_evaluation(tx, 1, 1, evaluated(10)))
    assert database.run(lambda tx: history.add_evaluation(tx, 1, 2, evaluated(5, loss=None)))
    rows = database.read(lambda tx: history.evaluations(tx, 1))
    assert [(row.step, row.validation_loss, row.gap) for row in rows] == [(5, None, 0.5), (10, 2.0, 0.5)]
    last = database.read(lambda tx: history.last_evaluation(tx, 1))
    assert last is not None
    assert last.step == 5  # the newest attempt went back


def test_samples_are_kept_once_and_the_last_is_known(database: Database) -> None:
    assert database.read(lambda tx: history.last_sample_step(tx, 1)) == -1
    assert database.read(lambda tx: history.last_think_tag_percent(tx, 1)) is None
    assert database.run(lambda tx: history.add_sampled(tx, 1, 1, sampled(20)))
    assert not database.run(lambda tx: history.add_sampled(tx, 1, 1, sampled(20)))
    assert database.run(lambda tx: history.add_sampled(tx, 1, 1, sampled(40, n=9, percent=25.0)))
    rows = database.read(lambda tx: history.samples(tx, 1))
    assert [(row.step, row.prompt, row.has_think_tag) for row in rows] == [
        (20, "a", True),
        (20, "b", False),
        (40, "a", True),
        (40, "b", False),
    ]
    assert database.read(lambda tx: history.last_sample_step(tx, 1)) == 40
    assert database.read(lambda tx: history.last_think_tag_percent(tx, 1)) == 25.0


def test_supersede_takes_what_was_told_of_later_steps_out_of_everything_shown(database: Database) -> None:
    add_steps(database, 1, *(step(number, loss=1.0 + number) for number in range(1, 9)))
    for number in (4, 8):
        database.run(lambda tx, number=number: history.add_evaluation(tx, 1, 1, evaluated(number, n=number)))
        database.run(lambda tx, number=number: history.add_sampled(tx, 1, 1, sampled(number, n=number)))
    database.run(lambda tx: history.supersede(tx, 1, 5))

    def shown() -> tuple[Any, ...]:
        return database.read(
            lambda tx: (
                [row.step for row in history.metrics(tx, branch=1)],
                [row.step for row in history.evaluations(tx, 1)],
                [row.step for row in history.samples(tx, 1)],
                getattr(history.last_step(tx, 1), "step", None),
                getattr(history.last_evaluation(tx, 1), "step", None),
                history.last_sample_step(tx, 1),
            )
        )

    assert shown() == ([1, 2, 3, 4, 5], [4], [4, 4], 5, 4, 4)
    assert len(database.read(lambda tx: history.metrics(tx, superseded=True, branch=1))) == 8
    add_steps(database, 2, step(6, loss=9.0))
    assert shown()[0] == [1, 2, 3, 4, 5, 6], "what is trained from there counts"
    assert database.read(lambda tx: history.replay_differs(tx, 1, 2, step(6, loss=9.0))) is None, "another timeline"


def test_what_was_superseded_stays_so_when_it_is_told_again_after_a_repair(database: Database) -> None:
    add_steps(database, 1, *(step(number) for number in range(1, 9)))
    database.run(lambda tx: history.supersede(tx, 1, 5))
    database.run(lambda tx: tx.execute("DELETE FROM metrics"))
    add_steps(database, 1, *(step(number) for number in range(1, 9)))
    database.run(lambda tx: history.add_evaluation(tx, 1, 1, evaluated(8)))
    database.run(lambda tx: history.add_sampled(tx, 1, 1, sampled(8)))
    assert database.read(lambda tx: history.last_step(tx, 1)).step == 5
    assert database.read(lambda tx: (history.last_evaluation(tx, 1), history.last_sample_step(tx, 1))) == (None, -1)
    database.run(lambda tx: history.supersede(tx, 1, 5))
    assert len(database.read(lambda tx: history.metrics(tx, superseded=True, branch=1))) == 8
