"""What this machine has: processor cores, memory, NVIDIA cards."""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import pynvml


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One NVIDIA card."""

    index: int
    name: str
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was found."""

    physical_cores: int
    logical_cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...] = ()


def probe() -> Machine:
    """Look at the machine; takes milliseconds."""
    return Machine(
        physical_cores=physical_cores(),
        logical_cores=psutil.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        gpus=nvidia_gpus(),
    )


def physical_cores() -> int:
    """Physical cores this process may use; what `num_threads` 0 stands for."""
    allowed = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count()
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return max(1, min(physical, allowed or physical))


def nvidia_gpus() -> tuple[Gpu, ...]:
    """Cards the driver reports; empty without driver or library, which is the ordinary case on small machines."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(_gpu(index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def _gpu(index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = pynvml.nvmlDeviceGetName(handle)
    return Gpu(
        index=index,
        name=name.decode(errors="replace") if isinstance(name, bytes) else str(name),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )
