"""Calls arrive once, their answers are understood or said not to be, and nobody waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from PySide6.QtNetwork import QNetworkProxy

from backend.contract.arguments import HistoryArgs, JobArgs, QueueListArgs
from backend.contract.errors import ErrorBody, NotFoundError
from backend.contract.results import Done, HistoryResult, QueueResult
from backend.contract.status import Endpoint
from gui.client import service_client
from gui.client.service_client import Reply, ServiceClient
from tests.unit.gui.client.conftest import Heard, turn, wait_until
from tests.unit.gui.client.raw_service import RawService, answer, drop, hold, say
from tests.unit.gui.client.test_decoding import many_jobs


def finish(reply: Reply, seconds: float = 10.0) -> Any:
    """The result, or the error body, of a call."""
    heard = Heard(reply, "done", "failed")
    wait_until(lambda: heard.said, seconds)
    turn(0.02)
    assert len(heard.said) == 1, heard.said
    return heard.said[0][1]


@pytest.fixture
def client(raw: RawService) -> ServiceClient:
    return ServiceClient(raw.endpoint, patience_seconds=1.0, read_seconds=0.4)


def test_question_is_asked_with_its_arguments_and_the_token(raw: RawService, client: ServiceClient) -> None:
    raw.paths["/v1/history"] = answer(HistoryResult(first_step=1, last_step=9))
    result = finish(client.call("history", HistoryArgs(start=5, buckets=100)))
    assert result == HistoryResult(first_step=1, last_step=9)
    (asked,) = raw.asked
    assert (asked.method, asked.path) == ("GET", "/v1/history?start=5&buckets=100")
    assert asked.headers["host"] == f"127.0.0.1:{raw.port}"
    assert not {"origin", "referer", "cookie", "upgrade"} & set(asked.headers)


def test_arguments_keep_their_meaning_when_they_are_lists_switches_or_strange(
    raw: RawService, client: ServiceClient
) -> None:
    raw.paths["/v1/queue/list"] = answer(QueueResult(jobs=[]))
    finish(client.call("queue.list", QueueListArgs(every=False, offset=3)))
    assert raw.asked[0].path == "/v1/queue/list?every=false&offset=3"
    strange = service_client._query(JobArgs(job_ids=[1, 2]))
    assert strange == "?job_ids=1&job_ids=2"


def test_change_is_sent_as_json_with_a_key(raw: RawService, client: ServiceClient) -> None:
    raw.paths["/v1/queue/hold"] = answer(QueueResult(jobs=[]))
    assert finish(client.call("queue.hold", JobArgs(job_ids=[1]))) == QueueResult(jobs=[])
    (asked,) = raw.asked
    assert (asked.method, asked.body) == ("POST", b'{"job_ids":[1]}')
    assert asked.headers["content-type"] == "application/json"
    assert len(asked.headers["idempotency-key"]) == 32
    assert "prefer" not in asked.headers


def test_minimal_answer_is_none(raw: RawService, client: ServiceClient) -> None:
    raw.paths["/v1/queue/hold"] = answer(b"", 204)
    assert finish(client.call("queue.hold", JobArgs(job_ids=[1]), minimal=True)) is None
    assert raw.asked[0].headers["prefer"] == "return=minimal"


def test_change_is_sent_again_with_the_same_key_when_the_connection_breaks(
    raw: RawService, client: ServiceClient
) -> None:
    client.patience_seconds = 15.0
    half = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"done": "lo'
    raw.paths["/v1/evaluate"] = [drop, say(half), say(b""), answer(Done(done="yes"))]
    assert finish(client.call("evaluate")) == Done(done="yes")
    keys = {asked.headers["idempotency-key"] for asked in raw.asked}
    assert len(keys) == 1
    assert len(raw.asked) >= 4


def test_half_an_answer_is_never_taken_for_the_answer(
    raw: RawService, client: ServiceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_client, "_PAUSES_SECONDS", (0.005,))
    client.patience_seconds = 15.0
    half = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"done": "lo'
    for _ in range(40):  # now and then Qt reports no error
        raw.paths["/v1/evaluate"] = [drop, say(half), say(half), answer(Done(done="yes"))]
        assert finish(client.call("evaluate")) == Done(done="yes")


def test_two_calls_have_two_keys(raw: RawService, client: ServiceClient) -> None:
    raw.paths["/v1/evaluate"] = answer(Done(done="yes"))
    finish(client.call("evaluate"))
    finish(client.call("evaluate"))
    assert len({asked.headers["idempotency-key"] for asked in raw.asked}) == 2


def test_endpoint_is_read_again_when_the_token_is_wrong(raw: RawService) -> None:
    raw.paths["/v1/evaluate"] = answer(Done(done="yes"))
    right = raw.endpoint()
    told: list[Endpoint] = [msgspec.structs.replace(right, token="old"), msgspec.structs.replace(right, token="old")]
    client = ServiceClient(lambda: told.pop() if told else right)
    assert finish(client.call("evaluate")) == Done(done="yes")
    assert [asked.headers["authorization"] for asked in raw.asked[:2]] == ["Bearer old"] * 2


def test_refusal_is_told_when_the_token_stays_wrong(raw: RawService) -> None:
    wrong = msgspec.structs.replace(raw.endpoint(), token="wrong")
    body = finish(ServiceClient(lambda: wrong).call("status"))
    assert (body.code, body.message) == ("unauthorized", "Wrong token.")
    assert len(raw.asked) == service_client._MAX_WRONG_TOKENS + 1


def test_reason_of_the_service_is_passed_on(raw: RawService, client: ServiceClient) -> None:
    refusal = NotFoundError("There is no job 7.", hint="`queue list` shows them.").body()
    raw.paths["/v1/queue/hold"] = answer(refusal, 404)
    assert finish(client.call("queue.hold", JobArgs(job_ids=[7]))) == refusal


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>it works</html>"),
        (200, b""),
        (200, b'{"jobs": 3}'),
        (200, b"[]"),
        (200, b"\xff\xfe"),
        (200, b"[" * 200_000),
        (302, b""),
        (400, b"what?"),
        (404, b"[]"),
        (500, b'{"code": 1}'),
        (503, b"\x00\xff"),
    ],
)
def test_answer_that_makes_no_sense_is_a_failure_with_a_sentence(
    raw: RawService, client: ServiceClient, status: int, body: bytes
) -> None:
    raw.paths["/v1/queue/list"] = answer(body, status, more="Location: /v1/elsewhere\r\n")
    found = finish(client.call("queue.list"))
    assert isinstance(found, ErrorBody)
    assert found.code == "not_understood"
    assert f"({status})" in found.message
    assert len(raw.asked) == 1, "a redirect was followed, or the question asked twice"


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01garbage\r\n\r\n", b"HTTP/1.1 hello\r\n\r\n"])
def test_nobody_is_said_to_answer_when_something_else_listens(
    raw: RawService, client: ServiceClient, garbage: bytes
) -> None:
    raw.paths["/v1/status"] = say(garbage)
    client.patience_seconds = 0.3
    found = finish(client.call("status"))
    assert isinstance(found, ErrorBody)
    assert found.code in ("service_unavailable", "not_understood")


def test_question_is_given_up_when_the_service_took_it_and_says_nothing(raw: RawService, client: ServiceClient) -> None:
    raw.paths["/v1/status"] = hold
    found = finish(client.call("status"))
    assert found.code == "service_unavailable"
    assert "took the question" in found.message
    assert len(raw.asked) == 1


def test_slow_answer_is_waited_for_as_long_as_bytes_come(raw: RawService, client: ServiceClient) -> None:
    body = msgspec.json.encode(QueueResult(jobs=[], num_jobs=1))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    pieces = [head, *(bytes([one]) for one in body)]
    raw.paths["/v1/queue/list"] = say(*pieces, pause_seconds=0.03)  # longer than read_seconds together
    assert finish(client.call("queue.list")) == QueueResult(jobs=[], num_jobs=1)


@pytest.mark.parametrize("find", [lambda: None, "closed port"])
def test_call_fails_with_a_sentence_when_nobody_comes_back(raw: RawService, find: Callable[[], None] | str) -> None:
    endpoint = raw.endpoint()
    if isinstance(find, str):
        raw.close()
    client = ServiceClient((lambda: endpoint) if isinstance(find, str) else find, patience_seconds=0.4)
    unreachable = Heard(client, "unreachable")
    found = finish(client.call("status"))
    assert found.code == "service_unavailable"
    assert "did not come back" in found.message
    assert unreachable.said


def test_call_waits_for_a_service_that_comes(raw: RawService) -> None:
    raw.paths["/v1/evaluate"] = answer(Done(done="yes"))
    there: list[Endpoint] = []
    client = ServiceClient(lambda: there[0] if there else None)
    heard = Heard(client.call("evaluate"), "done", "failed")
    turn(0.4)  # the pauses have become long
    there.append(raw.endpoint())
    asked_at = time.monotonic()
    client.try_again_now()
    wait_until(lambda: heard.said)
    assert heard.values("done") == [Done(done="yes")]
    assert time.monotonic() - asked_at < 0.3


def test_call_fails_at_once_but_never_before_its_reply_is_known_when_waiting_makes_no_sense(raw: RawService) -> None:
    reason = ErrorBody(code="other_version", title="No", message="It is older.")
    client = ServiceClient(raw.endpoint, why_not=lambda: reason)
    heard = Heard(client.call("status"), "done", "failed")
    assert heard.said == []
    wait_until(lambda: heard.said)
    assert heard.said == [("failed", reason)]
    assert raw.asked == []


def test_nothing_is_said_after_a_call_was_cancelled(raw: RawService, client: ServiceClient) -> None:
    raw.paths |= {"/v1/status": hold, "/v1/queue/list": hold}
    replies = [client.call("status"), client.call("queue.list")]
    heard = [Heard(reply, "done", "failed") for reply in replies]
    turn(0.05)
    for reply in replies:
        reply.cancel()
        reply.cancel()
    turn(0.6)
    assert [one.said for one in heard] == [[], []]
    assert client.num_calls == 0


def test_call_can_be_cancelled_while_it_waits_for_a_service(raw: RawService) -> None:
    client = ServiceClient(lambda: None, patience_seconds=0.3)
    reply = client.call("status")
    heard = Heard(reply, "done", "failed")
    reply.cancel()
    turn(0.5)
    assert heard.said == []


def test_no_proxy_is_asked(raw: RawService) -> None:
    proxy = QNetworkProxy(QNetworkProxy.ProxyType.HttpProxy, "127.0.0.1", 9)
    QNetworkProxy.setApplicationProxy(proxy)
    try:
        raw.paths["/v1/evaluate"] = answer(Done(done="yes"))
        assert finish(ServiceClient(raw.endpoint, patience_seconds=0.3).call("evaluate")) == Done(done="yes")
    finally:
        QNetworkProxy.setApplicationProxy(QNetworkProxy(QNetworkProxy.ProxyType.NoProxy))


def test_large_answer_arrives_whole(raw: RawService, client: ServiceClient) -> None:
    queue = many_jobs(8000)
    raw.paths["/v1/queue/list"] = answer(queue)
    assert finish(client.call("queue.list")) == queue


def test_answer_without_end_is_cut_off(raw: RawService, client: ServiceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_client, "MAX_ANSWER_BYTES", 1 << 20)
    raw.paths["/v1/queue/list"] = say(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * (1 << 16)] * 1000)
    found = finish(client.call("queue.list"))
    assert "larger than 1 MB" in found.message


def test_calls_are_forgotten_when_they_are_over(raw: RawService, client: ServiceClient) -> None:
    raw.paths["/v1/evaluate"] = answer(Done(done="yes"))
    for _ in range(20):
        finish(client.call("evaluate"))
    assert client.num_calls == 0


def test_reply_may_be_dropped_while_its_call_goes_on(raw: RawService, client: ServiceClient) -> None:
    raw.paths["/v1/evaluate"] = answer(Done(done="yes"))
    said: list[Any] = []
    client.call("evaluate").done.connect(said.append)
    wait_until(lambda: said)
    assert said == [Done(done="yes")]
