"""A loopback server that says exactly what a test tells it to, byte by byte, however wrong."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from backend.contract.status import Endpoint
from backend.contract.verbs import API_VERSION
from gui.client import endpoint as endpoints

TOKEN = "t" * 43


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Asked, "Line"], None]


class Line:
    """One connection, to speak on."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def say(self, *pieces: bytes, pause_seconds: float = 0.0) -> None:
        for piece in pieces:
            self._connection.sendall(piece)
            time.sleep(pause_seconds)

    def answer(self, body: bytes, status: int = 200, kind: str = "application/json", more: str = "") -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        self.say(head.encode() + body)

    def open_stream(self) -> None:
        self.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n")

    def hold(self, seconds: float) -> None:
        """Say nothing, until the other side leaves or the time is over."""
        self._connection.settimeout(seconds)
        with suppress(OSError):
            self._connection.recv(1)


class RawService:
    """Answers by path: `paths["/v1/status"]` is a behaviour, or several to be used one after the other."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.asked: list[Asked] = []
        self.paths: dict[str, Behaviour | list[Behaviour]] = {"/v1/ready": answer_ready()}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_open = True
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def publish(self, **other: Any) -> None:
        """Write the endpoint file, with fields replaced as given."""
        values: dict[str, Any] = {
            "pid": os.getpid(),
            "create_time": endpoints.create_time(os.getpid()),
            "boot_id": endpoints.boot_id(),
            "port": self.port,
            "token": TOKEN,
            "api_version": API_VERSION,
            "program_version": "0.9",
            "started_at": 1.0,
            **other,
        }
        path = endpoints.endpoint_file(self.workspace)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.encode(Endpoint(**values)))

    def endpoint(self) -> Endpoint:
        """Where it listens, told directly."""
        return Endpoint(
            pid=os.getpid(),
            create_time=0,
            boot_id="",
            port=self.port,
            token=TOKEN,
            api_version=API_VERSION,
            program_version="0",
            started_at=0,
        )

    def asked_for(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.partition("?")[0] == path]

    def cut(self) -> None:
        """Break all connections."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def close(self) -> None:
        self._is_open = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while self._is_open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as lines:
            while (asked := _read_request(lines)) is not None:
                self.asked.append(asked)
                if not self._behave(asked, Line(connection)):
                    return

    def _behave(self, asked: Asked, line: Line) -> bool:
        """True while the connection stays."""
        path = asked.path.partition("?")[0]
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            line.answer(b'{"code":"unauthorized","title":"Not allowed","message":"Wrong token."}', 401)
            return True
        behaviour = self.paths[path]
        if isinstance(behaviour, list):
            behaviour = behaviour.pop(0) if len(behaviour) > 1 else behaviour[0]
        num_said = len(self.asked)
        behaviour(asked, line)
        return num_said > 0 and getattr(behaviour, "keeps", False)


def _read_request(lines: Any) -> Asked | None:
    first = lines.readline().decode().split()
    if len(first) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := lines.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = lines.read(int(headers.get("content-length", "0")))
    return Asked(first[0], first[1], headers, body)


def answer(value: Any, status: int = 200, **more: Any) -> Behaviour:
    """Answer with a struct, a JSON-able value or bytes."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)

    def behave(_asked: Asked, line: Line) -> None:
        line.answer(body, status, **more)

    behave.keeps = True  # type: ignore[attr-defined]
    return behave


def answer_ready(**other: Any) -> Behaviour:
    ready = {"api_version": API_VERSION, "program_version": "0.9", "pid": os.getpid(), "safe_mode": False, **other}
    return answer(json.dumps(ready).encode())


def drop(_asked: Asked, _line: Line) -> None:
    """Take the question and hang up."""


def say(*pieces: bytes, pause_seconds: float = 0.0) -> Behaviour:
    """These bytes and no others, then hang up."""
    return lambda _asked, line: line.say(*pieces, pause_seconds=pause_seconds)


def hold(_asked: Asked, line: Line) -> None:
    """Take the question and say nothing."""
    line.hold(20)


def stream(*pieces: bytes, then_hold: bool = True, pause_seconds: float = 0.0) -> Behaviour:
    """An event stream that says these pieces."""

    def behave(_asked: Asked, line: Line) -> None:
        line.open_stream()
        line.say(*pieces, pause_seconds=pause_seconds)
        if then_hold:
            line.hold(20)

    return behave
