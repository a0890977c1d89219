"""How much memory this process uses and how much there is."""

from __future__ import annotations

import psutil
import torch


class MemoryGauge:
    """Bytes in use, cheap enough for every step: the device's allocator, else the process's resident set."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()

    def used_bytes(self) -> int:
        """Bytes now."""
        if self._device.type == "cuda":
            return int(torch.cuda.memory_reserved(self._device))
        return int(self._process.memory_info().rss)

    def free_bytes(self) -> int:
        """Bytes that could still be taken."""
        if self._device.type == "cuda":
            return int(torch.cuda.mem_get_info(self._device)[0])
        return int(psutil.virtual_memory().available)


def physical_cores() -> int:
    """Cores this process may use, hyper-threads not counted."""
    usable = len(psutil.Process().cpu_affinity() or [0])
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))
