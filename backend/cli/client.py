"""Asks the service over HTTP on 127.0.0.1. Knows routes and errors, nothing of what the verbs mean.

A service may be away for a moment because its guardian restarts it. A call that could not be delivered is then
sent again to wherever the service listens now, with the same idempotency key, so it is carried out once.
"""

from __future__ import annotations

import http.client
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from backend.contract.errors import ErrorBody, InternalError, ReportedError, ServiceUnavailableError
from backend.contract.events import AnyServiceEvent
from backend.contract.status import Endpoint
from backend.contract.verbs import API_VERSION, BY_NAME, Verb

HOST = "127.0.0.1"
READ_SECONDS = 30.0
"""How long an answer to a question may take."""
CHANGE_SECONDS = 900.0
"""How long a change may take: `add` copies and hashes whole files before it answers."""
_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6)
_NOT_DELIVERED = (ConnectionError, http.client.HTTPException)
_DECODER: msgspec.json.Decoder[AnyServiceEvent] = msgspec.json.Decoder(AnyServiceEvent)


class Ready(Struct, frozen=True, kw_only=True):
    """What `/v1/ready` says."""

    api_version: int
    program_version: str
    pid: int
    safe_mode: bool = False


class Client:
    """Calls verbs of one service. `locate` says where it listens now, or None while it does not."""

    def __init__(self, locate: Callable[[], Endpoint | None], *, patience_seconds: float = 20.0) -> None:
        self._locate = locate
        self._patience_seconds = patience_seconds

    def call(self, name: str, args: Struct | None = None) -> Any:
        """Carry out a verb and return its result struct.

        Raises ReportedError with the service's own words, ServiceUnavailableError when nobody answers.
        """
        verb = BY_NAME[name]
        return msgspec.json.decode(self._ask(verb, args if args is not None else verb.args()), type=verb.result)

    def events(self, last_id: str = "") -> Iterator[tuple[str, AnyServiceEvent]]:
        """Events as they come, each with its id ('' for gauges). Ends when the service goes away."""
        endpoint = self._locate()
        if endpoint is None:
            raise _nobody_answers()
        with closing(_connect(endpoint, READ_SECONDS)) as connection:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                connection.request("GET", "/v1/events", headers={**_headers(endpoint), **headers})
                answer = connection.getresponse()
                if answer.status != 200:
                    raise ReportedError(_error_body(answer.status, answer.read()))
                yield from read_events(answer)
            except (OSError, http.client.HTTPException):
                return

    def _ask(self, verb: Verb, args: Struct) -> bytes:
        key = uuid.uuid4().hex
        give_up_at = time.monotonic() + self._patience_seconds
        pauses = iter(_PAUSES_SECONDS)
        while True:
            endpoint = self._locate()
            trouble: Exception | None = None
            if endpoint is not None:
                try:
                    status, body = _exchange(endpoint, verb, args, key)
                    if status == 200:
                        return body
                    if status != 401:  # 401: a new service, a new token
                        raise ReportedError(_error_body(status, body))
                except TimeoutError as problem:
                    raise ServiceUnavailableError(
                        f"The service (process {endpoint.pid}) took the question but does not answer.",
                        hint="`logs` shows what it does.",
                    ) from problem
                except _NOT_DELIVERED as problem:
                    trouble = problem
            pause = next(pauses, _PAUSES_SECONDS[-1])
            if time.monotonic() + pause > give_up_at:
                raise _nobody_answers() from trouble
            time.sleep(pause)


def ask_ready(endpoint: Endpoint, timeout_seconds: float = 2.0) -> Ready | None:
    """What the service at this address says of itself; None when nobody answers there."""
    try:
        with closing(_connect(endpoint, timeout_seconds)) as connection:
            connection.request("GET", "/v1/ready", headers=_headers(endpoint))
            answer = connection.getresponse()
            body = answer.read()
            return msgspec.json.decode(body, type=Ready) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, msgspec.MsgspecError):
        return None


def read_events(lines: Any) -> Iterator[tuple[str, AnyServiceEvent]]:
    """Decode server-sent events from an iterable of lines; kinds of a newer service are passed over."""
    event_id, data = "", []
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "id":
            event_id = value
        elif not line:
            event = _decode("\n".join(data)) if data else None
            if event is not None:
                yield event_id, event
            event_id, data = "", []


def _decode(data: str) -> AnyServiceEvent | None:
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError:
        return None


def _exchange(endpoint: Endpoint, verb: Verb, args: Struct, key: str) -> tuple[int, bytes]:
    with closing(_connect(endpoint, CHANGE_SECONDS if verb.changes else READ_SECONDS)) as connection:
        if verb.changes:
            headers = {**_headers(endpoint), "Content-Type": "application/json", "Idempotency-Key": key}
            connection.request("POST", verb.path, body=msgspec.json.encode(args), headers=headers)
        else:
            connection.request("GET", verb.path + _query(args), headers=_headers(endpoint))
        answer = connection.getresponse()
        return answer.status, answer.read()


def _connect(endpoint: Endpoint, timeout_seconds: float) -> http.client.HTTPConnection:
    # http.client asks no proxy, whatever the environment says.
    return http.client.HTTPConnection(HOST, endpoint.port, timeout=timeout_seconds)


def _headers(endpoint: Endpoint) -> dict[str, str]:
    return {"Authorization": f"Bearer {endpoint.token}", "Accept": "application/json"}


def _query(args: Struct) -> str:
    pairs: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(args).items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    return "?" + urlencode(pairs) if pairs else ""


def _error_body(status: int, body: bytes) -> ErrorBody:
    try:
        return msgspec.json.decode(body, type=ErrorBody)
    except msgspec.MsgspecError:
        return InternalError(
            f"The service answered {status} without saying why.",
            hint=f"Is it of the same version as this program (API {API_VERSION})?",
        ).body()


def _nobody_answers() -> ServiceUnavailableError:
    return ServiceUnavailableError(
        "The service of this workspace does not answer, and did not come back while we waited.",
        hint="`logs` shows its last words; the same command again starts a new one.",
    )
