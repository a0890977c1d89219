"""The prompt as a person uses it: `main.py VERB` in a process of its own, and what came back."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.proof import DOOR, Engine, spool_events, wait_until, write_rows

SMALL_MODEL_SETTINGS: dict[str, object] = {
    "quantization": "none",
    "dtype": "float32",
    "lora_r": 8,
    "lora_alpha": 16,
    "gradient_accumulation_steps": 4,
    "max_length": 256,
    "save_steps": 5,
    "num_samples": 1,
    "sample_max_new_tokens": 4,
    "token_budget": 512,
    "num_threads": 1,
    "poll_interval": 1,
}

DROP_ROOT_READING = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root reads every file; without these two capabilities it is like everybody else."""


@dataclass(frozen=True)
class Answer:
    """What a verb printed and how it ended."""

    words: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout, one a line; fails when anything else stands there."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def refuses(self, *parts: str) -> None:
        """Assert a non-zero end with a clear sentence that names all `parts`, and no trace of a crash."""
        told = f"{self.words} -> {self.code}\n{self.stdout}\n{self.stderr}"
        assert self.code not in (0, 130), told
        assert "Traceback" not in self.stderr, told
        assert self.stderr.strip(), told
        # A terminal's line breaks are no part of the sentence.
        sentence = " ".join(self.stderr.split()).lower()
        missing = [part for part in parts if part.lower() not in sentence]
        assert not missing, f"{missing} not said in: {told}"
        assert len(self.stderr.split()) < 90, f"not one clear sentence: {told}"


class Prompt:
    """Types verbs for one workspace."""

    def __init__(self, workspace: Path, *, prefix: Sequence[str] = ()) -> None:
        self.workspace = workspace
        self._prefix = prefix

    def __call__(self, *words: object, seconds: float = 120) -> Answer:
        """Run one verb to its end."""
        typed = tuple(str(word) for word in words)
        command = [*self._prefix, *DOOR, *typed, "--workspace", str(self.workspace)]
        environment = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, env=environment, check=False, cwd="/"
        )
        return Answer(typed, done.returncode, done.stdout, done.stderr)

    def ask(self, *words: object) -> dict[str, Any]:
        """The one JSON object that a verb answers with."""
        answer = self(*words, "--json")
        assert answer.code == 0, f"{answer.words}: {answer.stderr}"
        objects = answer.objects
        assert len(objects) == 1, answer.stdout
        return objects[0]

    def lines(self, *words: object, field: str) -> list[dict[str, Any]]:
        """The rows that a verb answers with: one object a line, or one object that holds them in `field`."""
        answer = self(*words, "--json")
        assert answer.code == 0, f"{answer.words}: {answer.stderr}"
        objects = answer.objects
        return list(objects[0][field]) if len(objects) == 1 and field in objects[0] else objects

    def jobs(self) -> dict[str, dict[str, Any]]:
        """Jobs by file name."""
        return {job["file_name"]: job for job in self.lines("queue", "list", field="jobs")}


def add_long(engine: Engine, path: Path, *, seed: int) -> int:
    """Queue a small file that takes 20,000 steps, so that it is still trained when a test has done with it."""
    engine.api.call("config.set", key="num_train_epochs", value="400")
    job_id = engine.add(write_rows(path, 200, seed=seed))[0]
    engine.api.call("config.set", key="num_train_epochs", value="1")
    return job_id


def until(engine: Engine, file_name: str, *states: str, seconds: float = 60) -> dict[str, Any]:
    """Wait until a file is in one of these states; returns its job."""

    def reached() -> dict[str, Any] | None:
        found = [job for job in engine.jobs().values() if job["file_name"] == file_name]
        return found[-1] if found and found[-1]["state"] in states else None

    job: dict[str, Any] = wait_until(reached, seconds, f"{file_name} is {' or '.join(states)}", pause_seconds=0.05)
    return job


def until_steps(engine: Engine, more_than: int, *, seconds: float = 60) -> int:
    """Wait until the newest step is beyond a number; returns it."""

    def beyond() -> int:
        step = int(engine.api.call("status")["global_step"])
        return step if step > more_than else 0

    return int(wait_until(beyond, seconds, f"step {more_than} is passed", pause_seconds=0.05))


def newest_attempt(engine: Engine) -> int:
    """Number of the newest trainer process that took a step."""
    return max((attempt for attempt, event in spool_events(engine.workspace) if event["type"] == "step"), default=0)


def until_newer_trainer(engine: Engine, than: int, *, seconds: float = 60) -> None:
    """Wait until a later trainer process than `than` took a step."""
    wait_until(lambda: newest_attempt(engine) > than, seconds, "the next trainer trains", pause_seconds=0.1)


def until_true(condition: Callable[[], Any], what: str, *, seconds: float = 30) -> Any:
    """Wait for something else."""
    return wait_until(condition, seconds, what, pause_seconds=0.05)
