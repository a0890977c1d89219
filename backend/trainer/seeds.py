"""Every random number of a run as a pure function of (seed, global step, micro-batch).

A process that was killed and one that never was draw the same numbers, because each micro-batch starts its own
streams instead of continuing the last one's.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import numpy.typing as npt
import torch


def micro_batch_key(seed: int, global_step: int, index: int) -> int:
    """128 bits for one micro-batch; `global_step` counts from 1, `index` is its place in the step."""
    packed = struct.pack("<8sqqq", b"everstep", seed, global_step, index)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=16).digest(), "little")


def adapter_generator(seed: int) -> torch.Generator:
    """The stream a fresh adapter is drawn from; its own, so that nothing drawn before matters."""
    return torch.Generator().manual_seed(micro_batch_key(seed, -1, 0) & (2**63 - 1))


class DropoutStream:
    """Says which inputs a LoRA module drops. `module` numbers the modules of the model.

    Asking twice within a micro-batch gives the same answer, so a recomputed forward (gradient checkpointing)
    drops the same inputs.
    """

    def __init__(self) -> None:
        self._key: int | None = None

    def begin(self, key: int) -> None:
        """Start a micro-batch."""
        self._key = key

    def end(self) -> None:
        """Drop nothing until the next `begin`: evaluation, sampling."""
        self._key = None

    @property
    def is_active(self) -> bool:
        """Whether a micro-batch is being trained."""
        return self._key is not None

    def indices(self, module: int, probability: float, size: int) -> torch.Tensor:
        """Flat positions dropped of `size` inputs, each with `probability`, ascending."""
        assert self._key is not None
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=module << 192))
        return torch.from_numpy(_dropped(generator, probability, size))

    def mask(self, module: int, probability: float, like: torch.Tensor) -> torch.Tensor:
        """The same as a bool mask drawn on the tensor's own device (other numbers than `indices`)."""
        assert self._key is not None
        generator = torch.Generator(like.device).manual_seed((self._key + module * 0x9E3779B97F4A7C15) & (2**63 - 1))
        return torch.rand(like.shape, generator=generator, device=like.device) < probability


def _dropped(generator: np.random.Generator, probability: float, size: int) -> npt.NDArray[np.int64]:
    """Draws the gaps between dropped positions instead of a number a position: 50 times fewer draws at 2 %.

    A gap is geometric, here an exponential rounded up.
    """
    expected = probability * size
    mean = np.float32(-1.0 / np.log1p(-probability))
    found = np.zeros(0, dtype=np.int64)
    last = -1
    while last < size:
        num_gaps = int(expected + 6.0 * expected**0.5) + 16
        gaps = (generator.standard_exponential(num_gaps, dtype=np.float32) * mean).astype(np.int64)
        positions = np.cumsum(gaps + 1) + last
        found = np.concatenate((found, positions)) if found.size else positions
        last = int(positions[-1])
    return found[: np.searchsorted(found, size)]
