"""What a user can do with the queue, and taking it back."""

from __future__ import annotations

import time
from typing import Any

import pytest

from backend.contract.arguments import ClearArgs, JobArgs, MoveArgs, PriorityArgs
from backend.contract.errors import BadInputError, ConflictError, NotFoundError
from backend.contract.events import JobChanged, JobRemoved, QueueReordered, ServiceEvent
from backend.contract.jobs import JobState, Priority
from backend.contract.settings import TrainingSettings
from backend.queue import order as ranks
from backend.queue import queue, undo_stack
from backend.store.database import Database, Transaction
from tests.unit.backend.queue.queue_help import HIGH, LOW, NORMAL, add, get, order, put_state, run

S = JobState


def positions(database: Database) -> list[tuple[int, str, int]]:
    return [(v.job_id, v.priority, v.position) for v in database.read(lambda tx: queue.list_jobs(tx))]


# ---- move --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (MoveArgs(job_ids=[5], to=1), [5, 1, 2, 3, 4]),
        (MoveArgs(job_ids=[1], to=3), [2, 3, 1, 4, 5]),
        (MoveArgs(job_ids=[1], to=99), [2, 3, 4, 5, 1]),
        (MoveArgs(job_ids=[4, 2], to=1), [4, 2, 1, 3, 5]),
        (MoveArgs(job_ids=[5, 1], before=3), [2, 5, 1, 3, 4]),
        (MoveArgs(job_ids=[1], after=4), [2, 3, 4, 1, 5]),
        (MoveArgs(job_ids=[3], after=2), [1, 2, 3, 4, 5]),
        (MoveArgs(job_ids=[2, 2], after=5), [1, 3, 4, 5, 2]),
    ],
)
def test_move_puts_jobs_where_they_were_asked_to_be(database: Database, args: MoveArgs, expected: list[int]) -> None:
    for _ in range(5):
        add(database)
    run(database, queue.move, args)
    assert order(database) == expected
    assert positions(database) == [(job, "normal", place) for place, job in enumerate(expected)]


def test_move_takes_a_job_into_the_priority_of_its_new_neighbour(database: Database) -> None:
    high, normal, low = add(database, HIGH), add(database, NORMAL), add(database, LOW)
    (view,) = run(database, queue.move, MoveArgs(job_ids=[low], before=high))
    assert (view.priority, view.position) == (HIGH, 0)
    assert order(database) == [low, high, normal]


def test_move_after_the_running_job_is_the_first_place(database: Database) -> None:
    running, second, third = add(database), add(database), add(database)
    put_state(database, running, S.STARTING)
    run(database, queue.move, MoveArgs(job_ids=[third], after=running))
    assert order(database) == [running, third, second]
    with pytest.raises(ConflictError, match="is being trained"):
        run(database, queue.move, MoveArgs(job_ids=[third], before=running))


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (MoveArgs(job_ids=[1]), BadInputError, "Say where to"),
        (MoveArgs(job_ids=[1], before=2, to=1), BadInputError, "Say where to"),
        (MoveArgs(job_ids=[], to=1), BadInputError, "at least one job"),
        (MoveArgs(job_ids=[1], to=0), BadInputError, "from 1"),
        (MoveArgs(job_ids=[1], before=1), BadInputError, "next to itself"),
        (MoveArgs(job_ids=[1, 3], to=1), BadInputError, "different priorities"),
        (MoveArgs(job_ids=[1], before=77), NotFoundError, "no job 77"),
        (MoveArgs(job_ids=[77], to=1), NotFoundError, "no job 77"),
        (MoveArgs(job_ids=[4], to=1), ConflictError, "is being trained"),
        (MoveArgs(job_ids=[5], to=1), ConflictError, "is finished"),
        (MoveArgs(job_ids=[1], after=5), ConflictError, "is finished"),
    ],
)
def test_move_refuses_with_a_sentence(database: Database, args: MoveArgs, error: type[Exception], words: str) -> None:
    for priority in (NORMAL, NORMAL, HIGH, NORMAL, NORMAL):
        add(database, priority)
    put_state(database, 5, S.STARTING, S.FINISHED)
    put_state(database, 4, S.STARTING)
    before = positions(database)
    with pytest.raises(error, match=words):
        run(database, queue.move, args)
    assert positions(database) == before


def test_move_finds_room_when_ever_more_jobs_go_to_the_same_place(database: Database) -> None:
    for _ in range(60):
        add(database)
    expected = order(database)
    for job in range(60, 2, -1):
        run(database, queue.move, MoveArgs(job_ids=[job], to=2))
        expected.remove(job)
        expected.insert(1, job)
        assert order(database) == expected
    for _ in range(58):
        database.run(queue.undo)
    assert order(database) == list(range(1, 61))  # the ranks that undo restores moved along


# ---- priority, hold, retry, remove, clear ------------------------------------------------------------------


def test_set_priority_puts_jobs_at_the_end_of_the_other_group(database: Database) -> None:
    first, second, third, high = add(database), add(database), add(database), add(database, HIGH)
    changed = run(database, queue.set_priority, PriorityArgs(job_ids=[third, first, high], priority=HIGH))
    assert [view.job_id for view in changed] == [third, first]
    assert order(database) == [high, third, first, second]
    assert positions(database)[0] == (high, "high", 0)


def test_hold_and_release_keep_the_place(database: Database) -> None:
    jobs = [add(database) for _ in range(3)]
    (view,) = run(database, queue.hold, JobArgs(job_ids=[jobs[0]]))
    assert (view.state, view.reason, view.position) == (S.HELD, "held by you", 0)
    run(database, queue.hold, JobArgs(job_ids=[jobs[0]]))
    (view,) = run(database, queue.release, JobArgs(job_ids=[jobs[0]]))
    assert (view.state, view.reason, view.position) == (S.QUEUED, "", 0)
    assert order(database) == jobs


@pytest.mark.parametrize("verb", [queue.hold, queue.release])
def test_hold_and_release_refuse_when_the_job_ended_runs_or_is_blocked(database: Database, verb: Any) -> None:
    ended, running, blocked = add(database), add(database), add(database)
    put_state(database, ended, S.STARTING, S.FINISHED)
    put_state(database, running, S.STARTING)
    database.run(lambda tx: queue.block(tx, blocked, "why"))
    for job in (ended, running, blocked):
        with pytest.raises(ConflictError):
            run(database, verb, JobArgs(job_ids=[job]))


def test_retry_goes_on_at_the_cursor_unless_the_file_was_finished(database: Database) -> None:
    skipped, finished, waiting = add(database), add(database), add(database)
    for job, state in ((skipped, S.SKIPPED), (finished, S.FINISHED)):
        put_state(database, job, S.STARTING, S.TRAINING, first_global_step=1)
        database.run(lambda tx, job=job: queue.set_cursor(tx, job, 2))
        put_state(database, job, state, done_steps=2, reason="why")
    run(database, queue.retry, JobArgs(job_ids=[skipped, finished]))
    assert order(database) == [waiting, skipped, finished]
    assert [database.read(lambda tx, job=job: queue.cursor(tx, job)) for job in (skipped, finished)] == [2, 0]
    first, second = get(database, skipped), get(database, finished)
    assert (first.state, first.done_steps, first.reason, first.finished_at) == (S.QUEUED, 2, "", None)
    assert (second.state, second.done_steps, second.first_global_step, second.started_at) == (S.QUEUED, 0, None, None)


def test_retry_checks_again_when_the_check_had_failed(database: Database) -> None:
    bad = add(database, checked=False)
    database.run(lambda tx: queue.fail(tx, bad, "broken"))
    blocked = add(database)
    database.run(lambda tx: queue.block(tx, blocked, "other base"))
    views = run(database, queue.retry, JobArgs(job_ids=[bad, blocked]))
    assert [view.state for view in views] == [S.CHECKING, S.QUEUED]
    with pytest.raises(ConflictError, match="is queued"):
        run(database, queue.retry, JobArgs(job_ids=[blocked]))


def test_remove_and_undo_bring_back_job_and_place(database: Database) -> None:
    jobs = [add(database) for _ in range(4)]
    before = positions(database)
    heard: list[ServiceEvent] = []
    database.subscribe(lambda _, event: heard.append(event))
    run(database, queue.remove, JobArgs(job_ids=[jobs[2], jobs[1]]))
    assert order(database) == [jobs[0], jobs[3]]
    assert [event.job_id for event in heard if isinstance(event, JobRemoved)] == [jobs[2], jobs[1]]
    with pytest.raises(NotFoundError):
        get(database, jobs[1])
    heard.clear()
    assert database.run(queue.undo).done == "Undone: removal of 2 jobs."
    assert positions(database) == before
    assert {event.job.job_id for event in heard if isinstance(event, JobChanged)} == {jobs[1], jobs[2]}
    assert [event.job_ids for event in heard if isinstance(event, QueueReordered)] == [jobs]


def test_remove_refuses_all_when_one_of_them_is_running(database: Database) -> None:
    waiting, running = add(database), add(database)
    put_state(database, running, S.STARTING)
    with pytest.raises(ConflictError, match="Skip or stop it first"):
        run(database, queue.remove, JobArgs(job_ids=[waiting, running]))
    assert order(database) == [running, waiting]


@pytest.mark.parametrize(
    ("what", "left"),
    [("finished", [1, 4, 5, 6]), ("failed", [1, 2, 3, 6]), ("waiting", [1, 2, 3, 4, 5])],
)
def test_clear_removes_one_kind_and_never_the_running_job(database: Database, what: str, left: list[int]) -> None:
    for _ in range(6):
        add(database)
    for job, state in ((2, S.FINISHED), (3, S.SKIPPED), (4, S.FAILED), (5, S.QUARANTINED)):
        put_state(database, job, S.STARTING, state)
    put_state(database, 1, S.STARTING, S.TRAINING)
    run(database, queue.clear, ClearArgs(what=what))
    assert sorted(order(database)) == left
    database.run(queue.undo)
    assert sorted(order(database)) == [1, 2, 3, 4, 5, 6]


def test_clear_refuses_an_unknown_word(database: Database) -> None:
    with pytest.raises(BadInputError, match="'everything' cannot be cleared"):
        run(database, queue.clear, ClearArgs(what="everything"))


# ---- undo and redo -----------------------------------------------------------------------------------------


def test_undo_and_redo_walk_the_stack(database: Database) -> None:
    for _ in range(3):
        add(database)
    seen = [positions(database)]
    run(database, queue.move, MoveArgs(job_ids=[3], to=1))
    seen.append(positions(database))
    run(database, queue.set_priority, PriorityArgs(job_ids=[2], priority=HIGH))
    seen.append(positions(database))
    run(database, queue.remove, JobArgs(job_ids=[1]))
    assert database.read(queue.undo_titles) == ("removal of job 1", "")
    for expected in reversed(seen):
        database.run(queue.undo)
        assert positions(database) == expected
    with pytest.raises(ConflictError, match="nothing to undo"):
        database.run(queue.undo)
    assert database.read(queue.undo_titles) == ("", "move job 3")
    for expected in seen[1:]:
        database.run(queue.redo)
        assert positions(database) == expected
    assert database.run(queue.redo).done == "Done again: removal of job 1."
    with pytest.raises(ConflictError, match="nothing to redo"):
        database.run(queue.redo)


def test_redo_is_forgotten_when_something_else_was_done(database: Database) -> None:
    for _ in range(3):
        add(database)
    run(database, queue.move, MoveArgs(job_ids=[3], to=1))
    database.run(queue.undo)
    run(database, queue.hold, JobArgs(job_ids=[1]))
    assert database.read(queue.undo_titles) == ("hold of job 1", "")


def test_undo_survives_a_restart(database: Database) -> None:
    add(database)
    run(database, queue.remove, JobArgs(job_ids=[1]))
    database.close()
    again = Database.open(database.path, database.path.with_name("journal.jsonl"))
    again.run(queue.undo)
    assert order(again) == [1]
    again.close()


def test_undo_refuses_while_the_job_is_running_and_works_when_it_waits_again(database: Database) -> None:
    first, second = add(database), add(database)
    run(database, queue.move, MoveArgs(job_ids=[second], to=1))
    put_state(database, second, S.STARTING)
    with pytest.raises(ConflictError, match=f"job {second} is being trained"):
        database.run(queue.undo)
    database.run(lambda tx: queue.interrupt(tx, second, "stopped"))
    database.run(queue.undo)
    assert positions(database)[0][0] == second  # interrupted, so still first
    assert {job: place for job, _, place in positions(database)} == {first: 0, second: 1}


def test_undo_drops_what_can_never_be_taken_back(database: Database) -> None:
    for _ in range(3):
        add(database)
    run(database, queue.hold, JobArgs(job_ids=[1]))
    run(database, queue.move, MoveArgs(job_ids=[2], to=1))
    put_state(database, 2, S.STARTING, S.FINISHED)
    assert database.read(queue.undo_titles) == ("hold of job 1", "")
    database.run(lambda tx: queue.recheck(tx, 1))
    assert database.read(queue.undo_titles) == ("", "")


def test_undo_refuses_when_the_world_moved_on(database: Database) -> None:
    add(database)
    run(database, queue.hold, JobArgs(job_ids=[1]))
    database.run(lambda tx: tx.put("jobs", {"job_id": 1, "state": "blocked"}))
    with pytest.raises(ConflictError, match="has changed since") as raised:
        database.run(queue.undo)
    assert raised.value.body().code == "moved_on"


def test_undo_keeps_at_most_so_many_entries(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undo_stack, "MAX_ENTRIES", 3)
    add(database)
    for _ in range(3):
        run(database, queue.hold, JobArgs(job_ids=[1]))
        run(database, queue.release, JobArgs(job_ids=[1]))
    for _ in range(3):
        database.run(queue.undo)
    with pytest.raises(ConflictError):
        database.run(queue.undo)


def test_undo_has_nothing_when_a_verb_changed_nothing(database: Database) -> None:
    add(database)
    run(database, queue.release, JobArgs(job_ids=[1]))
    run(database, queue.set_priority, PriorityArgs(job_ids=[1], priority=NORMAL))
    assert database.read(queue.undo_titles) == ("", "")


# ---- ten thousand jobs -------------------------------------------------------------------------------------


def test_move_and_list_stay_fast_with_ten_thousand_jobs(database: Database) -> None:
    def fill(tx: Transaction) -> None:
        settings = TrainingSettings()
        queue.add(tx, file_name="a", dataset_id="d", size_bytes=1, priority=NORMAL, settings=settings)
        names = [row[1] for row in tx.execute("PRAGMA table_info(jobs)") if row[1] not in ("job_id", "rank")]
        columns = ", ".join(names)
        tx.execute(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
            f"INSERT INTO jobs (rank, {columns}) SELECT i * {ranks.GAP}, {columns} FROM n, jobs"
        )

    database.run(fill)
    seconds = []
    for args in (MoveArgs(job_ids=[9000], to=1), MoveArgs(job_ids=[50], after=8000), MoveArgs(job_ids=[7], to=2)):
        started = time.process_time()
        run(database, queue.move, args)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.05  # processor time: the machine may be shared
    started = time.process_time()
    assert len(order(database)) == 10_000
    assert time.process_time() - started < 1
    assert order(database)[:2] == [9000, 7]
    assert get(database, 50).priority == Priority.NORMAL


# ---- adding and settings -------------------------------------------------------------------------------------------


def added(database: Database, num_jobs: int = 1) -> list[int]:
    """Jobs that the user added together."""
    job_ids = [add(database) for _ in range(num_jobs)]
    database.run(lambda tx: queue.note_added(tx, job_ids))
    return job_ids


def undo(database: Database) -> str:
    return database.run(queue.undo).done


def test_undo_takes_back_an_adding_and_not_the_older_hold(database: Database) -> None:
    (first,) = added(database)
    run(database, queue.hold, JobArgs(job_ids=[first]))
    later = added(database, 2)
    assert undo(database) == "Undone: adding of 2 jobs."
    assert order(database) == [first]
    assert get(database, first).state is JobState.HELD
    database.run(queue.redo)
    assert order(database) == [first, *later]


def test_undo_of_an_adding_leaves_what_has_begun(database: Database) -> None:
    begun, waits = added(database, 2)
    put_state(database, begun, JobState.STARTING, JobState.TRAINING)
    assert undo(database) == f"Undone: adding of job {waits}."
    assert order(database) == [begun]
    database.run(queue.redo)
    assert order(database) == [begun, waits]


def test_undo_refuses_an_adding_when_its_training_has_begun_and_forgets_it_at_its_end(database: Database) -> None:
    (job_id,) = added(database)
    put_state(database, job_id, JobState.STARTING, JobState.TRAINING)
    with pytest.raises(ConflictError, match="its training has begun"):
        undo(database)
    put_state(database, job_id, JobState.FINISHED)
    with pytest.raises(ConflictError, match="nothing to undo"):
        undo(database)


def test_undo_of_an_adding_works_when_the_check_failed(database: Database) -> None:
    job_id = add(database, checked=False)
    database.run(lambda tx: queue.note_added(tx, [job_id]))
    database.run(lambda tx: queue.fail(tx, job_id, "no rows"))
    undo(database)
    assert order(database) == []


def test_retry_takes_the_settings_of_today_when_the_job_could_not_begin(database: Database) -> None:
    today = TrainingSettings(max_length=384)
    failed, trained = add(database, checked=False), add(database)
    database.run(lambda tx: queue.fail(tx, failed, "too long"))
    put_state(database, trained, JobState.STARTING, JobState.TRAINING)
    database.run(lambda tx: queue.note_progress(tx, trained, done_steps=1, last_global_step=1))
    put_state(database, trained, JobState.FAILED)

    for job_id in (failed, trained):
        database.run(lambda tx, job_id=job_id: queue.retry(tx, JobArgs(job_ids=[job_id]), settings=today))

    assert get(database, failed).state is JobState.CHECKING
    lengths = [database.read(lambda tx, i=i: queue.settings_of(tx, i)).max_length for i in (failed, trained)]
    assert lengths == [384, TrainingSettings().max_length]
    undo(database)
    undo(database)
    assert database.read(lambda tx: queue.settings_of(tx, failed)).max_length == TrainingSettings().max_length
    assert get(database, failed).state is JobState.FAILED


def test_retry_of_a_held_job_names_the_way_to_release_it(database: Database) -> None:
    job_id = add(database)
    run(database, queue.hold, JobArgs(job_ids=[job_id]))
    with pytest.raises(ConflictError, match=f"queue release {job_id}"):
        run(database, queue.retry, JobArgs(job_ids=[job_id]))
