"""When a checkpoint is due, and what happens when the disk is full."""

from __future__ import annotations

import errno
import shutil
import time
from typing import Any, NamedTuple

import pytest

from backend.contract.errors import StorageError
from backend.contract.spool import CheckpointSaved, Desired, JobFinished, Paused, Resumed, Step
from backend.trainer import checkpoint, saving
from backend.trainer.saving import Saver
from tests.unit.backend.trainer.conftest import Rig, losses, saved, settings, steps


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class _Run(NamedTuple):
    settings: Any
    global_step: int


def _saver(monkeypatch: pytest.MonkeyPatch, *, cost_seconds: float, **changes: Any) -> tuple[Saver, _Clock]:
    clock = _Clock()
    monkeypatch.setattr(saving, "time", clock)
    nothing: Any = None
    run: Any = _Run(settings(**changes), 100)
    saver = Saver(run, nothing, nothing, {})
    saver._cost_seconds = cost_seconds
    return saver, clock


def test_is_due_by_count_when_it_costs_at_most_three_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    saver, clock = _saver(monkeypatch, cost_seconds=3.0, save_steps=100)
    clock.now += 100.0
    assert saver.is_due()
    clock.now -= 1.0
    assert not saver.is_due()


def test_is_due_by_count_whatever_it_costs_when_save_steps_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    saver, _ = _saver(monkeypatch, cost_seconds=1000.0, save_steps=10)
    assert saver.is_due()


def test_is_due_by_the_clock_whatever_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    saver, clock = _saver(monkeypatch, cost_seconds=1000.0, save_steps=77, save_minutes=2.0)
    clock.now += 119.0
    assert not saver.is_due()
    clock.now += 1.0
    assert saver.is_due()


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_training_holds_below_the_disk_floor_and_goes_on_by_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = losses(rig.train())
    trainer = rig.trainer()
    trainer.assign(rig.assignment(disk_floor_bytes=1000))

    def free_bytes(_: object) -> _Usage:
        events = trainer.events()
        is_full = len(steps(events)) == 2 and not any(isinstance(event, Paused) for event in events)
        return _Usage(10**9, 0, 999 if is_full else 10**9)

    monkeypatch.setattr(shutil, "disk_usage", free_bytes)
    trainer.run_to_end()
    held = [event for event in trainer.events() if isinstance(event, (Paused, Resumed))]
    assert [type(event) for event in held] == [Paused, Resumed]
    assert held[0].reason == "disk_full"  # type: ignore[union-attr]
    assert losses(trainer.events()) == unbroken


def _full_disk(monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """Let the first writes fail for lack of space; returns the steps that were tried."""
    write = checkpoint.write
    tried: list[int] = []

    def failing(snapshot: Any, *args: Any, **kwargs: Any) -> Any:
        tried.append(snapshot.meta.global_step)
        if len(tried) <= times:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(snapshot, *args, **kwargs)

    monkeypatch.setattr(checkpoint, "write", failing)
    return tried


def test_a_save_that_found_the_disk_full_is_made_again_with_the_state_of_then(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = _full_disk(monkeypatch, 1)
    events = rig.train(settings=settings(save_steps=2))
    assert [event.reason for event in events if isinstance(event, Paused)] == ["disk_full"]
    assert saved(events)[-1].global_step == 4
    assert len(tried) == len(saved(events)) + 1
    assert any(isinstance(event, JobFinished) for event in events)


def test_a_step_is_told_only_when_a_kill_would_cost_at_most_save_steps(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = checkpoint.write

    def slow(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.2)  # longer than a step takes
        return write(*args, **kwargs)

    monkeypatch.setattr(checkpoint, "write", slow)
    events = rig.train(settings=settings(save_steps=1))
    committed = 0
    for event in events:
        if isinstance(event, CheckpointSaved):
            committed = event.global_step
        elif isinstance(event, Step):
            assert event.global_step - committed <= 1


def test_a_full_disk_on_the_way_out_is_an_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    _full_disk(monkeypatch, 100)
    trainer = rig.trainer()
    assignment = rig.assignment()
    trainer.assign(assignment)

    def stop_after_the_first_step() -> None:
        if steps(trainer.events()):
            trainer.say(Desired.STOP, assignment)

    with pytest.raises(StorageError, match="No space is left") as caught:
        trainer.run_to_end(stop_after_the_first_step)
    assert caught.value.body().code == "disk_full"


def test_a_failing_disk_stops_training(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoint, "write", failing)
    with pytest.raises(StorageError, match="Input/output error"):
        rig.train(settings=settings(save_steps=1))


def test_events_are_durable_before_a_checkpoint_gets_its_name(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = rig.trainer()
    trainer.assign(rig.assignment(settings=settings(save_steps=1)))
    order: list[str] = []
    sync = trainer.log.sync

    def noted_sync() -> None:
        done = steps(trainer.events())
        names = {path.name for path in rig.checkpoints.iterdir() if path.name.startswith("step-")}
        order.append(f"{done[-1].global_step} of {len(names)}" if done else "end")
        sync()

    monkeypatch.setattr(trainer.log, "sync", noted_sync)
    trainer.run_to_end()
    assert order[0] == "1 of 0"  # step 1 is in the log when its folder is not there yet
