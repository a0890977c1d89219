"""The machine's load: sampled when asked, compared with what this process really used."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.machine import load
from backend.machine.load import LoadMeter


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Processor seconds this process is said to have used."""
    seconds = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: seconds[0])
    yield seconds


def test_sample_is_kept_until_it_is_old(tmp_path: Path, used: list[float]) -> None:
    clock = Clock()
    meter = LoadMeter(tmp_path, clock=clock)
    first = meter.view()
    clock.now += load.SAMPLE_SECONDS - 0.1
    assert meter.view() is first
    clock.now += 0.2
    assert meter.view() is not first


def test_sample_tells_memory_disk_and_no_card_where_there_is_none(tmp_path: Path) -> None:
    view = LoadMeter(tmp_path).view()
    assert view.memory_total_bytes == psutil.virtual_memory().total
    assert 0 < view.memory_used_bytes < view.memory_total_bytes
    assert view.disk_free_bytes == pytest.approx(psutil.disk_usage(str(tmp_path)).free, rel=0.05)
    assert 0 <= view.cpu_percent <= 100
    if not Path("/proc/driver/nvidia/version").exists():
        assert view.gpus == []


def test_cost_of_watching_is_the_share_of_the_last_minute(tmp_path: Path, used: list[float]) -> None:
    clock = Clock()
    meter = LoadMeter(tmp_path, clock=clock)
    cores = psutil.cpu_count() or 1

    def later(seconds: float, spent: float) -> float | None:
        clock.now += seconds
        used[0] += spent
        return meter.view().monitoring_percent

    assert meter.view().monitoring_percent is None
    assert later(10, 1.0) == pytest.approx(10 / cores)
    assert later(10, 0.0) == pytest.approx(5 / cores)
    for _ in range(7):
        last = later(10, 0.0)
    assert last == 0.0, "what was used more than a minute ago does not count"


def test_cost_of_watching_counts_the_companion_while_it_lives(tmp_path: Path, used: list[float]) -> None:
    clock = Clock()
    meter = LoadMeter(tmp_path, companions=[os.getpid(), 2**22 + 1], clock=clock)
    end = time.perf_counter() + 0.1
    while time.perf_counter() < end:
        pass
    clock.now += 10
    assert (meter.view().monitoring_percent or 0) > 0


def test_cards_are_told_as_the_driver_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        used, total = 3, 8

    def refuses(*_arguments: Any) -> Any:
        raise load.pynvml.NVMLError(load.pynvml.NVML_ERROR_NOT_SUPPORTED)

    answers: dict[str, Any] = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda _handle: b"RTX",
        "nvmlDeviceGetMemoryInfo": lambda _handle: Memory,
        "nvmlDeviceGetUtilizationRates": refuses,
        "nvmlDeviceGetTemperature": lambda _handle, _kind: 55,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(load.pynvml, name, answer)
    (card,) = LoadMeter(tmp_path).view().gpus
    assert (card.name, card.memory_used_bytes, card.memory_total_bytes) == ("RTX", 3, 8)
    assert (card.utilization_percent, card.temperature_celsius) == (None, 55.0)


def test_sample_costs_next_to_nothing(tmp_path: Path) -> None:
    clock = Clock()
    meter = LoadMeter(tmp_path, companions=[os.getppid()], clock=clock)
    meter.view()
    begun = time.process_time()
    for _ in range(50):
        clock.now += load.SAMPLE_SECONDS
        meter.view()
    assert (time.process_time() - begun) / 50 < 0.005
