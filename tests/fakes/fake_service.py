"""A service without a service: answers the contract's routes on 127.0.0.1 with what a test put in.

It checks what the real one checks (token, Host, Origin, argument structs) and can misbehave on demand: drop
connections, answer errors, forget its token.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from backend.cli import service_process
from backend.contract.errors import EverstepError, NotFoundError
from backend.contract.events import ServiceEvent
from backend.contract.jobs import JobState, JobView, Priority
from backend.contract.status import Activity, Endpoint, ProcessView, RunState, StatusView
from backend.contract.verbs import API_VERSION, VERBS
from backend.formats.workspace import Workspace

Handler = Callable[[Any], Struct]


def job(job_id: int = 1, state: JobState = JobState.QUEUED, **more: Any) -> JobView:
    """A job with sensible values."""
    given = {
        "file_name": f"file_{job_id}.jsonl",
        "priority": Priority.NORMAL,
        "position": job_id - 1,
        "dataset_id": f"{job_id:064x}",
        "size_bytes": 1234,
        "added_at": 1.0,
        **more,
    }
    return JobView(job_id=job_id, state=state, **given)


def status(**more: Any) -> StatusView:
    """A status with sensible values."""
    given = {"workspace": "/somewhere", "activity": Activity.IDLE, "run_state": RunState.RUNNING, **more}
    return StatusView(**given)


class FakeService:
    """What it was asked, and what it answers: `answers[verb name]` is a struct, an error or a function."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.token = "t" * 43
        self.answers: dict[str, Struct | EverstepError | Handler] = {
            "status": status(service=ProcessView(pid=os.getpid(), started_at=1.0))
        }
        self.asked: list[tuple[str, Any]] = []
        self.keys: list[str] = []
        self.events: list[tuple[str, ServiceEvent]] = []
        self.num_to_drop = 0
        """So many requests are received and then cut off without an answer."""
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()
        self.write_endpoint()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.workspace.endpoint_file.unlink(missing_ok=True)

    def write_endpoint(self, **other: Any) -> Endpoint:
        """Write the endpoint file, with fields replaced as given."""
        values: dict[str, Any] = {
            "pid": os.getpid(),
            "create_time": service_process.create_time(os.getpid()),
            "boot_id": service_process.boot_id(),
            "port": self.port,
            "token": self.token,
            "api_version": API_VERSION,
            "program_version": "0",
            "started_at": 1.0,
            **other,
        }
        endpoint = Endpoint(**values)
        path = self.workspace.endpoint_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(endpoint))
        path.chmod(0o600)
        return endpoint

    def names(self) -> list[str]:
        """Names of the verbs asked for, in order."""
        return [name for name, _ in self.asked]

    def answer(self, name: str, args: Any) -> Struct:
        self.asked.append((name, args))
        if name not in self.answers:
            raise NotFoundError(f"The test gave no answer for {name}.")
        found = self.answers[name]
        if isinstance(found, EverstepError):
            raise found
        return found if isinstance(found, Struct) else found(args)


@contextmanager
def running(root: Path) -> Iterator[FakeService]:
    """A fake service of the workspace at `root`."""
    fake = FakeService(Workspace(root))
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()


class _Server(ThreadingHTTPServer):
    """Knows the fake it speaks for."""

    daemon_threads = True

    def __init__(self, fake: FakeService) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake


class _Handler(BaseHTTPRequestHandler):
    @property
    def fake(self) -> FakeService:
        return cast(_Server, self.server).fake

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silence."""

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if not self._allowed():
            return
        if path.path == "/v1/ready":
            ready = {"api_version": API_VERSION, "program_version": "0", "pid": os.getpid(), "safe_mode": False}
            self._send(200, json.dumps(ready).encode())
        elif path.path == "/v1/events":
            self._send_events()
        else:
            self._carry_out(path.path, lambda verb: _from_query(path.query, verb.args), changes=False)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._allowed():
            self.fake.keys.append(self.headers["Idempotency-Key"])
            if self.fake.num_to_drop:
                self.fake.num_to_drop -= 1
                self.close_connection = True
                return
            self._carry_out(self.path, lambda verb: msgspec.json.decode(body, type=verb.args), changes=True)

    def _allowed(self) -> bool:
        good = (
            self.headers["Authorization"] == f"Bearer {self.fake.token}"
            and self.headers["Host"] == f"127.0.0.1:{self.fake.port}"
            and self.headers["Origin"] is None
        )
        if not good:
            self._send(401, b"{}")
        return good

    def _carry_out(self, path: str, read: Callable[[Any], Any], *, changes: bool) -> None:
        verb = next((verb for verb in VERBS if verb.path == path and verb.changes == changes), None)
        try:
            if verb is None:
                raise NotFoundError(f"No route {path}.")
            self._send(200, msgspec.json.encode(self.fake.answer(verb.name, read(verb))))
        except EverstepError as problem:
            self._send(problem.status, msgspec.json.encode(problem.body()))

    def _send_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event_id, event in self.fake.events:
            head = f"id: {event_id}\n" if event_id else ""
            self.wfile.write(f"{head}data: {msgspec.json.encode(event).decode()}\n\n".encode())
        self.wfile.write(b": beat\n\n")

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _from_query(query: str, args: type[Struct]) -> Struct:
    given = parse_qs(query)
    fields = {field.name: field.type for field in msgspec.structs.fields(args)}
    is_list = {name: "list" in str(kind) for name, kind in fields.items()}
    return msgspec.convert({k: v if is_list.get(k) else v[0] for k, v in given.items()}, args, strict=False)
