from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pytestqt.qtbot import QtBot

from backend.contract.arguments import HistoryArgs
from backend.contract.errors import ErrorBody
from backend.contract.events import (
    BaseChanged,
    EvaluationDone,
    JobChanged,
    JobRemoved,
    Notice,
    QueueReordered,
    SampleDone,
    StatusChanged,
    StepDone,
)
from backend.contract.jobs import JobState
from backend.contract.models import BaseModelView
from backend.contract.results import BaseResult, HistoryResult
from backend.contract.spool import Evaluated, Sample, Sampled
from gui.client.connection_state import ConnectionState
from gui.state.stores import Stores
from gui.state.sync import Sync
from tests.fakes.fake_backend import NOW, FakeBackend, example_session, job

AWAY = ErrorBody(code="service_unavailable", title="Gone", message="Nobody answers.", status=503)


@pytest.fixture
def backend(qapp: object) -> FakeBackend:
    made = FakeBackend()
    made.serve(example_session(1000))
    return made


@pytest.fixture
def stores(qapp: object) -> Stores:
    return Stores()


@pytest.fixture
def sync(backend: FakeBackend, stores: Stores) -> Sync:
    made = Sync(backend, stores)
    made._gap_timer.setInterval(10)
    made._marks_timer.setInterval(10)
    made._retry_timer.setInterval(10)
    return made


@pytest.fixture
def loaded(sync: Sync, backend: FakeBackend, qtbot: QtBot) -> Sync:
    backend.process.become(ConnectionState.CONNECTED)
    with qtbot.waitSignal(sync.loaded):
        backend.start()
    return sync


def step(number: int, **more: Any) -> StepDone:
    given = {"loss": 0.5, "learning_rate": 1e-4, "grad_norm": 0.4, "tokens_per_second": 5e3, "num_tokens": 10, **more}
    return StepDone(at=NOW + number, job_id=3, global_step=number, **given)


def changed_status(**more: Any) -> StatusChanged:
    return StatusChanged(at=NOW, status=msgspec.structs.replace(example_session(1000).status, **more))


def test_sync_fills_every_store_when_the_stream_opens(loaded: Sync, stores: Stores) -> None:
    session = example_session(1000)
    assert loaded.is_loaded
    assert stores.session.connection is ConnectionState.CONNECTED
    assert stores.session.status == session.status
    assert len(stores.queue.shown_job_ids()) == len(session.jobs)
    assert stores.metrics.newest_step == 1000
    assert stores.metrics.files == session.marks.files
    assert stores.metrics.evaluations == session.marks.evaluations
    assert stores.samples.latest == session.samples[-1]
    assert stores.events.rowCount() == len(session.events)
    assert stores.base.base == session.base


def test_sync_applies_events_to_the_stores(loaded: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot) -> None:
    measured = Evaluated(n=1, at=NOW, job_id=3, global_step=1001, validation_id="v", validation_loss=0.4)
    sampled = Sampled(
        n=2,
        at=NOW,
        job_id=3,
        global_step=1001,
        samples=[Sample(prompt="A customer was charged twice. Reply.", text="Better.", has_think_tag=False)],
        think_tag_percent=0.0,
    )
    base = BaseModelView(base_id="smol", source="org/smol", folder="/x")
    backend.push(
        step(1001),
        JobChanged(at=NOW, job=job(50, position=0), cause="added"),
        JobRemoved(at=NOW, job_id=7),
        QueueReordered(at=NOW, job_ids=[4, 6, 5, 50]),
        EvaluationDone(at=NOW, evaluation=measured),
        SampleDone(at=NOW, sample=sampled),
        BaseChanged(at=NOW, base=base),
    )
    assert stores.metrics.newest_step == 1001
    assert stores.metrics.evaluations[-1].validation_loss == 0.4
    qtbot.waitUntil(lambda: stores.queue.shown_job_ids() == [3, 4, 6, 5, 50, 2, 1])
    assert stores.samples.latest is not None
    assert stores.samples.latest.text == "Better."
    assert stores.base.base == base


def test_sync_applies_what_happened_during_the_snapshot_after_it(
    sync: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    backend.client.is_holding = True
    backend.start()
    backend.push(JobRemoved(at=NOW, job_id=7), step(1001), JobChanged(at=NOW, job=job(50), cause="added"))
    assert stores.queue.rowCount() == 0
    with qtbot.waitSignal(sync.loaded):
        for reply in backend.client.replies:
            reply.release()
    qtbot.waitUntil(lambda: stores.metrics.newest_step == 1001)
    qtbot.waitUntil(lambda: 50 in stores.queue.shown_job_ids())
    assert 7 not in stores.queue.shown_job_ids()


def test_sync_applies_a_flood_in_slices_and_in_order(
    sync: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    backend.client.is_holding = True
    backend.start()
    backend.push(*(step(1000 + n) for n in range(1, 500)))
    with qtbot.waitSignal(sync.loaded):
        for reply in backend.client.replies:
            reply.release()
    assert stores.metrics.newest_step < 1499
    backend.push(step(1500))
    qtbot.waitUntil(lambda: stores.metrics.newest_step == 1500)
    assert list(stores.metrics.series("step")[-500:]) == list(range(1001, 1501))


def test_sync_starts_again_on_reset_and_shows_the_other_database(
    loaded: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    other = example_session(10)
    other.jobs = [job(77)]
    backend.serve(other)
    with qtbot.waitSignal(loaded.loaded):
        backend.stream.reset_received.emit()
    assert stores.queue.shown_job_ids() == [77]
    assert stores.metrics.newest_step == 10


def test_sync_drops_a_snapshot_that_a_reset_overtook(
    sync: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    backend.client.is_holding = True
    backend.start()
    backend.push(JobChanged(at=NOW, job=job(50), cause="added"))
    late = list(backend.client.replies)
    backend.client.is_holding = False
    with qtbot.waitSignal(sync.loaded):
        backend.stream.reset_received.emit()
    for reply in late:
        reply.release()
    assert 50 not in stores.queue.shown_job_ids()


def test_sync_tries_again_when_the_snapshot_failed(sync: Sync, backend: FakeBackend, qtbot: QtBot) -> None:
    status = backend.answers["status"]
    backend.answers["status"] = AWAY
    backend.start()
    qtbot.waitUntil(lambda: len(backend.asked("status")) > 1)
    backend.answers["status"] = status
    qtbot.waitSignal(sync.loaded).wait()
    assert sync.is_loaded


def test_sync_fetches_nothing_anew_when_the_stream_comes_back(loaded: Sync, backend: FakeBackend) -> None:
    num = len(backend.calls)
    backend.stream.lost.emit()
    backend.stream.opened.emit()
    assert len(backend.calls) == num


def test_sync_fills_the_steps_that_were_missed_while_the_stream_was_away(
    loaded: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    backend.serve(example_session(1040))
    backend.stream.lost.emit()
    backend.stream.opened.emit()
    backend.push(changed_status(global_step=1030))
    qtbot.waitUntil(lambda: stores.metrics.newest_step == 1030)
    asked = backend.asked("history")[-1]
    assert (asked.start, asked.end) == (1001, 1030)
    assert list(stores.metrics.series("step")[-31:]) == list(range(1000, 1031))
    qtbot.waitUntil(lambda: len(backend.asked("history.marks")) == 2)


def test_sync_asks_once_for_several_gaps(loaded: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot) -> None:
    backend.serve(example_session(1040))
    backend.push(step(1003), step(1006), step(1009))
    num = len(backend.asked("history"))
    qtbot.waitUntil(lambda: list(stores.metrics.series("step")[-9:]) == list(range(1001, 1010)))
    assert len(backend.asked("history")) == num + 1


def test_sync_fetches_the_curve_of_another_lineage(
    loaded: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    known = stores.base.lineage
    assert known is not None
    other = msgspec.structs.replace(known, lineage_id=2, lora_r=16)
    backend.answers["history"] = HistoryResult()
    backend.answers["base.show"] = BaseResult(base=stores.base.base, lineage=other)
    backend.push(changed_status(lineage_id=2, global_step=0))
    qtbot.waitUntil(lambda: len(stores.metrics) == 0)
    qtbot.waitUntil(lambda: stores.base.lineage == other)


def test_sync_answers_a_closer_look_with_the_newest_one(
    loaded: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    backend.client.is_holding = True
    stores.metrics.request_range.emit(1, 500, 400)
    stores.metrics.request_range.emit(-5, 300, 9000)
    first, second = backend.client.replies[-2:]
    assert first.is_cancelled
    assert backend.asked("history")[-1] == HistoryArgs(start=0, end=300, buckets=5000)
    with qtbot.waitSignal(stores.metrics.changed):
        second.release()


def test_sync_fetches_the_newest_steps_one_by_one_when_the_whole_is_thinned(
    sync: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    backend.serve(example_session(12_480))
    backend.start()
    qtbot.waitUntil(lambda: sync.is_loaded and stores.metrics.thinned_tail is None)
    assert list(stores.metrics.series("step")[-2000:]) == list(range(10_481, 12_481))


def test_sync_takes_progress_and_speed_out_of_the_status(loaded: Sync, backend: FakeBackend, stores: Stores) -> None:
    running = msgspec.structs.replace(example_session(1000).jobs[0], done_steps=13_000, eta_seconds=520.0)
    backend.push(JobChanged(at=NOW, job=job(60, JobState.CHECKING, total_steps=0), cause="added"))
    backend.push(changed_status(job=running, check_progress={60: 0.25}))
    known = stores.queue.job(3)
    assert known is not None
    assert known.done_steps == 13_000
    assert stores.queue.data(stores.queue.index_of(60), 0x104) == 0.25


def test_sync_fetches_marks_when_a_job_was_restarted(loaded: Sync, backend: FakeBackend, qtbot: QtBot) -> None:
    running = msgspec.structs.replace(example_session(1000).jobs[0], restarts=2, state=JobState.STARTING)
    backend.push(JobChanged(at=NOW, job=running, cause="starting"))
    qtbot.waitUntil(lambda: len(backend.asked("history.marks")) == 2)


def test_sync_posts_what_happens_and_nothing_old(
    sync: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    posted: list[str] = []
    stores.notices.notice_posted.connect(lambda level, title, message: posted.append(title))
    with qtbot.waitSignal(sync.loaded):
        backend.start()
    assert posted == []
    backend.push(Notice(at=NOW + 5, level="warning", title="The disk is nearly full", message="It goes on."))
    assert posted == ["The disk is nearly full"]


def test_sync_tells_how_the_connection_stands(sync: Sync, backend: FakeBackend, stores: Stores) -> None:
    for state in ConnectionState:
        backend.process.become(state)
        assert stores.session.connection is state


def test_sync_fetches_the_curve_later_when_it_alone_failed(
    sync: Sync, backend: FakeBackend, stores: Stores, qtbot: QtBot
) -> None:
    history = backend.answers["history"]
    backend.answers["history"] = ErrorBody(code="internal", title="Fault", message="It broke.", status=500)
    with qtbot.waitSignal(sync.loaded):
        backend.start()
    backend.answers["history"] = history
    qtbot.waitUntil(lambda: stores.metrics.newest_step == 1000)
