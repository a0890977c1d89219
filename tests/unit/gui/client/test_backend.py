"""A live window and a real service in processes of its own: each is killed, and everything is there again."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.contract.arguments import AddArgs, BaseSetArgs, JobArgs, QueueListArgs
from backend.contract.events import JobChanged, RunStateChanged, StatusChanged
from backend.contract.jobs import JobState
from gui.client.backend import Backend
from gui.client.connection_state import ConnectionState
from gui.client.service_client import Reply
from gui.client.service_process import Patience
from tests.fakes.fake_model import make_model
from tests.integration.conftest import SERVE, RunningService
from tests.integration.test_guardian import guardian_command
from tests.unit.gui.client.conftest import Heard, turn, wait_until


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningService]:
    """The workspace; what runs in it is started by the window under test."""
    monkeypatch.setenv("EVERSTEP_HASTE", "1")
    running = RunningService(tmp_path / "workspace")
    running.configure(validation_max_rows=0)
    yield running
    running.close()


@pytest.fixture
def backend(service: RunningService) -> Iterator[Backend]:
    """A window's side of the service, not started."""
    found = window(service)
    yield found
    found.close()


def window(service: RunningService) -> Backend:
    root = service.workspace.root
    command = [sys.executable, "-P", str(SERVE), "--workspace", str(root), "--linger", "60"]
    return Backend(root, command=guardian_command(root, command, waits=False), patience=Patience(look_seconds=0.2))


def result(reply: Reply) -> Any:
    heard = Heard(reply, "done", "failed")
    wait_until(lambda: heard.said)
    name, value = heard.said[0]
    assert name == "done", value
    return value


def connected(backend: Backend) -> int:
    """Wait for process and stream; the process number of the service."""
    wait_until(lambda: backend.process.state is ConnectionState.CONNECTED and backend.stream.is_open)
    assert backend.process.pid is not None
    return backend.process.pid


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def guardian_of(pid: int) -> int:
    return int(psutil.Process(pid).ppid())


def num_services(backend: Backend) -> int:
    root = str(backend.process.workspace)
    words = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return sum(str(SERVE) in line and root in line and "-c" not in line for line in words)


def start_training(backend: Backend, service: RunningService, tmp_path: Path) -> int:
    """A file that trains for some seconds; its job."""
    service.behave(step_seconds=0.05)
    result(backend.call("base.set", BaseSetArgs(source=str(make_model(tmp_path / "model")))))
    (job,) = result(backend.call("add", AddArgs(paths=[service.file("a.jsonl", rows=400)]))).jobs
    wait_until(lambda: result(backend.call("status")).global_step > 2)
    return int(job.job_id)


def test_window_starts_the_service_and_is_told_what_happens(
    backend: Backend, service: RunningService, tmp_path: Path
) -> None:
    events = Heard(backend.stream, "event_received")
    states = Heard(backend.process, "state_changed")
    backend.start()
    connected(backend)
    assert states.values("state_changed") == [ConnectionState.STARTING, ConnectionState.CONNECTED]
    job_id = start_training(backend, service, tmp_path)
    told = events.values("event_received")
    assert isinstance(told[0], StatusChanged)
    states_of_job = [event.job.state for event in told if isinstance(event, JobChanged) and event.job.job_id == job_id]
    assert states_of_job[0] is JobState.CHECKING
    assert JobState.TRAINING in states_of_job
    assert result(backend.call("queue.list", QueueListArgs(limit=1))).num_jobs == 1
    assert any("Ready on port" in line for line in backend.process.log_tail(200))


def test_service_that_is_killed_is_there_again_and_training_goes_on(
    backend: Backend, service: RunningService, tmp_path: Path
) -> None:
    backend.start()
    pid = connected(backend)
    start_training(backend, service, tmp_path)
    trainer = result(backend.call("status")).trainer.pid
    heard = Heard(backend.stream, "opened", "lost", "reset_received")
    kill(pid)
    late = backend.call("pause")  # while nobody is there
    assert result(late).run_state == "paused"
    assert connected(backend) != pid
    assert heard.names() == ["lost", "opened"]
    assert result(backend.call("status")).trainer.pid == trainer
    assert num_services(backend) == 1


def test_guardian_and_service_that_are_killed_are_started_again_by_the_window(
    backend: Backend, service: RunningService, tmp_path: Path
) -> None:
    backend.start()
    pid = connected(backend)
    start_training(backend, service, tmp_path)
    before = result(backend.call("status"))
    ready = Heard(backend.process, "ready")
    kill(guardian_of(pid), pid)
    wait_until(lambda: ready.said)
    assert connected(backend) != pid
    after = result(backend.call("status"))
    assert after.trainer.pid == before.trainer.pid
    assert after.global_step >= before.global_step
    assert num_services(backend) == 1


def test_guardian_alone_may_be_killed_and_the_service_is_not_doubled(backend: Backend) -> None:
    backend.start()
    pid = connected(backend)
    kill(guardian_of(pid))
    turn(0.8)
    assert backend.process.state is ConnectionState.CONNECTED
    assert backend.process.pid == pid
    assert num_services(backend) == 1
    kill(pid)
    wait_until(lambda: backend.process.pid not in (None, pid))
    connected(backend)


def test_service_that_is_stopped_for_a_while_loses_nothing(backend: Backend) -> None:
    backend.start()
    pid = connected(backend)
    os.kill(pid, signal.SIGSTOP)
    try:
        reply = backend.call("pause")
        heard = Heard(reply, "done", "failed")
        turn(0.5)
        assert heard.said == []
        assert num_services(backend) == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: heard.said)
    assert heard.values("done")[0].run_state == "paused"
    assert backend.process.pid == pid


def test_second_window_finds_everything_as_it_is(backend: Backend, service: RunningService, tmp_path: Path) -> None:
    backend.start()
    pid = connected(backend)
    start_training(backend, service, tmp_path)
    backend.close()
    again = window(service)
    try:
        again.start()
        assert connected(again) == pid
        assert result(again.call("status")).job.file_name == "a.jsonl"
        assert num_services(again) == 1
    finally:
        again.close()


def test_two_windows_that_start_at_once_get_one_service(backend: Backend, service: RunningService) -> None:
    other = window(service)
    try:
        backend.start()
        other.start()
        assert connected(backend) == connected(other)
        turn(0.3)
        assert num_services(backend) == 1
        heard = Heard(other.stream, "event_received")
        result(backend.call("pause"))
        wait_until(lambda: any(isinstance(event, RunStateChanged) for event in heard.values("event_received")))
    finally:
        other.close()


def test_service_that_was_shut_down_stays_away_until_something_is_wished_for(backend: Backend) -> None:
    backend.start()
    connected(backend)
    result(backend.call("shutdown"))
    wait_until(lambda: backend.process.state is ConnectionState.GONE)
    heard = Heard(backend.call("status"), "done", "failed")
    wait_until(lambda: heard.said)
    assert heard.values("failed")[0].message == backend.process.sentence
    assert num_services(backend) == 0
    assert result(backend.call("pause")).run_state == "paused"
    connected(backend)


def test_everything_is_fetched_anew_when_the_database_is_another_one(backend: Backend, service: RunningService) -> None:
    backend.start()
    pid = connected(backend)
    result(backend.call("pause"))
    heard = Heard(backend.stream, "reset_received", "opened")
    kill(guardian_of(pid), pid)
    for path in service.workspace.root.glob("everstep.db*"):
        path.unlink()
    service.workspace.journal.unlink()
    wait_until(lambda: "reset_received" in heard.names())
    assert heard.names() == ["opened", "reset_received"]
    connected(backend)


def test_words_of_the_service_are_told_when_it_cannot_serve(backend: Backend, service: RunningService) -> None:
    service.workspace.config_file.write_text('{"training": {"learning_rate": "fast"}}')
    backend.start()
    wait_until(lambda: backend.process.state is ConnectionState.REFUSED)
    assert "config.json cannot be read" in backend.process.sentence
    heard = Heard(backend.call("queue.hold", JobArgs(job_ids=[1])), "done", "failed")
    wait_until(lambda: heard.said)
    assert "config.json" in heard.values("failed")[0].message
