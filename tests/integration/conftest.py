"""A real service in a process of its own, with children that are quick stand-ins, and a client for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.contract.verbs import BY_NAME
from backend.formats.workspace import Workspace
from tests.fakes.fake_model import make_model

ROOT = Path(__file__).resolve().parents[2]
SERVE = ROOT / "tests" / "fakes" / "serve_with_fakes.py"
PATIENCE_SECONDS = 20.0


class VerbError(Exception):
    """The service refused."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class RunningService:
    """One workspace and the service that serves it, now or again."""

    def __init__(self, root: Path, command: list[str] | None = None) -> None:
        self.workspace = Workspace(root)
        self.command = command or [sys.executable, "-P", str(SERVE), "--workspace", str(root)]
        self.output = root.parent / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.arguments: tuple[str, ...] = ()
        self.environment = {"EVERSTEP_HASTE": "1"}

    # ---- process -----------------------------------------------------------------------------------------

    def start(self, *arguments: str, wait: bool = True) -> RunningService:
        self.arguments = arguments
        with contextlib.suppress(FileNotFoundError):
            (self.workspace.status / "ready").unlink()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment}
        with open(self.output, "ab") as output:  # not a pipe: grandchildren would hold it open
            self.process = subprocess.Popen([*self.command, *arguments], env=environment, stdout=output, stderr=output)
        if wait:
            self.until(lambda: (self.workspace.status / "ready").exists() or self.process.poll() is not None)
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended: {self.output.read_text()}")
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        return self.process.returncode

    def wait(self, timeout: float = PATIENCE_SECONDS) -> int:
        self.process.wait(timeout)
        return self.process.returncode

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        elif self.process is not None:
            self.process.wait()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(str(self.workspace.root) in word for word in process.cmdline()):
                    process.kill()

    # ---- verbs -------------------------------------------------------------------------------------------

    @property
    def endpoint(self) -> dict[str, Any]:
        return dict(json.loads(self.workspace.endpoint_file.read_bytes()))

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        endpoint = self.endpoint
        connection = http.client.HTTPConnection("127.0.0.1", endpoint["port"], timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            given = {"Authorization": f"Bearer {endpoint['token']}"} if headers is None else headers
            connection.request(method, path, body=body, headers=given)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def call(self, verb_name: str, *, idempotency_key: str | None = None, **arguments: Any) -> Any:
        verb = BY_NAME[verb_name]
        headers = {"Authorization": f"Bearer {self.endpoint['token']}"}
        if verb.changes:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": idempotency_key or uuid.uuid4().hex}
            status, answer = self.request("POST", verb.path, json.dumps(arguments).encode(), headers)
        else:
            query = "&".join(f"{name}={value}" for name, value in arguments.items())
            status, answer = self.request("GET", f"{verb.path}?{query}", None, headers)
        if status != 200:
            raise VerbError(status, json.loads(answer))
        return json.loads(answer)

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait for something to become true; every wait has an end."""
        give_up_at = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > give_up_at:
                log = sorted(self.workspace.logs.glob("*.log"))
                told = log[-1].read_text()[-4000:] if log else ""
                raise AssertionError(f"waited {seconds} s in vain; the log says:\n{told}")
            time.sleep(0.02)
        return value

    def job(self, job_id: int) -> dict[str, Any]:
        return next(job for job in self.call("queue.list")["jobs"] if job["job_id"] == job_id)

    def until_state(self, job_id: int, *states: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in states else None

        return self.until(reached)

    def losses(self) -> list[str]:
        return [row["loss_hex"] for row in self.call("metrics")["rows"]]

    # ---- workspace ---------------------------------------------------------------------------------------

    def behave(self, **behaviour: Any) -> None:
        """How the stand-in trainer misbehaves from now on."""
        (self.workspace.root / "fake.json").write_text(json.dumps(behaviour))

    def configure(self, **settings: Any) -> None:
        """Settings before the first start."""
        training = {"quantization": "none", "lora_r": 16, "lora_alpha": 16.0, "max_length": 512}
        training |= {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 2, "save_steps": 5}
        training |= settings.pop("training", {})
        self.workspace.root.mkdir(parents=True, exist_ok=True)
        self.workspace.config_file.write_text(json.dumps({"training": training, "service": settings}))

    def base(self, tmp: Path) -> None:
        answer = self.call("base.set", source=str(make_model(tmp / "model")))
        assert answer["base"]["state"] == "ready", answer

    def file(self, name: str, rows: int = 20, text: str = "row") -> str:
        path = self.workspace.root.parent / name
        path.write_text("".join(f'{{"text": "{text} {name} {number}"}}\n' for number in range(rows)))
        return str(path)

    def add(self, *paths: str, **arguments: Any) -> list[int]:
        answer = self.call("add", paths=list(paths), **arguments)
        assert answer["refused"] == [], answer
        return [job["job_id"] for job in answer["jobs"]]

    def trainer_pid(self) -> int:
        return int(self.until(lambda: (self.call("status")["trainer"] or {}).get("pid")))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """Not started; configured for small steps and no validation set."""
    running = RunningService(tmp_path / "workspace")
    running.configure(validation_max_rows=0)
    yield running
    running.close()


@pytest.fixture
def running_service(service: RunningService, tmp_path: Path) -> RunningService:
    """Ready, with a base model."""
    service.start()
    service.base(tmp_path)
    return service


def kill_process(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)
