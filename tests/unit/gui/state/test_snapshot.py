from __future__ import annotations

from typing import Any

import msgspec
import pytest
from pytestqt.qtbot import QtBot

from backend.contract.arguments import QueueListArgs
from backend.contract.errors import ErrorBody
from backend.contract.results import QueueResult
from gui.state.snapshot import PAGE, Snapshot, SnapshotReader
from tests.fakes.fake_backend import FakeBackend, example_session, job

FAULT = ErrorBody(code="internal", title="An internal error", message="Something broke.", status=500)
AWAY = ErrorBody(code="service_unavailable", title="Gone", message="Nobody answers.", status=503)


@pytest.fixture
def backend(qapp: object) -> FakeBackend:
    made = FakeBackend()
    made.serve(example_session(1000, num_extra_jobs=1200))
    return made


def read(backend: FakeBackend, qtbot: QtBot) -> Snapshot:
    reader = SnapshotReader(backend.call, is_first=True)
    with qtbot.waitSignal(reader.done) as signal:
        reader.start()
    (snapshot,) = signal.args
    return snapshot


def test_snapshot_fetches_the_queue_in_pages(backend: FakeBackend, qtbot: QtBot) -> None:
    snapshot = read(backend, qtbot)
    assert [job.job_id for job in snapshot.jobs] == [job.job_id for job in example_session(1000, 1200).jobs]
    pages = backend.asked("queue.list")
    assert [(args.offset, args.limit) for args in pages] == [(0, PAGE), (500, PAGE), (1000, PAGE)]
    assert snapshot.status.global_step == 1000
    assert snapshot.base is not None


def test_snapshot_shows_the_first_page_at_once_on_an_empty_window(backend: FakeBackend, qtbot: QtBot) -> None:
    for is_first, expected in ((True, 1), (False, 0)):
        reader = SnapshotReader(backend.call, is_first=is_first)
        seen: list[Any] = []
        reader.first_page.connect(seen.append)
        with qtbot.waitSignal(reader.done):
            reader.start()
        assert len(seen) == expected


def test_snapshot_asks_again_when_the_queue_changed_between_pages(backend: FakeBackend, qtbot: QtBot) -> None:
    jobs = [job(n) for n in range(1, 801)]
    num_asked = 0

    def page(args: QueueListArgs) -> QueueResult:
        nonlocal num_asked, jobs
        num_asked += 1
        if num_asked == 2:
            jobs = jobs[1:]  # job 501 slips into the page that was read already
        there = jobs[args.offset : args.offset + PAGE]
        return QueueResult(jobs=there, num_jobs=len(jobs))

    backend.answers["queue.list"] = page
    snapshot = read(backend, qtbot)
    assert [job.job_id for job in snapshot.jobs] == list(range(2, 801))
    assert num_asked == 4


def test_snapshot_asks_again_when_told_that_the_queue_changed(backend: FakeBackend, qtbot: QtBot) -> None:
    reader = SnapshotReader(backend.call, is_first=True)
    reader.first_page.connect(reader.disturb)
    with qtbot.waitSignal(reader.done):
        reader.start()
    assert [args.offset for args in backend.asked("queue.list")] == [0, 500, 1000] * 3 + [0]
    assert backend.asked("queue.list")[-1].limit is None  # what never rests is read in one piece


def test_snapshot_takes_all_when_the_service_knows_no_pages(backend: FakeBackend, qtbot: QtBot) -> None:
    jobs = [job(n) for n in range(1, 801)]
    backend.answers["queue.list"] = QueueResult(jobs=jobs)
    assert read(backend, qtbot).jobs == jobs


@pytest.mark.parametrize("verb", ["history", "history.marks", "samples", "events", "base.show"])
def test_snapshot_goes_without_a_detail_that_fails(backend: FakeBackend, qtbot: QtBot, verb: str) -> None:
    backend.answers[verb] = FAULT
    snapshot = read(backend, qtbot)
    empty = [snapshot.history.step, snapshot.marks.files, snapshot.samples, snapshot.events, snapshot.base]
    assert sum(not part for part in empty) == 1


@pytest.mark.parametrize(("verb", "error"), [("status", FAULT), ("queue.list", FAULT), ("history", AWAY)])
def test_snapshot_fails_once_when_the_service_does(
    backend: FakeBackend, qtbot: QtBot, verb: str, error: ErrorBody
) -> None:
    backend.answers[verb] = error
    reader = SnapshotReader(backend.call, is_first=False)
    failures: list[ErrorBody] = []
    reader.failed.connect(failures.append)
    with qtbot.assertNotEmitted(reader.done), qtbot.waitSignal(reader.failed):
        reader.start()
    qtbot.wait(20)
    assert failures == [error]
    assert all(reply.is_cancelled or reply.is_over for reply in backend.client.replies)


def test_snapshot_says_nothing_after_cancel(backend: FakeBackend, qtbot: QtBot) -> None:
    reader = SnapshotReader(backend.call, is_first=True)
    seen: list[Any] = []
    for signal in (reader.done, reader.failed, reader.first_page):
        signal.connect(seen.append)
    reader.start()
    reader.cancel()
    qtbot.wait(20)
    assert seen == []


def test_snapshot_is_what_the_service_said(backend: FakeBackend, qtbot: QtBot) -> None:
    session = example_session(1000, 1200)
    snapshot = read(backend, qtbot)
    assert msgspec.json.encode(snapshot.events) == msgspec.json.encode(session.events)
    assert snapshot.samples == session.samples
    assert snapshot.marks == session.marks
    assert snapshot.lineage == session.lineage
