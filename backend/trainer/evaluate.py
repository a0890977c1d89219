"""Losses without training: dropout off, no gradient, rows packed, everything per supervised token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from backend.formats.order import row_order
from backend.formats.token_store import TokenStore
from backend.trainer.batches import evaluation_groups, pack
from backend.trainer.model import Network

MOST_PROBE_ROWS = 200
_PROBE_SEED = 0


@dataclass(frozen=True)
class Losses:
    """Mean negative log-likelihood over all supervised tokens, and over rows."""

    token: float
    example: float


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """Dropout off and no gradients inside; the model's mode and random stream are as before after it."""
    was_training = network.model.training
    state = torch.random.get_rng_state()
    network.model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.model.train(was_training)
        torch.random.set_rng_state(state)


def evaluate(
    network: Network, store: TokenStore, rows: Sequence[int], *, token_budget: int, **between: Callable[[], None]
) -> Losses | None:
    """Losses over rows of a store; None without a supervised token.

    `between` names `check`, called before every micro-batch, and `moved`, called for every row.
    """
    check: Any = between.get("check", lambda: None)
    moved: Any = between.get("moved", lambda: None)
    total, num_tokens = 0.0, 0
    row_means: list[float] = []
    with evaluating(network):
        for group in evaluation_groups(store, rows, token_budget if network.packs_documents else 1):
            check()
            batch = pack(store, group)
            losses = network.losses(batch.to(network.device)).double().cpu()
            total += float(losses.sum())
            num_tokens += len(losses)
            for row_losses in torch.split(losses, list(batch.supervised_lengths)):
                if len(row_losses):
                    row_means.append(float(row_losses.mean()))
                moved()
    if not num_tokens:
        return None
    return Losses(token=total / num_tokens, example=sum(row_means) / len(row_means))


def probe_rows(store: TokenStore, *, like: int) -> list[int]:
    """Rows of a file to set beside `like` held-out ones: as many, at most 200, the same whenever the file is asked.

    More rows than the other side of the gap has would cost time and tell nothing more.
    """
    size = min(like, MOST_PROBE_ROWS)
    return sorted(row_order(store.row_sha256s, seed=_PROBE_SEED, epoch=-1)[:size])
