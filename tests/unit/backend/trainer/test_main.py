"""The trainer as a process of its own: lock, signals, last words, kills."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from backend.contract.spool import ExitRecord, JobLeft, Started, TrainerEvent
from backend.trainer.__main__ import main
from tests.unit.backend.trainer.conftest import Rig, Trainer, losses, saved, settings, steps

ROOT = Path(__file__).resolve().parents[4]


@contextmanager
def _process(trainer: Trainer, rig: Rig) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-P", "-m", "backend.trainer", "--spool", str(trainer.spool)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with open(trainer.spool / "stderr.log", "wb") as stderr:
        process = subprocess.Popen(
            [*command, "--workspace", str(rig.root)],
            cwd=trainer.spool,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], trainer: Trainer, until: Callable[[list[TrainerEvent]], object]) -> None:
    deadline = time.monotonic() + 120
    while not until(trainer.events()):
        assert process.poll() is None, (trainer.spool / "stderr.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_process_killed_and_then_told_to_end_gives_the_losses_of_the_unbroken_run(rig: Rig) -> None:
    chosen = settings(num_train_epochs=8, save_steps=5, lora_dropout=0.3)
    unbroken = losses(rig.train(settings=chosen))
    first = rig.trainer()
    first.assign(rig.assignment(settings=chosen))
    with _process(first, rig) as process:
        _wait(process, first, lambda events: saved(events))
        process.kill()
    start = saved(first.events())[-1]
    second = rig.trainer()
    second.assign(rig.assignment(start, settings=chosen))
    with _process(second, rig) as process:
        _wait(process, second, lambda events: len(steps(events)) >= 3)
        assert _lock_is_held(second.spool)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    events = second.events()
    assert isinstance(events[0], Started)
    assert any(isinstance(event, JobLeft) and event.reason == "stop" for event in events)
    assert not _lock_is_held(second.spool)
    record = msgspec.json.decode((second.spool / "exit.json").read_bytes(), type=ExitRecord)
    assert record.reason == "stopped"
    assert (losses(first.events())[: start.job_step] + losses(events)) == unbroken[: steps(events)[-1].job_step]


def _lock_is_held(spool: Path) -> bool:
    with open(spool / "trainer.lock", "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_main_refuses_a_spool_that_another_trainer_holds(tmp_path: Path) -> None:
    with open(tmp_path / "trainer.lock", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(["--spool", str(tmp_path)]) == 1
    assert not (tmp_path / "events.jsonl").exists()
