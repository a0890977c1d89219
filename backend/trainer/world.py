"""The processes that train one step together; one is the ordinary case and costs nothing.

Rank and size come from the environment, as torchrun and other launchers set them. Every rank derives the step's rows
and micro-batches from the same function, computes its share of the micro-batches, and adds the gradients up.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class World:
    """This process's place among those that train together."""

    rank: int = 0
    size: int = 1

    @classmethod
    def from_environment(cls, device: torch.device) -> World:
        """Join the others when WORLD_SIZE says that there are any."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(rank=distributed.get_rank(), size=size)

    def computes(self, micro_batch: int) -> bool:
        """Whether a micro-batch of the step is this rank's."""
        return micro_batch % self.size == self.rank

    def add_up(self, *tensors: Tensor) -> None:
        """Replace each tensor by its sum over all ranks."""
        if self.size > 1:
            for tensor in tensors:
                distributed.all_reduce(tensor)
