"""The disk under a running trainer: damaged checkpoints, and no room left."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.proof import Engine, trainers, write_rows
from tests.e2e.prompt import (
    SMALL_MODEL_SETTINGS,
    Prompt,
    add_long,
    newest_attempt,
    until,
    until_newer_trainer,
    until_steps,
    until_true,
)

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 1 << 18


def contiguous(prompt: Prompt) -> int:
    """Number of steps shown; fails unless they are 1, 2, 3, ... each once."""
    steps = [row["step"] for row in prompt.lines("metrics", field="rows")]
    assert steps == list(range(1, len(steps) + 1))
    return len(steps)


def test_training_goes_on_from_the_older_checkpoint_when_the_newest_is_damaged(folder: Path, tiny_model: Path) -> None:
    with Engine(folder / "damaged") as engine:
        engine.start()
        engine.set_up(tiny_model, SMALL_MODEL_SETTINGS)
        add_long(engine, folder / "long.jsonl", seed=1)
        until_steps(engine, 30)
        attempt = newest_attempt(engine)
        engine.kill_everything()
        committed = sorted(path for path in engine.workspace.current_model.glob("step-*") if path.is_dir())
        newest, older = committed[-1], committed[-2]
        weights = newest / "adapter_model.safetensors"
        data = bytearray(weights.read_bytes())
        data[len(data) // 2] ^= 0x40
        weights.write_bytes(data)
        engine.start()
        status = engine.api.call("status")
        assert status["checkpoint_step"] == int(older.name.split("-")[1])
        kept = engine.workspace.quarantine.rglob("adapter_model.safetensors")
        assert [path.read_bytes() for path in kept] == [bytes(data)], "the damaged one was not kept"
        told = "\n".join(engine.api.call("logs", lines=100)["lines"])
        assert newest.name in told
        assert "quarantine" in told
        until_newer_trainer(engine, attempt)
        contiguous(Prompt(engine.workspace.root))


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A real file system of 48 MB that nobody else sees and that goes when this process goes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(CLONE_NEWNS) != 0:
        pytest.skip("may not mount here")
    mount = folder / "disk"
    mount.mkdir(exist_ok=True)
    if libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        pytest.skip("may not make mounts private here")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(mount)], check=True)
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)


def test_training_pauses_on_a_full_disk_and_goes_on_by_itself_when_there_is_room(
    small_disk: Path, folder: Path, tiny_model: Path
) -> None:
    ballast = small_disk / "ballast"
    with Engine(small_disk / "workspace") as engine:
        engine.log = folder / "small.log"
        engine.start()
        engine.set_up(tiny_model, {**SMALL_MODEL_SETTINGS, "disk_floor_gigabytes": 0.008})
        prompt = Prompt(engine.workspace.root)
        add_long(engine, folder / "small.jsonl", seed=1)
        until_steps(engine, 10)
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        ballast.write_bytes(bytes(max(0, free - 2 * 2**20)))
        until(engine, "small.jsonl", "paused")
        status = prompt.ask("status")
        assert "disk" in (status["sentence"] + str(status["error"])).lower()
        big = write_rows(folder / "big.jsonl", 40_000, seed=2)
        prompt("add", big).refuses("big.jsonl", "disk")
        held_at = engine.api.call("status")["global_step"]
        ballast.unlink()
        assert until_steps(engine, held_at, seconds=30) > held_at
        contiguous(prompt)
        until_true(lambda: "big.jsonl" not in prompt.jobs(), "the refused file is not queued")


def fill(disk: Path, ballast: Path) -> None:
    """Until not a byte can be written any more."""
    with open(ballast, "ab", buffering=0) as file:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as problem:
                assert problem.errno == errno.ENOSPC


def test_stopping_always_works_when_not_a_byte_is_free(small_disk: Path, folder: Path, tiny_model: Path) -> None:
    ballast = small_disk / "ballast"
    with Engine(small_disk / "workspace") as engine:
        engine.log = folder / "full.log"
        engine.start()
        engine.set_up(tiny_model, {**SMALL_MODEL_SETTINGS, "disk_floor_gigabytes": 0.008})
        prompt = Prompt(engine.workspace.root)
        add_long(engine, folder / "full.jsonl", seed=1)
        until_steps(engine, 10)
        fill(small_disk, ballast)
        prompt("config", "set", "save_steps", "7").refuses("full")
        assert prompt("pause").code == 0
        assert prompt.ask("status")["run_state"] == "paused"
        assert prompt("stop", "--now").code == 0
        until_true(lambda: not trainers(engine.workspace), "the trainer ended")
        assert prompt.ask("status")["run_state"] == "stopped"
        assert prompt("shutdown").code == 0
        assert engine.wait(30) == 0
        ballast.unlink()
        engine.start()
        prompt("resume")
        until_steps(engine, 15)
        contiguous(prompt)


def test_wish_is_noted_when_there_is_room_again(small_disk: Path, folder: Path, tiny_model: Path) -> None:
    ballast = small_disk / "ballast"
    with Engine(small_disk / "workspace") as engine:
        engine.log = folder / "noted.log"
        engine.start()
        engine.set_up(tiny_model, {**SMALL_MODEL_SETTINGS, "disk_floor_gigabytes": 0.008})
        prompt = Prompt(engine.workspace.root)
        fill(small_disk, ballast)
        assert "forgotten" in prompt.ask("stop")["error"]
        ballast.unlink()
        until_true(lambda: "run_state_changed" in engine.workspace.journal.read_text(), "it was noted")
        engine.kill_everything()
        engine.start()
        assert prompt.ask("status")["run_state"] == "stopped"
