"""The API as an ASGI application and the server that runs it on 127.0.0.1.

Routes come from the table of verbs. Everything a verb needs is behind the `Backend` handed in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

import msgspec
import uvicorn
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from backend.api.auth import MAX_BODY_BYTES, Gate, too_large
from backend.api.event_feed import EventFeed
from backend.contract.errors import BadInputError, ErrorBody, EverstepError, InternalError, ReportedError
from backend.contract.verbs import VERBS, Verb

log = logging.getLogger(__name__)

_FIRST_REQUEST_SECONDS = 10.0
_BODY_SECONDS = 30.0
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Ready(Struct, frozen=True, kw_only=True):
    """Answer of `/v1/ready`."""

    api_version: int
    program_version: str
    pid: int
    safe_mode: bool


class Backend(Protocol):
    """What the API needs of the service."""

    async def call(self, verb: Verb, args: Struct, *, key: str, is_minimal: bool = False) -> bytes:
        """Carry out a verb and return its encoded result; `key` is "" for verbs that change nothing.

        With `is_minimal` a change answers with nothing.
        """

    def ready(self) -> Ready:
        """Who answers here."""


def make_app(backend: Backend, feed: EventFeed, gate: Gate) -> ASGIApp:
    """The application, with the gate in front of everything."""
    routes = [_route(verb, backend) for verb in VERBS]

    async def ready(request: Request) -> Response:
        return _json(msgspec.json.encode(backend.ready()))

    async def events(request: Request) -> Response:
        frames = feed.stream(request.headers.get("last-event-id"))
        return StreamingResponse(frames, media_type="text/event-stream", headers=_HEADERS)

    routes += [Route("/v1/ready", ready, methods=["GET"]), Route("/v1/events", events, methods=["GET"])]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _on_http_error})
    app.router.redirect_slashes = False
    return _Gatekeeper(app, gate)


def _route(verb: Verb, backend: Backend) -> Route:
    async def answer(request: Request) -> Response:
        try:
            args = await _decode(verb, request)
            if not verb.changes:
                return _json(await backend.call(verb, args, key=""))
            wants_nothing = _prefers_minimal(request)
            answer = await backend.call(verb, args, key=_key(request), is_minimal=wants_nothing)
            return _json(answer) if answer and not wants_nothing else _nothing()
        except EverstepError as problem:
            return _error(problem.body())
        except Exception:  # an edge: whatever it was, the client gets an answer and the log the details
            log.exception("the verb %s failed", verb.name)
            return _error(InternalError(f"{verb.title} failed.", hint="The log says more: `logs`.").body())

    return Route(verb.path, answer, methods=["POST" if verb.changes else "GET"], name=verb.name)


async def _decode(verb: Verb, request: Request) -> Struct:
    try:
        if not verb.changes:
            return msgspec.convert(_query(verb.args, request), verb.args, strict=False)
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.body()
        return msgspec.json.decode(body or b"{}", type=verb.args)
    except msgspec.MsgspecError as problem:
        raise BadInputError(f"{verb.name}: {problem}.", hint=verb.help) from None
    except TimeoutError:
        raise BadInputError(f"{verb.name}: the request did not come to its end.") from None
    except _TooLargeError:
        raise ReportedError(too_large()) from None
    except RecursionError:
        raise BadInputError(f"{verb.name}: the request is nested too deeply.") from None


def _query(args: type[Struct], request: Request) -> dict[str, Any]:
    """Query parameters as the struct wants them: a list repeats its key, any other comes once."""
    lists = {field.name for field in msgspec.structs.fields(args) if _is_list(msgspec.inspect.type_info(field.type))}
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise BadInputError(f"{name} is given twice.")
        else:
            values[name] = value
    return values


def _is_list(kind: msgspec.inspect.Type) -> bool:
    inner = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    return isinstance(inner, msgspec.inspect.ListType)


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not 8 <= len(key) <= 128 or not key.isascii() or not key.isprintable():
        raise BadInputError(
            "A change needs a header Idempotency-Key of 8 to 128 characters.",
            hint="Use the same key when you send the same request again: it is carried out once.",
        )
    return key


def _prefers_minimal(request: Request) -> bool:
    """RFC 7240: a client that gets the change over the event stream needs no answer beyond that it was made."""
    wishes = ",".join(request.headers.getlist("prefer")).split(",")
    return any(wish.split(";")[0].replace(" ", "").lower() == "return=minimal" for wish in wishes)


def _nothing() -> Response:
    return Response(status_code=204, headers={**_HEADERS, "Preference-Applied": "return=minimal"})


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status_code=status, media_type="application/json", headers=_HEADERS)


def _error(body: ErrorBody) -> Response:
    return _json(msgspec.json.encode(body), body.status)


async def _on_http_error(request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    codes = {404: "not_found", 405: "method_not_allowed"}
    message = f"There is no {request.method} {request.url.path} here."
    body = ErrorBody(code=codes.get(status, "bad_request"), title="Not found", message=message, status=status)
    return _error(body)


class _Gatekeeper:
    """Asks the gate before anything else and counts the bytes of every body."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self._gate.refuse(scope["method"], scope["headers"])
        if refusal is not None:
            await _error(refusal)(scope, receive, send)
            return
        await self._app(scope, _limited(receive), send)


class _TooLargeError(Exception):
    """A body without a declared length went on for too long."""


def _limited(receive: Receive) -> Callable[[], Awaitable[Message]]:
    num_bytes = 0

    async def counted() -> Message:
        nonlocal num_bytes
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > MAX_BODY_BYTES:
            raise _TooLargeError
        return message

    return counted


class _ImpatientProtocol(H11Protocol):
    """Closes a connection that never sends a whole request head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(_FIRST_REQUEST_SECONDS, self._on_patience_ended)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _on_patience_ended(self) -> None:
        if self.cycle is None:
            self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: how we end is the service's affair. Nor does it look ten times a
    second whether it shall end: it is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.end_wanted = asyncio.Event()

    async def main_loop(self) -> None:
        await self.end_wanted.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class ApiServer:
    """Bound at once, so that the port is known; answers while `serve` runs."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server: _Server | None = None

    async def serve(self, app: ASGIApp) -> None:
        """Answer requests until `stop`."""
        config = uvicorn.Config(
            app,
            http=_ImpatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=32 * 1024,
        )
        self._server = _Server(config)
        await self._server.serve(sockets=[self._socket])

    @property
    def is_answering(self) -> bool:
        """Whether requests are taken."""
        return self._server is not None and self._server.started

    def stop(self) -> None:
        """Finish the requests at hand and return from `serve`."""
        if self._server is not None:
            self._server.should_exit = True
            self._server.end_wanted.set()
        else:
            self._socket.close()
