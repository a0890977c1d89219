"""The API over real sockets: routes, refusals, idempotency, the event stream."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import stat
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.contract.verbs import VERBS, Protection
from tests.integration.conftest import RunningService, VerbError


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service for all tests here: none of them ends it."""
    tmp = tmp_path_factory.mktemp("api")
    service = RunningService(tmp / "workspace")
    service.configure(validation_max_rows=0)
    try:
        service.start()
        service.base(tmp)
        service.call("stop", now=True)
        yield service
    finally:
        service.close()


def with_token(api: RunningService, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.endpoint['token']}", "Content-Type": "application/json"} | more


def test_endpoint_file_is_for_our_eyes_only(api: RunningService) -> None:
    state = api.workspace.endpoint_file.stat()
    assert stat.S_IMODE(state.st_mode) == 0o600
    assert stat.S_IMODE(api.workspace.status.stat().st_mode) == 0o700
    assert len(api.endpoint["token"]) >= 43


def test_token_is_in_no_other_file(api: RunningService) -> None:
    token = api.endpoint["token"].encode()
    files = [path for path in api.workspace.root.rglob("*") if path.is_file() and path.name != "endpoint.json"]
    assert [path for path in files if token in path.read_bytes()] == []


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_verbs_answer_on_their_route_with_one_method_only(api: RunningService, verb: Any) -> None:
    assert verb.protection in Protection
    wrong = "GET" if verb.changes else "POST"
    for method in {wrong, "PUT", "DELETE", "PATCH", "OPTIONS"}:
        status, _ = api.request(method, verb.path, b"{}", with_token(api))
        assert status == 405, method
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        status, body = api.request(method, verb.path, b"{}", {"Content-Type": "application/json"})
        assert status == 401, method
        assert json.loads(body)["code"] == "unauthorized"
    if not verb.changes and not verb.args.__struct_fields__:
        status, body = api.request("GET", verb.path, None, with_token(api))
        assert status == 200, body


def test_unknown_routes_are_not_found(api: RunningService) -> None:
    for path in ("/", "/v1", "/v1/nonsense", "/v2/status", "/v1/status/", "/docs", "/openapi.json"):
        status, body = api.request("GET", path, None, with_token(api))
        assert (status, json.loads(body)["code"]) == (404, "not_found"), path


def test_answers_carry_no_invitation_for_web_pages(api: RunningService) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.endpoint["port"])
    with contextlib.closing(connection):
        connection.request("GET", "/v1/status", headers=with_token(api))
        answer = connection.getresponse()
        answer.read()
        names = {name.lower() for name, _ in answer.getheaders()}
    assert not any(name.startswith("access-control") for name in names)
    assert not names & {"set-cookie", "server", "x-powered-by"}
    assert answer.getheader("Cache-Control") == "no-store"


def test_request_with_a_wrong_host_is_refused(api: RunningService) -> None:
    status, _ = api.request("GET", "/v1/status", None, with_token(api, Host="evil.example"))
    assert status == 403


@pytest.mark.parametrize(
    "body",
    [b"[]", b"nonsense", b'{"paths": 3}', b'{"paths": ["x"], "unknown": 1}', b'{"paths": ["x"], "priority": "top"}',
     b"[" * 100_000, b"\xff\xfe", b"null"],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_named(api: RunningService, body: bytes) -> None:
    status, answer = api.request("POST", "/v1/add", body, with_token(api, **{"Idempotency-Key": uuid.uuid4().hex}))
    assert status == 400
    assert json.loads(answer)["code"] == "bad_input"


@pytest.mark.parametrize("query", ["start=x", "nonsense=1", "start=1&start=2", "limit="])
def test_queries_that_make_no_sense_are_named(api: RunningService, query: str) -> None:
    status, answer = api.request("GET", f"/v1/metrics?{query}", None, with_token(api))
    assert status == 400
    assert json.loads(answer)["code"] == "bad_input"


@pytest.mark.parametrize("key", [None, "short", "x" * 129, "tab\tinside"])
def test_change_needs_an_idempotency_key(api: RunningService, key: str | None) -> None:
    more = {"Idempotency-Key": key} if key else {}
    status, answer = api.request("POST", "/v1/evaluate", b"{}", with_token(api, **more))
    assert status == 400
    assert "Idempotency-Key" in json.loads(answer)["message"]


def test_body_over_the_limit_is_refused_declared_or_not(api: RunningService) -> None:
    headers = with_token(api, **{"Idempotency-Key": uuid.uuid4().hex})
    connection = http.client.HTTPConnection("127.0.0.1", api.endpoint["port"])
    with contextlib.closing(connection):
        connection.request("POST", "/v1/add", iter([b" " * 500_000] * 3), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    with socket.create_connection(("127.0.0.1", api.endpoint["port"]), timeout=10) as raw:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Host: 127.0.0.1:{api.endpoint['port']}", "Content-Length: 1000001"]
        raw.sendall(("POST /v1/add HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode())
        assert b" 413 " in raw.recv(100)


def test_change_sent_twice_with_one_key_happens_once(api: RunningService) -> None:
    path, key = api.file("twice.jsonl"), uuid.uuid4().hex
    first = api.call("add", idempotency_key=key, paths=[path])
    assert api.call("add", idempotency_key=key, paths=[path]) == first
    api.kill()
    api.start()
    assert api.call("add", idempotency_key=key, paths=[path]) == first, "also after the service was killed"
    assert sum(job["file_name"] == "twice.jsonl" for job in api.call("queue.list")["jobs"]) == 1
    assert api.call("add", paths=[path])["jobs"][0]["job_id"] != first["jobs"][0]["job_id"]


def test_change_answers_with_nothing_when_nothing_is_preferred(api: RunningService) -> None:
    (job_id,) = api.add(api.file("quiet.jsonl"))
    headers = with_token(api, Prefer="respond-async, return=minimal", **{"Idempotency-Key": uuid.uuid4().hex})
    body = json.dumps({"job_ids": [job_id]}).encode()
    assert api.request("POST", "/v1/queue/remove", body, headers) == (204, b"")
    assert api.request("POST", "/v1/queue/remove", body, headers) == (204, b""), "the same call again"
    assert job_id not in [job["job_id"] for job in api.call("queue.list")["jobs"]]
    headers = with_token(api, Prefer="return=minimal", **{"Idempotency-Key": uuid.uuid4().hex})
    status, answer = api.request("POST", "/v1/queue/remove", b'{"job_ids": [99999]}', headers)
    assert (status, json.loads(answer)["code"]) == (404, "not_found"), "a refusal is told all the same"
    api.call("queue.undo")
    assert api.job(job_id)["file_name"] == "quiet.jsonl"


def test_queue_is_listed_in_pages(api: RunningService) -> None:
    api.add(*(api.file(f"page{number}.jsonl", rows=5) for number in range(5)))
    whole = api.call("queue.list")
    assert whole["num_jobs"] == len(whole["jobs"]) >= 5
    pages = [api.call("queue.list", offset=offset, limit=2) for offset in range(0, whole["num_jobs"], 2)]
    assert {page["num_jobs"] for page in pages} == {whole["num_jobs"]}
    assert [job["job_id"] for page in pages for job in page["jobs"]] == [job["job_id"] for job in whole["jobs"]]
    status, _ = api.request("GET", "/v1/queue/list?offset=-1", None, with_token(api))
    assert status == 400


def test_status_tells_machine_and_what_undo_would_do(api: RunningService) -> None:
    (job_id,) = api.add(api.file("undone.jsonl"))
    api.until_state(job_id, "queued")
    api.call("queue.hold", job_ids=[job_id])
    view = api.call("status")
    assert view["can_undo"].startswith("hold")
    machine = view["machine"]
    assert 0 < machine["memory_used_bytes"] <= machine["memory_total_bytes"]
    assert machine["disk_free_bytes"] > 0
    assert 0 <= machine["cpu_percent"] <= 100
    api.call("queue.undo")
    assert api.call("status")["can_redo"].startswith("hold")


def test_events_lists_what_happened_oldest_first(api: RunningService) -> None:
    api.call("resume")
    api.call("stop", now=True)
    told = api.call("events")["events"]
    assert [event["at"] for event in told] == sorted(event["at"] for event in told)
    states = [event["run_state"] for event in told if event["kind"] == "run_state_changed"]
    assert states[-2:] == ["running", "stopped"]
    assert api.call("events", limit=1)["events"] == told[-1:]


def test_changes_sent_at_the_same_time_with_one_key_happen_once(api: RunningService) -> None:
    path, key = api.file("crowd.jsonl", rows=5000), uuid.uuid4().hex
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(api.call("add", idempotency_key=key, paths=[path])))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert all(answer == answers[0] for answer in answers)
    assert sum(job["file_name"] == "crowd.jsonl" for job in api.call("queue.list")["jobs"]) == 1


def test_errors_of_a_verb_come_with_their_own_status(api: RunningService) -> None:
    with pytest.raises(VerbError) as refused:
        api.call("queue.hold", job_ids=[99_999])
    assert (refused.value.status, refused.value.body["code"]) == (404, "not_found")


def test_half_a_request_does_not_hold_up_others(api: RunningService) -> None:
    with socket.create_connection(("127.0.0.1", api.endpoint["port"])) as silent:
        silent.sendall(b"GET /v1/status HTTP/1.1\r\nHost:")
        assert api.call("status")["workspace"] == str(api.workspace.root)


class Stream:
    """One connection to the event stream."""

    def __init__(self, api: RunningService, last_id: str | None = None) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", api.endpoint["port"], timeout=10)
        more = {"Last-Event-ID": last_id} if last_id else {}
        self.connection.request("GET", "/v1/events", headers=with_token(api, **more))
        self.answer = self.connection.getresponse()
        assert self.answer.getheader("Content-Type", "").startswith("text/event-stream")

    def close(self) -> None:
        self.answer.close()
        self.connection.close()

    def next(self) -> dict[str, Any]:
        frame: dict[str, Any] = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            frame[name] = json.loads(value) if name == "data" else value
        return frame

    def until(self, kind: str) -> dict[str, Any]:
        while (frame := self.next()).get("event") != kind:
            assert frame, "the stream ended"
        return frame


def test_events_are_told_and_replayed(api: RunningService) -> None:
    stream = Stream(api)
    start = stream.next()
    assert start["event"] == "status_changed"
    (job_id,) = api.add(api.file("told.jsonl"))
    seen = stream.until("job_changed")
    assert seen["data"]["job"]["job_id"] == job_id
    stream.close()
    api.call("queue.hold", job_ids=[job_id])
    again = Stream(api, start["id"])
    replayed = again.until("job_changed")
    assert replayed == seen, "the same event under the same id"
    while replayed["data"]["job"]["state"] != "held":
        replayed = again.until("job_changed")
    again.close()


def test_event_of_another_epoch_gets_reset(api: RunningService) -> None:
    stream = Stream(api, "otherepoch-1")
    assert stream.next()["event"] == "reset"
    assert stream.next()["event"] == "status_changed"
    stream.close()


def test_slow_listener_holds_nobody_up(api: RunningService, tmp_path: Path) -> None:
    with contextlib.closing(Stream(api)):  # never read again
        for number in range(5):
            api.add(api.file(f"slow{number}.jsonl", rows=10))
        assert api.call("status")["service"]["pid"] == api.process.pid


def test_open_streams_end_with_the_service_and_nothing_is_complained_of(service: RunningService) -> None:
    service.start()
    stream = Stream(service)
    stream.next()
    assert service.terminate() == 0
    while stream.next():
        pass
    stream.close()
    log = "".join(path.read_text() for path in service.workspace.logs.glob("*.log"))
    assert " ERROR " not in log
    assert " WARNING " not in log


def test_service_that_may_leave_stays_while_somebody_listens(service: RunningService) -> None:
    service.start("--linger", "0.5")
    stream = Stream(service)
    with pytest.raises(subprocess.TimeoutExpired):
        service.wait(2.0)
    stream.close()
    assert service.wait() == 0


def test_gauges_come_at_most_once_a_second_and_only_when_something_changed(running_service: RunningService) -> None:
    with contextlib.closing(Stream(running_service)) as stream:
        stream.until("status_changed")
        begun = time.monotonic()
        num_told = 0
        while time.monotonic() - begun < 5:  # the machine's load is news every two seconds, nothing else is
            num_told += stream.next().get("event") == "status_changed"
        assert num_told <= 5


def test_machine_is_not_looked_at_when_nobody_listens(running_service: RunningService) -> None:
    last = running_service.workspace.last_status_file
    running_service.call("pause")
    view = running_service.until(
        lambda: (found := json.loads(last.read_bytes())) and found["run_state"] == "paused" and found
    )
    assert view["machine"] is None
