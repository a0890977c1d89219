"""How busy the machine is, and what watching it costs. A sample is a few small reads, taken when somebody asks and
the one before is old enough; nobody asking costs nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pynvml

from backend.contract.status import GpuView, MachineView
from backend.machine.disk import free_bytes

SAMPLE_SECONDS = 2.0
_OWN_COST_SECONDS = 60.0


class LoadMeter:
    """Samples on demand. Not for several threads at once."""

    def __init__(
        self, folder: Path, *, companions: Sequence[int] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._num_cores = psutil.cpu_count() or 1
        self._companions = [process for pid in companions if (process := _process(pid)) is not None]
        self._busy = _busy_seconds()
        self._costs = deque([(clock(), self._own_seconds())])
        """When, and how much processor time this process and its companions had used by then."""
        self._view: MachineView | None = None
        self._graphics = _Graphics()

    def view(self) -> MachineView:
        """The newest sample, at most SAMPLE_SECONDS old."""
        now = self._clock()
        if self._view is None or now - self._costs[-1][0] >= SAMPLE_SECONDS:
            self._view = self._sample(now)
        return self._view

    def _sample(self, now: float) -> MachineView:
        before, self._busy = self._busy, _busy_seconds()
        passed = self._busy[1] - before[1]
        memory = psutil.virtual_memory()
        return MachineView(
            cpu_percent=_percent(self._busy[0] - before[0], passed),
            memory_used_bytes=int(memory.total - memory.available),
            memory_total_bytes=int(memory.total),
            disk_free_bytes=free_bytes(self._folder),
            gpus=self._graphics.views(),
            monitoring_percent=self._own_percent(now),
        )

    def _own_percent(self, now: float) -> float | None:
        """Over the last minute, or since somebody last asked when that is longer ago."""
        while len(self._costs) > 1 and now - self._costs[1][0] >= _OWN_COST_SECONDS:
            self._costs.popleft()
        since, used_then = self._costs[0]
        used = self._own_seconds()
        self._costs.append((now, used))
        passed = now - since
        return _percent(used - used_then, passed * self._num_cores) if passed > 0 else None

    def _own_seconds(self) -> float:
        used = time.process_time()
        for process in self._companions:
            with suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        return used


class _Graphics:
    """NVIDIA cards through their driver's library, opened once; none is the ordinary case."""

    def __init__(self) -> None:
        self._handles: list[Any] | None = None

    def views(self) -> list[GpuView]:
        """What the driver says now; empty when it says nothing."""
        if self._handles is None:
            self._handles = _open_cards()
        try:
            return [_card(handle) for handle in self._handles]
        except pynvml.NVMLError:
            return []


def _open_cards() -> list[Any]:
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def _card(handle: Any) -> GpuView:
    name = pynvml.nvmlDeviceGetName(handle)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    utilization = temperature = None
    with suppress(pynvml.NVMLError):  # not every card tells
        utilization = float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    with suppress(pynvml.NVMLError):
        temperature = float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    return GpuView(
        name=name.decode(errors="replace") if isinstance(name, bytes) else str(name),
        memory_used_bytes=int(memory.used),
        memory_total_bytes=int(memory.total),
        utilization_percent=utilization,
        temperature_celsius=temperature,
    )


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _busy_seconds() -> tuple[float, float]:
    """Seconds all cores together were busy, and seconds they had, since the machine started."""
    times = psutil.cpu_times()
    every = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)  # are in user and nice too
    return every - times.idle - getattr(times, "iowait", 0.0), every


def _percent(part: float, whole: float) -> float:
    return min(100.0, max(0.0, 100.0 * part / whole)) if whole > 0 else 0.0
