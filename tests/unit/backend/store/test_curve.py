"""The curve in few points equals what adding up every step gives, whatever was replayed; a long one is read at once."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.contract.results import HistoryResult
from backend.contract.spool import Step
from backend.contract.status import FileSpan
from backend.store import curve, history, pyramid
from backend.store.database import Database

MEMORY = Path("/dev/shm")
BRANCH = 1
LOSSES = st.one_of(st.floats(0, 20), st.sampled_from([math.nan, math.inf, -math.inf]))


def step(number: int, *, loss: float = 1.5, job_id: int = 1, grad_norm: float = 0.5) -> Step:
    return Step(
        n=number,
        at=1000.0 + number,
        job_id=job_id,
        global_step=number,
        job_step=number,
        loss=loss,
        loss_hex=loss.hex(),
        learning_rate=1e-4 / number,
        grad_norm=grad_norm,
        num_tokens=10 + number % 7,
        num_supervised=5,
        num_micro_batches=1,
        seconds=0.5 if number % 5 else 0.0,
        rows=[number],
        memory_bytes=number % 11,
    )


@contextmanager
def fresh_database() -> Iterator[Database]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        database = Database.open(Path(folder) / "everstep.db", Path(folder) / "journal.jsonl")
        try:
            yield database
        finally:
            database.close()


def ask(database: Database, start: int = 0, end: int | None = None, buckets: int = 1000) -> HistoryResult:
    """As a client gets it."""
    answer = database.read(
        lambda tx: msgspec.json.encode(curve.points(tx, start, end, buckets, branch=BRANCH)),
    )
    return msgspec.json.decode(answer, type=HistoryResult)


def naive(steps: dict[int, Step], start: int, end: int | None, buckets: int) -> list[dict[str, Any]]:
    """The same by reading every step."""
    first, last = min(steps), max(steps)
    start, end = max(first, start), last if end is None else min(last, end)
    width = next(2**power for power in range(40) if end // 2**power - start // 2**power + 1 <= buckets)
    start, end = start // width * width, end // width * width + width - 1
    tokens = sum(one.num_tokens for number, one in steps.items() if number < start)
    points = []
    for _, group in groupby(sorted(number for number in steps if start <= number <= end), lambda n: n // width):
        inside = [steps[number] for number in group]
        tokens += sum(one.num_tokens for one in inside)
        losses = [one.loss for one in inside if math.isfinite(one.loss)]
        norms = [one.grad_norm for one in inside if math.isfinite(one.grad_norm)]
        seconds = sum(one.seconds for one in inside)
        points.append(
            {
                "step": inside[-1].global_step,
                "at": inside[-1].at,
                "tokens": tokens,
                "loss": sum(losses) / len(losses) if losses else None,
                "loss_min": min(losses, default=None),
                "loss_max": max(losses, default=None),
                "learning_rate": inside[-1].learning_rate,
                "grad_norm": sum(norms) / len(norms) if norms else None,
                "tokens_per_second": sum(one.num_tokens for one in inside) / seconds if seconds else None,
                "memory_bytes": max(one.memory_bytes for one in inside),
            }
        )
    return points


def points_of(result: HistoryResult) -> list[dict[str, Any]]:
    names = [name for name in HistoryResult.__struct_fields__ if isinstance(getattr(result, name), list)]
    columns = [getattr(result, name) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def naive_files(steps: dict[int, Step]) -> list[tuple[int, int, int]]:
    spans = []
    for job_id, group in groupby(sorted(steps), lambda number: steps[number].job_id):
        numbers = list(group)
        spans.append((job_id, numbers[0], numbers[-1]))
    return spans


@st.composite
def walks(draw: st.DrawFn) -> list[list[Step]]:
    """Attempts: each goes on somewhere at or before the end of what is there, with jobs that change now and then."""
    attempts: list[list[Step]] = []
    reached = draw(st.sampled_from([0, 5, 60]))
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(max(1, reached - 20), reached + 1)) if attempts else reached + 1
        length = draw(st.integers(1, 150))
        job_id = draw(st.integers(1, 3))
        change_at = draw(st.integers(0, 150))
        odd = draw(st.dictionaries(st.integers(0, 149), LOSSES, max_size=12))
        attempts.append(
            [
                step(
                    begin + place,
                    loss=odd.get(place, 2.0 + place / 64),
                    grad_norm=odd.get(place + 1, 1.0),
                    job_id=job_id + (place >= change_at),
                )
                for place in range(length)
            ]
        )
        reached = max(reached, begin + length - 1)
    return attempts


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    attempts=walks(),
    ranges=st.lists(st.tuples(st.integers(0, 300), st.one_of(st.none(), st.integers(0, 900)), st.integers(1, 300))),
    later_first=st.booleans(),
)
def test_points_are_those_of_every_step_whatever_was_replayed(
    attempts: list[list[Step]], ranges: list[tuple[int, int | None, int]], later_first: bool
) -> None:
    newest: dict[int, Step] = {}
    for attempt in attempts:
        newest |= {one.global_step: one for one in attempt}
    numbered = list(enumerate(attempts, start=1))
    with fresh_database() as database:
        for seq, attempt in reversed(numbered) if later_first else numbered:
            for at in range(0, len(attempt), 40):
                part = attempt[at : at + 40]
                database.run(lambda tx, part=part, seq=seq: [history.add_step(tx, BRANCH, seq, one) for one in part])
        for start, end, buckets in [(0, None, 7), *ranges]:
            found = ask(database, start, end, buckets)
            assert (found.first_step, found.last_step) == (min(newest), max(newest))
            if start <= max(newest) and (end is None or end >= max(start, min(newest))):
                assert len(found.step) <= buckets
                expected = naive(newest, start, end, buckets)
                assert [approximately(point) for point in points_of(found)] == expected
            else:
                assert found.step == []
        assert spans(database) == naive_files(newest)
        before = everything(database)
        for table in ("curve", "job_spans", "attempt_spans"):
            database.run(lambda tx, table=table: tx.execute(f"DELETE FROM {table}"))
        pyramid.fill_missing(database._connection)
        after = everything(database)
        assert after["curve"] == [tuple(approximately(dict(enumerate(row))).values()) for row in before["curve"]]
        assert after["attempt_spans"] == before["attempt_spans"]
        assert spans(database) == naive_files(newest)


def approximately(point: dict[Any, Any]) -> dict[Any, Any]:
    """Sums depend on their order in the last bits."""
    return {
        name: pytest.approx(value, rel=1e-9) if isinstance(value, float) else value for name, value in point.items()
    }


def everything(database: Database) -> dict[str, Any]:
    tables = ("curve", "attempt_spans")
    return {table: database.read(lambda tx, table=table: tx.execute(f"SELECT * FROM {table}")) for table in tables}


def spans(database: Database) -> list[tuple[int, int, int]]:
    found: list[FileSpan] = database.read(lambda tx: curve.files(tx, BRANCH))
    return [(span.job_id, span.first_step, span.last_step) for span in found]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(attempts=walks())
def test_files_are_the_stretches_of_the_newest_attempts(attempts: list[list[Step]]) -> None:
    newest: dict[int, Step] = {}
    with fresh_database() as database:
        for seq, attempt in enumerate(attempts, start=1):
            newest |= {one.global_step: one for one in attempt}
            database.run(lambda tx, part=attempt, seq=seq: [history.add_step(tx, BRANCH, seq, one) for one in part])
        assert spans(database) == naive_files(newest)


def test_step_told_twice_changes_nothing(database: Database) -> None:
    database.run(lambda tx: history.add_step(tx, BRANCH, 1, step(3)))
    before = everything(database)
    database.run(lambda tx: history.add_step(tx, BRANCH, 1, step(3, loss=9.0)))
    assert everything(database) == before


def test_curve_is_empty_before_the_first_step(database: Database) -> None:
    assert ask(database) == HistoryResult()


def test_loss_that_is_no_number_leaves_a_gap_and_survives_the_way_to_a_client(database: Database) -> None:
    losses = [1.0, math.nan, math.inf, 3.0]
    database.run(
        lambda tx: [
            history.add_step(tx, BRANCH, 1, step(number, loss=loss)) for number, loss in enumerate(losses, start=1)
        ]
    )
    assert ask(database).loss == [1.0, None, None, 3.0]
    (mean,) = ask(database, buckets=1).loss
    assert mean == 2.0


def test_resume_is_marked_where_a_process_ended_unexpectedly(database: Database) -> None:
    ends = ["killed: Something outside ended the trainer (SIGKILL).", "crashed: It fell.", "orderly: It was asked.", ""]

    def fill(tx: Any) -> None:
        for number, outcome in enumerate(ends, start=1):
            row = {"attempt_seq": number, "attempt_id": f"A{number}", "started_at": 1.0}
            tx.put("attempts", row | ({"outcome": outcome, "ended_at": 2.0} if outcome else {}))
        for seq, numbers in ((1, range(1, 8)), (3, range(5, 10)), (4, range(10, 12))):
            for number in numbers:
                history.add_step(tx, BRANCH, seq, step(number))

    database.run(fill)
    (mark,) = database.read(lambda tx: curve.resumes(tx, BRANCH))
    assert (mark.step, mark.num_replayed, mark.reason) == (5, 3, "It fell.")


def test_history_that_is_there_without_its_curve_gets_one_at_opening(tmp_path: Path) -> None:
    paths = tmp_path / "everstep.db", tmp_path / "journal.jsonl"
    database = Database.open(*paths)
    database.run(lambda tx: [history.add_step(tx, BRANCH, 1, step(number)) for number in range(1, 100)])
    before = ask(database, buckets=3)
    database.run(lambda tx: [tx.execute(f"DELETE FROM {table}") for table in ("curve", "job_spans", "attempt_spans")])
    database.close()
    database = Database.open(*paths)
    assert ask(database, buckets=3) == before
    assert spans(database) == [(1, 1, 99)]
    database.close()


def test_million_steps_are_answered_at_once_for_any_range() -> None:
    with fresh_database() as database:
        connection = database._connection
        columns = "1, value, 1, value / 3000, 1, 1.5, '0x1.8p+0', 1e-4, 0.5, 1800, 900, 2, 2.5, 'r', 9, value * 2.5, 0"
        connection.execute(
            f"BEGIN; INSERT INTO metrics SELECT {columns} FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL "
            "SELECT value + 1 FROM n WHERE value < 1000000) SELECT value FROM n); COMMIT"
        )
        pyramid.fill_missing(connection)
        ranges = [(0, 1_000_000), (990_000, 1_000_000)] + [
            (300_000, 300_000 + width * 4000 - 1) for width in (1, 2, 4, 8, 32, 64, 128)
        ]
        for start, end in ranges:
            quickest = math.inf
            for _ in range(3):
                begun = time.perf_counter()
                found = ask(database, start, end, 4000)
                quickest = min(quickest, time.perf_counter() - begun)
            assert 2000 <= len(found.step) <= 4000
            assert quickest < 0.05, (start, end)
        assert len(database.read(lambda tx: curve.files(tx, BRANCH))) == 334


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(attempts=walks(), share=st.floats(0, 1))
def test_curve_ends_where_steps_were_cut_off(attempts: list[list[Step]], share: float) -> None:
    newest: dict[int, Step] = {}
    with fresh_database() as database:
        for seq, attempt in enumerate(attempts, start=1):
            newest |= {one.global_step: one for one in attempt}
            database.run(lambda tx, part=attempt, seq=seq: [history.add_step(tx, BRANCH, seq, one) for one in part])
        last = min(newest) + int(share * (max(newest) - min(newest)))
        database.run(lambda tx: history.supersede(tx, BRANCH, last))
        kept = {number: one for number, one in newest.items() if number <= last}
        for buckets in (7, 1000):
            assert [approximately(point) for point in points_of(ask(database, buckets=buckets))] == naive(
                kept, 0, None, buckets
            )
        assert spans(database) == naive_files(kept)
        before = everything(database)["curve"]
        database.run(lambda tx: tx.execute("DELETE FROM curve"))
        database.run(lambda tx: tx.execute("DELETE FROM job_spans"))
        database.run(lambda tx: tx.execute("DELETE FROM attempt_spans"))
        pyramid.fill_missing(database._connection)
        after = everything(database)["curve"]
        assert after == [tuple(approximately(dict(enumerate(row))).values()) for row in before]
        database.run(lambda tx: [history.add_step(tx, BRANCH, len(attempts) + 1, step(last + 1, job_id=99))])
        assert spans(database)[-1] == (99, last + 1, last + 1)
