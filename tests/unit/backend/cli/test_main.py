"""The edge of the prompt: whatever happens inside becomes an exit code and a sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli import main as edge
from backend.contract.errors import ConflictError
from tests.unit.backend.cli.conftest import Prompt

ROOT = Path(__file__).resolve().parents[4]
RUN = "import sys; from backend.cli.main import main; sys.exit(main(sys.argv[1:]))"


def fail_with(problem: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_argv: list[str]) -> int:
        raise problem

    monkeypatch.setattr(edge, "_run", run)


@pytest.mark.parametrize(
    ("problem", "code", "told"),
    [
        (ConflictError("Not now."), 1, "Not possible right now. Not now."),
        (OSError(28, "No space left on device", "/ws/x"), 1, "/ws/x No space left on device"),
        (ZeroDivisionError("division by zero"), 1, "a fault of the program"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_main_ends_with_a_code_and_a_sentence_when_something_is_raised(
    problem: BaseException, code: int, told: str, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(problem, monkeypatch)
    answer = prompt("status")
    assert answer.code == code
    assert told in answer.err
    assert "Traceback" not in answer.err


def test_main_treats_sigterm_as_an_interruption(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_run", lambda _argv: os.kill(os.getpid(), signal.SIGTERM))
    assert prompt("status").code == 130
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_prompt_is_quiet_when_its_reader_goes_away(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, "config", "show", "--json", "--workspace", str(tmp_path / "none")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
        assert (process.wait(), told) == (0, b"")


def test_prompt_colours_nothing_when_piped_or_asked_not_to(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, "status", "--workspace", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert b"\x1b" not in done.stdout + done.stderr
