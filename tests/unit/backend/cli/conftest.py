"""What the tests of the prompt share: a fake service, and a command line run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.cli import actions
from backend.cli.main import main
from tests.fakes import fake_service
from tests.fakes.fake_service import FakeService


@dataclass(frozen=True)
class Answer:
    """How a command line ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Prompt = Callable[..., Answer]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeService]:
    """A fake service of the workspace `tmp_path/workspace`."""
    with fake_service.running(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def prompt(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Prompt:
    """Type words for that workspace."""
    monkeypatch.setattr(actions, "_POLL_SECONDS", 0.001)

    def typed(*words: object) -> Answer:
        code = main([*map(str, words), "--workspace", str(tmp_path / "workspace")])
        captured = capfd.readouterr()
        return Answer(code, captured.out, captured.err)

    return typed
