"""Finished jobs whose checkpoints were lost come back into the queue, before everything else and in the old order."""

from __future__ import annotations

import pytest

from backend.contract.arguments import ClearArgs, JobArgs
from backend.contract.errors import ConflictError
from backend.contract.events import JobChanged, QueueReordered
from backend.contract.jobs import JobState
from backend.queue import again, queue
from backend.store.database import Database
from tests.unit.backend.queue.queue_help import HIGH, add, get, order, put_state, run


def finish(database: Database, job_id: int, last: int, *, lineage: int = 1) -> None:
    put_state(database, job_id, JobState.STARTING, lineage_id=lineage)
    fields = {"first_global_step": last - 2, "last_global_step": last, "done_steps": 3}
    put_state(database, job_id, JobState.FINISHED, **fields)
    database.run(lambda tx: queue.set_cursor(tx, job_id, 3))


def beyond(database: Database, step: int) -> dict[int, int]:
    return database.read(lambda tx: again.finished_beyond(tx, 1, step))


def train_again(database: Database, done_steps: dict[int, int]) -> None:
    database.run(lambda tx: again.train_again(tx, done_steps))


def test_finished_beyond_are_those_of_the_lineage_in_the_order_they_were_trained(database: Database) -> None:
    jobs = [add(database) for _ in range(5)]
    for job_id, last in zip(jobs, (9, 6, 3, 12, 15), strict=True):
        finish(database, job_id, last, lineage=2 if last == 12 else 1)
    add(database)
    assert beyond(database, 3) == {jobs[1]: 6, jobs[0]: 9, jobs[4]: 15}
    run(database, queue.clear, ClearArgs(what="finished"))
    assert list(beyond(database, 8)) == [jobs[0], jobs[4]], "also those cleared from the list"
    assert beyond(database, 15) == {}


def test_train_again_puts_jobs_first_in_the_order_given(database: Database) -> None:
    first, second, third = (add(database) for _ in range(3))
    for job_id, last in ((second, 3), (first, 6), (third, 9)):
        finish(database, job_id, last)
    run(database, queue.clear, ClearArgs(what="finished"))
    interrupted, waiting = add(database), add(database)
    put_state(database, interrupted, JobState.STARTING, lineage_id=1)
    database.run(lambda tx: queue.interrupt(tx, interrupted, "stopped"))
    high = add(database, HIGH)
    heard: list[object] = []
    database.subscribe(lambda _, event: heard.append(event))
    train_again(database, {second: 2, first: 0, third: 0})
    assert order(database) == [second, high, first, third, interrupted, waiting], "the half one, then as they were"
    assert [get(database, job_id).done_steps for job_id in (second, first)] == [2, 0]
    assert database.read(lambda tx: queue.cursor(tx, second)) == 2
    assert {get(database, job_id).state for job_id in (first, second, third)} == {JobState.QUEUED}
    assert get(database, second).first_global_step == 1
    assert (get(database, first).first_global_step, get(database, first).last_global_step) == (None, None)
    assert {event.cause for event in heard if isinstance(event, JobChanged)} == {"lost"}
    assert [event.job_ids for event in heard if isinstance(event, QueueReordered)] == [order(database)]
    assert beyond(database, 0) == {}
    with pytest.raises(ConflictError):
        database.run(queue.undo)  # the clearing cannot be taken back: they are there


def test_fall_back_takes_other_jobs_back_to_what_is_safe(database: Database) -> None:
    skipped, untouched, removed = (add(database) for _ in range(3))
    for job_id, last in ((skipped, 9), (untouched, 4), (removed, 12)):
        put_state(database, job_id, JobState.STARTING, lineage_id=1)
        put_state(database, job_id, JobState.SKIPPED, last_global_step=last, done_steps=3)
        database.run(lambda tx, job_id=job_id: queue.set_cursor(tx, job_id, 3))
    run(database, queue.remove, JobArgs(job_ids=[removed]))
    database.run(lambda tx: again.fall_back(tx, 1, 5, {skipped: 1}))
    assert [get(database, job_id).done_steps for job_id in (skipped, untouched)] == [1, 3]
    database.run(queue.undo)
    assert database.read(lambda tx: queue.cursor(tx, removed)) == 0


def test_new_jobs_are_numbered_above_what_checkpoints_and_history_speak_of(database: Database) -> None:
    database.run(again.reserve_numbers)
    assert add(database) == 1
    database.run(lambda tx: tx.execute("INSERT INTO job_spans VALUES (1, 1, 4, 7)"))
    database.run(again.reserve_numbers)
    assert add(database) == 8
    database.run(again.reserve_numbers)
    assert add(database) == 9
