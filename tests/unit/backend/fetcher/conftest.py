"""A local stand-in for the few Hub endpoints the client uses, and a way to run the fetcher against it."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import huggingface_hub.constants
import pytest

from backend.contract.errors import EverstepError
from backend.contract.models import FetchRequest
from backend.fetcher.fetch import fetch

COMMIT = "a" * 40


@dataclass
class Hub:
    """What the stand-in serves and what it saw."""

    endpoint: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    """Repository to (status, headers) of the refusal."""
    break_after: int | None = None
    """The next weight download sends only so many bytes, then the connection ends."""
    spoil: str = ""
    """Name of a file that arrives with a flipped byte."""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Range header)."""
    tokens: set[str] = field(default_factory=set)

    def gets(self, name: str) -> list[str]:
        """Range headers of the downloads of one file."""
        return [span for method, path, span in self.requests if method == "GET" and path.endswith("/" + name)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def _answer(self, *, with_body: bool) -> None:
        hub = self.hub
        path = unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path, self.headers.get("Range", "")))
        if "Authorization" in self.headers:
            hub.tokens.add(self.headers["Authorization"])
        api = re.fullmatch(r"/api/models/(.+)/revision/([^/]+)", path)
        file = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path)
        repo = (api or file)[1] if api or file else ""
        if repo in hub.refusals:
            status, headers = hub.refusals[repo]
            self._send(status, b"{}", headers)
        elif repo not in hub.repositories:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif api:
            self._send_listing(repo, api[2])
        elif file:
            self._send_file(repo, file[3], with_body=with_body)

    def _send_listing(self, repo: str, revision: str) -> None:
        if revision not in ("main", COMMIT):
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            return
        files = self.hub.repositories[repo]
        siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
        body = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
        self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _send_file(self, repo: str, name: str, *, with_body: bool) -> None:
        data = self.hub.repositories[repo][name]
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Accept-Ranges": "bytes"}
        if name == self.hub.spoil:
            data = bytes([data[0] ^ 1]) + data[1:]
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(span[1]) if span else 0
        if span:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        part = data[start:]
        cut = self.hub.break_after if with_body and name.endswith(".safetensors") else None
        if cut is not None:
            self.hub.break_after = None
            self._send(206 if span else 200, part[:cut], headers, num_bytes=len(part))
            self.close_connection = True
        else:
            self._send(206 if span else 200, part if with_body else b"", headers, num_bytes=len(part))

    def _send(self, status: int, body: bytes, headers: dict[str, str], num_bytes: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if num_bytes is None else num_bytes))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A stand-in with one small model, `org/tiny`."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    hub.repositories["org/tiny"] = {
        ".gitattributes": b"*",
        "README.md": b"# Tiny",
        "config.json": b'{"model_type": "llama"}',
        "generation_config.json": b"{}",
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b"{}",
        "chat_template.jinja": b"{{ messages }}",
        "model.safetensors": bytes(range(256)) * 400,
        "pytorch_model.bin": b"\x80\x02",
        "modeling_tiny.py": b"raise SystemExit",
        "onnx/model.onnx": b"x",
    }
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[dict[str, object] | EverstepError, Path]]:
    """Run the fetcher's work on a repository of the stand-in; gives what was fetched, or the error, and the folder."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    folder = tmp_path / "out"
    folder.mkdir()

    def run(repo_id: str, **more: str) -> tuple[dict[str, object] | EverstepError, Path]:
        request = FetchRequest(repo_id=repo_id, out_folder=str(folder), **{"endpoint": hub.endpoint, **more})
        try:
            return fetch(request, lambda done, total, file: None), folder
        except EverstepError as problem:
            return problem, folder

    return run
