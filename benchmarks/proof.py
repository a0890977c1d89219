"""Common ground of the proofs: a workspace of their own, the engine behind the only door, and what the kernel shows.

The engine is known here by its contract alone: the routes of `backend.contract.verbs`, the file names of
`backend.formats.workspace` and the spool's lines. A proof never asks the code that it examines how it went.
Writes below the folder it is given; ends only processes whose command line names that folder.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from backend.contract.verbs import BY_NAME
from backend.formats.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
DOOR = (sys.executable, str(ROOT / "main.py"))
ENDED = frozenset({"finished", "skipped", "failed", "quarantined"})

TINY_SETTINGS: dict[str, object] = {
    "quantization": "none",
    "dtype": "float32",
    "lora_r": 8,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "learning_rate": 0.001,
    "gradient_accumulation_steps": 4,
    "max_length": 128,
    "eval_steps": 0,
    "sample_steps": 0,
    "num_samples": 1,
    "sample_max_new_tokens": 4,
    "save_steps": 5,
    "token_budget": 512,
    "num_threads": 1,
    "validation_max_rows": 0,
    "poll_interval": 1,
}
"""Settings under which a small model takes steps of some ten milliseconds."""


class ProofError(Exception):
    """The proof could not be carried out, or what it watched broke a promise on the way."""


class UnreachableError(Exception):
    """No answer: the service is away, or went away before it answered."""


class RefusedError(Exception):
    """The service answered that it will not."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.code = str(body.get("code", ""))


# ---- rows --------------------------------------------------------------------------------------------------


def write_rows(path: Path, num_rows: int, *, seed: int) -> Path:
    """A JSONL file of that many different question-and-answer rows; the same seed gives the same bytes."""
    draw = random.Random(seed)
    words = ["amber", "birch", "cloud", "delta", "ember", "frost", "grove", "heron", "inlet", "jetty", "karst", "larch"]
    with open(path, "w", encoding="utf-8") as file:
        for number in range(num_rows):
            first, second = draw.randrange(1000), draw.randrange(1000)
            answer = f"{first + second} {' '.join(draw.choices(words, k=draw.randrange(1, 6)))}"
            row = {"question": f"{seed}.{number}: {first} + {second}?", "answer": answer}
            file.write(json.dumps(row) + "\n")
    return path


def make_model(folder: Path) -> Path:
    """The tiny model of the tests: two layers, made on the spot."""
    from tests.fixtures.tiny_model import make_tiny_model

    make_tiny_model(folder)
    return folder


# ---- what the kernel shows ---------------------------------------------------------------------------------


class Process(NamedTuple):
    """A living process of one workspace."""

    pid: int
    started_at: float
    """Unix time from the kernel's start time, exact to 0.01 s."""


def processes(workspace: Workspace, module: str = "") -> list[Process]:
    """Living processes whose command line names the workspace, all or those that run `-m module`.

    Between fork and exec a child still bears the command line of its parent: it is left out.
    """
    found: dict[int, tuple[Process, int]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()  # empty for a zombie
            ours = any(word == str(workspace.root) or word.startswith(f"{workspace.root}/") for word in words)
            if ours and (not module or module in words) and process.pid != os.getpid():
                found[process.pid] = (Process(process.pid, process.create_time()), process.ppid())
    own = [process for process, parent in found.values() if not module or parent not in found]
    return sorted(own, key=lambda process: process.started_at)


def trainers(workspace: Workspace) -> list[Process]:
    """Living trainers, oldest first; more than one is a broken promise."""
    return processes(workspace, "backend.trainer")


def services(workspace: Workspace) -> list[Process]:
    """Living services, oldest first."""
    return processes(workspace, "backend.service")


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> float:
    """Send a signal to one process; returns the time. A process that is gone already is fine."""
    at = time.time()
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    return at


def wait_until(condition: Callable[[], Any], seconds: float, what: str, *, pause_seconds: float = 0.02) -> Any:
    """The first true value of `condition`; ProofError when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise ProofError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(pause_seconds)


# ---- the spool, as the trainer wrote it --------------------------------------------------------------------


def attempt_number(folder: Path) -> int:
    """12 for `A000012-9f3c21ab`."""
    return int(folder.name.split("-", 1)[0].lstrip("A"))


def spool_events(workspace: Workspace) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every complete event line of every trainer process there was: (number of the attempt, event)."""
    folders = [path for path in workspace.spool.iterdir() if path.name.startswith("A")]
    for folder in sorted(folders, key=attempt_number):
        with suppress(FileNotFoundError):
            for line in (folder / "events.jsonl").read_bytes().split(b"\n")[:-1]:
                with suppress(ValueError):  # a line that a kill tore and a later writer closed is not an event
                    yield attempt_number(folder), json.loads(line)


# ---- the API -----------------------------------------------------------------------------------------------


class Api:
    """The verbs of one workspace's service over plain HTTP; finds the service anew for every call."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def call(self, verb: str, *, idempotency_key: str = "", **arguments: object) -> Any:
        """The answer as JSON. Raises UnreachableError or RefusedError."""
        declared = BY_NAME[verb]
        if declared.changes:
            method, path, body = "POST", declared.path, json.dumps(arguments).encode()
        else:
            query = urllib.parse.urlencode({name: _as_text(value) for name, value in arguments.items()}, doseq=True)
            method, path, body = "GET", f"{declared.path}?{query}" if query else declared.path, None
        headers = {"Content-Type": "application/json"} if declared.changes else {}
        if declared.changes:
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        return self.request(method, path, body, headers)

    def call_until_answered(self, verb: str, *, seconds: float = 120, **arguments: object) -> Any:
        """Repeat a call with one idempotency key until it was done or refused, however often the service dies."""
        key = str(uuid.uuid4())
        end = time.monotonic() + seconds
        while True:
            try:
                return self.call(verb, idempotency_key=key, **arguments)
            except (UnreachableError, RefusedError) as problem:
                if isinstance(problem, RefusedError) and problem.status < 500:
                    raise
                if time.monotonic() > end:
                    raise ProofError(f"{verb} got no answer within {seconds:.0f} s: {problem}") from problem
            time.sleep(0.02)

    def ready(self) -> dict[str, Any] | None:
        """What /v1/ready says, None while nobody answers."""
        try:
            answer: dict[str, Any] = self.request("GET", "/v1/ready", None, {}, timeout_seconds=5)
        except (UnreachableError, RefusedError):
            return None
        return answer

    def request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, timeout_seconds: float = 60
    ) -> Any:
        """One request with the workspace's token."""
        try:
            endpoint = json.loads(self._workspace.endpoint_file.read_bytes())
            connection = http.client.HTTPConnection("127.0.0.1", endpoint["port"], timeout=timeout_seconds)
        except (OSError, ValueError) as problem:
            raise UnreachableError(str(problem)) from None
        try:
            connection.request(method, path, body, {**headers, "Authorization": f"Bearer {endpoint['token']}"})
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as problem:
            raise UnreachableError(repr(problem)) from None
        finally:
            connection.close()
        if answer.status == 401:  # a new service took the port of a dead one between reading and asking
            raise UnreachableError("the token is of an earlier service")
        decoded = json.loads(data)
        if answer.status >= 400:
            raise RefusedError(answer.status, decoded)
        return decoded


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


# ---- the engine --------------------------------------------------------------------------------------------


class Engine:
    """`main.py serve` on one workspace. As a context manager it leaves no process behind, whatever happened."""

    def __init__(self, root: Path, *, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> None:
        """`prefix` stands before every command, e.g. `setpriv` with its options."""
        self.workspace = Workspace(root)
        self.api = Api(self.workspace)
        self.log = root.with_name(root.name + ".log")
        self._environment = {**os.environ, **(environment or {})}
        self._prefix = prefix
        self._guardian: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str, seconds: float = 60) -> None:
        """Start guardian and service; returns when the service is ready."""
        self.launch(*flags)
        wait_until(lambda: self.api.ready() or self.has_ended(), seconds, f"the service is ready (see {self.log})")
        if self.has_ended():
            raise ProofError(f"serve ended: {self.log.read_text(encoding='utf-8')[-2000:]}")

    def launch(self, *flags: str) -> None:
        """Start `main.py serve` and return at once."""
        self._run([*DOOR, "serve", "--workspace", str(self.workspace.root), *flags])

    def launch_service(self) -> None:
        """Start a bare service, without a guardian, and return at once."""
        command = [sys.executable, "-P", "-m", "backend.service", "--workspace", str(self.workspace.root)]
        self._run(command, PYTHONPATH=str(ROOT))

    def _run(self, command: list[str], **environment: str) -> None:
        with open(self.log, "ab") as log:
            self._guardian = subprocess.Popen(
                [*self._prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**self._environment, **environment},
                cwd=self.log.parent,
            )

    def has_ended(self) -> bool:
        """True when `main.py serve` is gone."""
        return self._guardian is None or self._guardian.poll() is not None

    def wait(self, seconds: float) -> int:
        """Exit status of `main.py serve`."""
        if self._guardian is None:
            raise ProofError("nothing was started")
        return self._guardian.wait(seconds)

    def interrupt(self, seconds: float = 30) -> None:
        """What Ctrl-C in its terminal does to `main.py serve`."""
        if self._guardian is not None and self._guardian.poll() is None:
            self._guardian.send_signal(signal.SIGINT)
            self._guardian.wait(seconds)

    def shut_down(self, seconds: float = 60) -> None:
        """End everything in order: trainer, service, guardian."""
        self.api.call_until_answered("shutdown")
        wait_until(
            lambda: not processes(self.workspace) and self.has_ended(), seconds, "all processes ended after shutdown"
        )

    def kill_everything(self) -> None:
        """What a power cut does to the processes: guardian first, so that nothing is restarted."""
        if self._guardian is not None and self._guardian.poll() is None:
            self._guardian.kill()
        for process in reversed(processes(self.workspace, "")):
            kill(process.pid)
        if self._guardian is not None:
            self._guardian.wait(30)
        wait_until(lambda: not processes(self.workspace), 30, "all processes are gone")

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_everything()

    # -- what every proof does first --

    def set_up(self, model: Path, settings: Mapping[str, object]) -> None:
        """Give a running engine its base model and its settings."""
        for key, value in settings.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            self.api.call_until_answered("config.set", key=key, value=text)
        self.api.call_until_answered("base.set", source=str(model))
        self.wait_for_base()

    def wait_for_base(self, seconds: float = 120) -> None:
        """Return when the base model is ready to train."""

        def ready() -> bool:
            base = self.api.call("base.show")["base"]
            if base and base["state"] == "failed":
                raise ProofError(f"the base model was refused: {base['reason']}")
            return bool(base and base["state"] == "ready")

        wait_until(ready, seconds, "the base model is ready", pause_seconds=0.1)

    def add(self, *paths: Path, **arguments: object) -> list[int]:
        """Queue files; returns the numbers of their jobs."""
        answer = self.api.call_until_answered("add", paths=[str(path) for path in paths], **arguments)
        if answer["refused"]:
            raise ProofError(f"refused: {answer['refused']}")
        return [job["job_id"] for job in answer["jobs"]]

    def jobs(self) -> dict[int, dict[str, Any]]:
        """Every job by its number."""
        return {job["job_id"]: job for job in self.api.call_until_answered("queue.list", every=True)["jobs"]}

    def wait_for_end(self, *job_ids: int, seconds: float = 600) -> dict[int, dict[str, Any]]:
        """Wait until these jobs ended; returns all jobs."""

        def ended() -> dict[int, dict[str, Any]] | None:
            jobs = self.jobs()
            return jobs if all(jobs[job_id]["state"] in ENDED for job_id in job_ids) else None

        done: dict[int, dict[str, Any]] = wait_until(ended, seconds, f"jobs {job_ids} ended", pause_seconds=0.2)
        return done

    def metrics(self, *, superseded: bool = False) -> list[dict[str, Any]]:
        """One row a step as the product tells it."""
        rows: list[dict[str, Any]] = self.api.call_until_answered("metrics", superseded=superseded)["rows"]
        return rows


def show(report: Mapping[str, object], *, as_json: bool) -> None:
    """Print a report: one JSON object, or a line a figure."""
    if as_json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name.replace('_', ' '):<42} {f'{value:.3f}' if isinstance(value, float) else value}")
