"""A trainer that is halted or hangs: said, and ended when it is to stop. And one that nobody needs: it goes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import RunningService


@pytest.fixture
def training(service: RunningService, tmp_path: Path) -> RunningService:
    """Impatient service; job 1 trains slowly."""
    service.environment["EVERSTEP_IMPATIENT"] = "1"
    service.start()
    service.base(tmp_path)
    service.behave(step_seconds=0.03, ignores_sigterm=True)
    service.add(service.file("a.jsonl", rows=60))
    service.until(lambda: len(service.losses()) > 6)
    return service


def test_status_says_that_a_halted_trainer_gets_nowhere(training: RunningService) -> None:
    pid = training.trainer_pid()
    os.kill(pid, signal.SIGSTOP)
    status = training.until(lambda: (s := training.call("status"))["activity"] == "needs_you" and s)
    assert "No progress has been seen for" in status["sentence"]
    assert f"kill -CONT {pid}" in status["sentence"]
    training.until(lambda: b"No progress" in training.workspace.last_status_file.read_bytes())
    os.kill(pid, signal.SIGCONT)
    training.until(lambda: training.call("status")["activity"] == "training")
    training.behave()
    training.until_state(1, "finished")


def test_stop_now_lets_a_halted_trainer_go_on_so_that_it_saves(training: RunningService) -> None:
    pid = training.trainer_pid()
    os.kill(pid, signal.SIGSTOP)
    training.call("stop", now=True)
    training.until(lambda: training.call("status")["trainer"] is None)
    assert training.job(1)["done_steps"] == len(training.losses()), "nothing was lost"
    assert training.job(1)["state"] == "queued"


@pytest.mark.parametrize("verb", ["stop", "shutdown"])
def test_a_trainer_that_hangs_is_ended_and_what_is_safe_is_said(
    service: RunningService, tmp_path: Path, verb: str
) -> None:
    service.environment["EVERSTEP_IMPATIENT"] = "1"
    service.start()
    service.base(tmp_path)
    service.behave(ignores_sigterm=True, hang_at=[8])
    service.add(service.file("a.jsonl", rows=60))
    status = service.until(lambda: (s := service.call("status"))["activity"] == "needs_you" and s)
    assert "The trainer may hang. Step 5 is safe" in status["sentence"]
    pid = service.trainer_pid()
    service.behave()
    service.call(verb, **({"now": True} if verb == "stop" else {}))
    if verb == "stop":
        service.until(lambda: service.call("status")["trainer"] is None)
        assert service.job(1)["done_steps"] == 5
        service.call("resume")
    else:
        assert service.wait() == 0
        service.start()
    assert not psutil.pid_exists(pid)
    log = "".join(path.read_text() for path in service.workspace.logs.glob("*.log"))
    assert "Step 5 and everything before it is safe" in log
    service.until_state(1, "finished")
    assert [row["step"] for row in service.call("metrics")["rows"]] == list(range(1, 31))


def test_ctrl_c_on_serve_saves_and_ends_the_trainer_too(service: RunningService, tmp_path: Path) -> None:
    service.start("--tell", "text")
    service.base(tmp_path)
    service.behave(step_seconds=0.05)
    service.add(service.file("a.jsonl", rows=60))
    service.until(lambda: len(service.losses()) > 6)
    pid = service.trainer_pid()
    for number in (signal.SIGINT, signal.SIGTERM):  # from the terminal, and passed on by the guardian
        service.process.send_signal(number)
    assert service.wait() == 0
    service.until(lambda: not psutil.pid_exists(pid), seconds=1)
    told = service.output.read_text()
    assert told.index("Saving and ending") < told.index("Goodbye. Everything trained is saved.")
    service.start()
    service.behave()
    service.until_state(1, "finished")
    steps = [row["step"] for row in service.call("metrics", superseded=True)["rows"]]
    assert steps == list(range(1, 31)), "no step was lost or trained twice"


def test_control_says_when_an_idle_trainer_has_to_go(training: RunningService) -> None:
    control = next(training.workspace.spool.glob("*/control.json"))
    assert b'"idle_retire_seconds":1200' in control.read_bytes()
