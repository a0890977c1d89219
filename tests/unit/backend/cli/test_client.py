"""The client of the API, against a service that misbehaves on demand."""

from __future__ import annotations

import socket

import pytest

from backend.cli.client import Client, ask_ready, read_events
from backend.cli.service_process import read_endpoint
from backend.contract.arguments import AddArgs, JobArgs, MetricsArgs
from backend.contract.errors import ConflictError, InternalError, ReportedError, ServiceUnavailableError
from backend.contract.events import JobRemoved, RunStateChanged
from backend.contract.jobs import Priority
from backend.contract.results import AddResult, Done, MetricsResult, QueueResult
from tests.fakes.fake_service import FakeService, job


@pytest.fixture
def client(fake: FakeService) -> Client:
    return Client(lambda: read_endpoint(fake.workspace), patience_seconds=2.0)


def test_call_returns_the_result_struct_when_a_question_is_asked(fake: FakeService, client: Client) -> None:
    fake.answers["metrics"] = MetricsResult(rows=[])
    assert client.call("metrics", MetricsArgs(start=3, superseded=True)) == MetricsResult(rows=[])
    assert fake.asked == [("metrics", MetricsArgs(start=3, superseded=True))]


def test_call_posts_the_arguments_when_the_verb_changes_something(fake: FakeService, client: Client) -> None:
    fake.answers["add"] = AddResult(jobs=[job(7)])
    args = AddArgs(paths=["/a b", "/ü.jsonl"], priority=Priority.HIGH)
    assert client.call("add", args).jobs[0].job_id == 7
    assert fake.asked == [("add", args)]


def test_call_reuses_its_key_when_the_connection_breaks(fake: FakeService, client: Client) -> None:
    fake.answers["queue.hold"] = QueueResult(jobs=[])
    fake.num_to_drop = 2
    client.call("queue.hold", JobArgs(job_ids=[1]))
    assert len(fake.keys) == 3
    assert len(set(fake.keys)) == 1
    assert fake.names() == ["queue.hold"]


def test_call_uses_a_new_key_each_time(fake: FakeService, client: Client) -> None:
    fake.answers["pause"] = fake.answers["status"]
    client.call("pause")
    client.call("pause")
    assert len(set(fake.keys)) == 2


def test_call_finds_the_new_service_when_port_and_token_changed(fake: FakeService) -> None:
    now = read_endpoint(fake.workspace)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead_port = unused.getsockname()[1]
    fake.write_endpoint(port=dead_port)
    before = read_endpoint(fake.workspace)
    fake.write_endpoint(token="old")
    outdated = read_endpoint(fake.workspace)
    seen = iter([before, None, outdated])
    client = Client(lambda: next(seen, now), patience_seconds=5.0)
    assert client.call("status").workspace == "/somewhere"


def test_call_raises_the_services_words_when_it_refuses(fake: FakeService, client: Client) -> None:
    fake.answers["queue.undo"] = ConflictError("Nothing to undo.", hint="Change something first.")
    with pytest.raises(ReportedError) as caught:
        client.call("queue.undo")
    assert caught.value.body() == ConflictError("Nothing to undo.", hint="Change something first.").body()
    assert len(fake.keys) == 1


def test_call_gives_up_with_a_sentence_when_nobody_answers() -> None:
    client = Client(lambda: None, patience_seconds=0.05)
    with pytest.raises(ServiceUnavailableError, match="does not answer"):
        client.call("status")


def test_call_asks_no_proxy_when_the_environment_names_one(
    fake: FakeService, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client.call("status").workspace == "/somewhere"


def test_call_says_internal_when_the_error_is_not_ours(fake: FakeService, client: Client) -> None:
    def broken(_args: object) -> Done:
        raise InternalError("Ours.", code="odd")

    fake.answers["evaluate"] = broken
    with pytest.raises(ReportedError) as caught:
        client.call("evaluate")
    assert caught.value.body().code == "odd"


def test_events_carry_their_ids_until_the_service_goes_away(fake: FakeService, client: Client) -> None:
    removed = JobRemoved(at=1.0, job_id=4)
    gauge = RunStateChanged(at=2.0, run_state="paused")
    fake.events = [("e-1", removed), ("", gauge)]
    assert list(client.events()) == [("e-1", removed), ("", gauge)]


def test_events_of_a_newer_service_are_passed_over() -> None:
    lines = [b'data: {"kind":"from_the_future","at":1}\n', b"\n", b'data: {"kind":"job_removed",\n']
    lines += [b'data: "at":1,"job_id":2}\r\n', b": a comment\n", b"\n"]
    assert list(read_events(lines)) == [("", JobRemoved(at=1.0, job_id=2))]


def test_ask_ready_is_none_when_nobody_listens(fake: FakeService) -> None:
    endpoint = fake.write_endpoint()
    assert ask_ready(endpoint) is not None
    fake.token = "another"
    assert ask_ready(endpoint) is None
