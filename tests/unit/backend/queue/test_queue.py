"""The queue as the service uses it: jobs come, are checked, train, are interrupted, end."""

from __future__ import annotations

import pytest

from backend.contract.arguments import JobArgs, MoveArgs
from backend.contract.datasets import CheckReport
from backend.contract.errors import ConflictError, NotFoundError
from backend.contract.events import JobChanged, ServiceEvent
from backend.contract.jobs import JobState, JobView
from backend.contract.settings import TrainingSettings
from backend.queue import queue
from backend.store import meta
from backend.store.database import Database, Transaction
from tests.unit.backend.queue.queue_help import HIGH, LOW, NORMAL, add, get, order, put_state, run

S = JobState


def next_job(database: Database) -> int | None:
    view = database.read(queue.next_runnable)
    return view.job_id if view else None


# ---- adding and checking -----------------------------------------------------------------------------------


def test_add_makes_a_job_that_is_checked_at_the_end_of_its_priority(database: Database) -> None:
    settings = TrainingSettings(learning_rate=1e-3, seed=7)
    first, second = add(database, checked=False), add(database, checked=False, settings=settings)
    high = add(database, HIGH, checked=False)
    assert [(view.state, view.position) for view in (get(database, job) for job in (first, second, high))] == [
        (S.CHECKING, 0),
        (S.CHECKING, 1),
        (S.CHECKING, 0),
    ]
    assert database.read(lambda tx: queue.settings_of(tx, second)) == settings
    assert order(database) == [high, first, second]


def test_checked_queues_a_job_with_its_numbers(database: Database) -> None:
    job = add(database)
    view = get(database, job)
    assert (view.state, view.num_rows, view.num_tokens, view.num_problems, view.total_steps) == (
        S.QUEUED,
        20,
        400,
        3,
        3,
    )
    folder = database.read(lambda tx: queue.tokens_folder(tx, job))
    assert folder == str(database.path.parent / "datasets/d/tokens-1")
    assert database.read(lambda tx: tx.one("SELECT tokens_folder FROM jobs")) == ("datasets/d/tokens-1",)


def test_checked_holds_a_job_that_was_held_meanwhile(database: Database) -> None:
    job = add(database, checked=False)
    (view,) = run(database, queue.hold, JobArgs(job_ids=[job]))
    assert (view.state, view.reason) == (S.CHECKING, "will be held after its check")
    report = CheckReport(ok=True)
    view = database.run(lambda tx: queue.checked(tx, job, report, tokens_folder="t", total_steps=1))
    assert (view.state, view.reason) == (S.HELD, "")
    assert next_job(database) is None
    run(database, queue.release, JobArgs(job_ids=[job]))
    assert next_job(database) == job


def test_recheck_keeps_a_held_job_held_and_forgets_its_tokens(database: Database) -> None:
    job = add(database)
    run(database, queue.hold, JobArgs(job_ids=[job]))
    database.run(lambda tx: queue.recheck(tx, job))
    assert get(database, job).state == S.CHECKING
    assert database.read(lambda tx: queue.tokens_folder(tx, job)) == ""
    report = CheckReport(ok=True)
    view = database.run(lambda tx: queue.checked(tx, job, report, tokens_folder="t", total_steps=1))
    assert view.state == S.HELD


def test_fail_and_block_keep_the_reason(database: Database) -> None:
    bad, differs = add(database, checked=False), add(database)
    view = database.run(lambda tx: queue.fail(tx, bad, "line 3: broken JSON"))
    assert (view.state, view.reason) == (S.FAILED, "line 3: broken JSON")
    assert view.finished_at is not None
    view = database.run(lambda tx: queue.block(tx, differs, "other base model"))
    assert (view.state, view.reason) == (S.BLOCKED, "other base model")
    assert next_job(database) is None


@pytest.mark.parametrize("what", [queue.get, queue.cursor, queue.settings_of, queue.recheck, queue.token_budget])
def test_functions_raise_not_found_when_there_is_no_such_job(database: Database, what: object) -> None:
    assert callable(what)
    with pytest.raises(NotFoundError, match="no job 5"):
        database.run(lambda tx: what(tx, 5))


# ---- the order in which jobs train -------------------------------------------------------------------------


def test_next_runnable_goes_by_priority_then_place(database: Database) -> None:
    low, normal, held, high = add(database, LOW), add(database), add(database, HIGH), add(database, HIGH)
    add(database, HIGH, checked=False)
    run(database, queue.hold, JobArgs(job_ids=[held]))
    trained = []
    while (job := next_job(database)) is not None:
        trained.append(job)
        put_state(database, job, S.STARTING, S.TRAINING, S.FINISHED)
    assert trained == [high, normal, low]


def test_higher_priority_never_interrupts_the_running_job(database: Database) -> None:
    running = add(database, LOW)
    put_state(database, running, S.STARTING, S.TRAINING)
    high = add(database, HIGH)
    assert database.read(queue.active).job_id == running
    with pytest.raises(ConflictError, match=f"job {running} is being trained"):
        put_state(database, high, S.STARTING)
    assert order(database) == [running, high]


def test_interrupted_job_goes_first_with_its_cursor(database: Database) -> None:
    running, high = add(database, LOW), add(database, HIGH)
    put_state(database, running, S.STARTING, S.TRAINING, done_steps=2)
    database.run(lambda tx: queue.set_cursor(tx, running, 1))
    view = database.run(lambda tx: queue.interrupt(tx, running, "the service stopped"))
    assert (view.state, view.reason, view.done_steps) == (S.QUEUED, "the service stopped", 1)
    assert order(database) == [running, high]
    assert next_job(database) == running
    assert database.read(lambda tx: queue.cursor(tx, running)) == 1
    put_state(database, running, S.STARTING, S.TRAINING, S.FINISHED)
    assert next_job(database) == high


def test_user_may_put_another_job_before_the_interrupted_one(database: Database) -> None:
    running, other = add(database), add(database)
    put_state(database, running, S.STARTING)
    database.run(lambda tx: queue.interrupt(tx, running, "stopped"))
    run(database, queue.move, MoveArgs(job_ids=[other], before=running))
    assert next_job(database) == other
    database.run(queue.undo)
    assert next_job(database) == running


# ---- states ------------------------------------------------------------------------------------------------


def test_set_state_notes_times_and_keeps_the_place_of_what_ended(database: Database) -> None:
    first, second = add(database), add(database)
    view = put_state(database, second, S.STARTING)
    assert view.started_at is not None
    assert view.finished_at is None
    started = view.started_at
    view = put_state(database, second, S.TRAINING, S.EVALUATING, S.SAVING, S.PAUSED, S.TRAINING)
    assert view.started_at == started
    view = put_state(database, second, S.FINISHED, last_loss=1.5, last_global_step=9)
    assert view.finished_at is not None
    assert (view.position, view.last_loss, view.last_global_step) == (1, 1.5, 9)
    assert get(database, first).position == 0


def test_set_state_says_nothing_when_nothing_changes(database: Database) -> None:
    job = add(database)
    put_state(database, job, S.STARTING, restarts=1)
    sequence = database.last_sequence
    put_state(database, job, S.STARTING, restarts=1)
    assert database.last_sequence == sequence
    put_state(database, job, S.STARTING, restarts=2)
    assert database.last_sequence == sequence + 1


def test_set_state_refuses_when_the_move_or_the_field_is_unknown(database: Database) -> None:
    job = add(database)
    with pytest.raises(ConflictError, match="queued cannot become training"):
        put_state(database, job, S.TRAINING)
    with pytest.raises(TypeError, match="rank"):
        put_state(database, job, S.STARTING, rank=1)
    assert get(database, job).state == S.QUEUED


def test_set_state_starts_a_file_anew_when_the_lineage_is_another(database: Database) -> None:
    job = add(database)
    put_state(database, job, S.STARTING, S.TRAINING, lineage_id=1, branch=1, first_global_step=10)
    database.run(lambda tx: (meta.set(tx, "lineage_id", "1"), queue.set_cursor(tx, job, 2)))
    put_state(database, job, S.SKIPPED)
    assert database.read(lambda tx: queue.cursor(tx, job)) == 2
    database.run(lambda tx: meta.set(tx, "lineage_id", "2"))
    assert database.read(lambda tx: queue.cursor(tx, job)) == 0
    run(database, queue.retry, JobArgs(job_ids=[job]))
    view = put_state(database, job, S.STARTING, lineage_id=2)
    assert (view.done_steps, view.first_global_step) == (0, None)
    assert database.read(lambda tx: queue.cursor(tx, job)) == 0


def test_note_progress_changes_figures_without_event_or_journal(database: Database) -> None:
    job = add(database)
    put_state(database, job, S.STARTING, S.TRAINING)
    sequence = database.last_sequence
    database.run(
        lambda tx: queue.note_progress(tx, job, done_steps=2, last_global_step=12, last_loss=1.25, eta_seconds=5.0)
    )
    database.run(lambda tx: queue.note_progress(tx, job, done_steps=3, last_global_step=13))
    view = get(database, job)
    assert (view.done_steps, view.first_global_step, view.last_global_step) == (3, 12, 13)
    assert database.last_sequence == sequence


def test_token_budget_is_kept_until_the_job_starts_anew(database: Database) -> None:
    job = add(database)
    assert database.read(lambda tx: queue.token_budget(tx, job)) == 0
    database.run(lambda tx: queue.set_token_budget(tx, job, 512))
    put_state(database, job, S.STARTING, S.SKIPPED)
    run(database, queue.retry, JobArgs(job_ids=[job]))
    assert database.read(lambda tx: queue.token_budget(tx, job)) == 512
    put_state(database, job, S.STARTING, S.FINISHED)
    run(database, queue.retry, JobArgs(job_ids=[job]))
    assert database.read(lambda tx: queue.token_budget(tx, job)) == 0


def test_set_cursor_shows_at_once_when_the_job_is_not_running(database: Database) -> None:
    job = add(database)
    put_state(database, job, S.STARTING, S.TRAINING, S.SKIPPED, done_steps=3)
    database.run(lambda tx: queue.set_cursor(tx, job, 1))  # the newest checkpoint turned out damaged
    assert get(database, job).done_steps == 1


def test_counts_and_list_show_ended_jobs_newest_first(database: Database) -> None:
    jobs = [add(database) for _ in range(4)]
    put_state(database, jobs[2], S.STARTING, S.FINISHED)
    put_state(database, jobs[0], S.STARTING, S.SKIPPED)
    assert order(database) == [jobs[1], jobs[3], jobs[0], jobs[2]]
    assert [view.job_id for view in database.read(lambda tx: queue.list_jobs(tx, every=False))] == [jobs[1], jobs[3]]
    assert database.read(queue.counts) == {"finished": 1, "queued": 2, "skipped": 1}


def test_every_change_is_told_with_the_job_as_it_is(database: Database) -> None:
    heard: list[ServiceEvent] = []
    database.subscribe(lambda _, event: heard.append(event))
    job = add(database)
    put_state(database, job, S.STARTING)
    told = [(event.cause, event.job.state) for event in heard if isinstance(event, JobChanged)]
    assert told == [("added", S.CHECKING), ("checked", S.QUEUED), ("starting", S.STARTING)]
    assert isinstance(heard[-1], JobChanged)
    assert heard[-1].job == get(database, job)


def test_one_transaction_may_hold_several_steps(database: Database) -> None:
    def work(tx: Transaction) -> JobView:
        view = queue.add(tx, file_name="a", dataset_id="d", size_bytes=1, priority=NORMAL, settings=TrainingSettings())
        queue.checked(tx, view.job_id, CheckReport(ok=True), tokens_folder="t", total_steps=1)
        queue.set_state(tx, view.job_id, S.STARTING)
        return queue.interrupt(tx, view.job_id, "again")

    assert database.run(work).state == S.QUEUED
