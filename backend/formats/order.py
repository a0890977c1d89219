"""The order in which rows are trained: a pure function of seed, epoch and content.

Row ids sorted by blake2b(seed, epoch, row sha256, occurrence). Paths, times and file order play no part, so the
same content gives the same order on every machine; `occurrence` tells equal rows apart.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence


def occurrences(row_sha256s: Iterable[bytes]) -> list[int]:
    """For each row how many equal rows came before it in the file."""
    seen: dict[bytes, int] = {}
    result = []
    for digest in row_sha256s:
        result.append(seen.get(digest, 0))
        seen[digest] = result[-1] + 1
    return result


def row_order(row_sha256s: Sequence[bytes], *, seed: int, epoch: int) -> list[int]:
    """Row ids in training order for one epoch; digests are 32 raw bytes each."""
    keys = [
        hashlib.blake2b(struct.pack("<qq32sq", seed, epoch, digest, occurrence), digest_size=16).digest()
        for digest, occurrence in zip(row_sha256s, occurrences(row_sha256s), strict=True)
    ]
    return sorted(range(len(keys)), key=lambda row: (keys[row], row))


def order_fingerprint(row_sha256s: Sequence[bytes], *, seed: int, num_epochs: int, per_step: int) -> str:
    """sha256 over everything that decides which row is trained when; never over paths or times."""
    digest = hashlib.sha256(struct.pack("<qqqq", seed, num_epochs, per_step, len(row_sha256s)))
    for row_sha256 in row_sha256s:
        digest.update(row_sha256)
    return digest.hexdigest()


def num_steps(num_rows: int, *, num_epochs: int, per_step: int) -> int:
    """Optimiser steps of a file. Epochs follow one another without a gap; only the very last step may be smaller."""
    return -(-num_rows * num_epochs // per_step)


class StepPlan:
    """Which rows each optimiser step of a job trains on.

    `rows_of(step)` gives the row ids of step 0, 1, ... as a plain slice of the epochs' orders laid end to end.
    """

    def __init__(self, row_sha256s: Sequence[bytes], *, seed: int, num_epochs: int, per_step: int) -> None:
        self._digests = row_sha256s
        self._seed = seed
        self._num_epochs = num_epochs
        self._per_step = per_step
        self._orders: dict[int, list[int]] = {}
        self.total_steps = num_steps(len(row_sha256s), num_epochs=num_epochs, per_step=per_step)

    @property
    def fingerprint(self) -> str:
        """See order_fingerprint."""
        return order_fingerprint(self._digests, seed=self._seed, num_epochs=self._num_epochs, per_step=self._per_step)

    def rows_of(self, step: int) -> list[int]:
        """Row ids of one step, 0-based; raises IndexError past the end."""
        if not 0 <= step < self.total_steps:
            raise IndexError(f"step {step} of {self.total_steps}")
        num_rows = len(self._digests)
        first = step * self._per_step
        last = min(first + self._per_step, num_rows * self._num_epochs)
        return [self._order(place // num_rows)[place % num_rows] for place in range(first, last)]

    def _order(self, epoch: int) -> list[int]:
        if epoch not in self._orders:
            for stale in [known for known in self._orders if known < epoch - 1]:
                del self._orders[stale]
            self._orders[epoch] = row_order(self._digests, seed=self._seed, epoch=epoch)
        return self._orders[epoch]
