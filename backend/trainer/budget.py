"""How many tokens a micro-batch should hold on this machine: measured, once per model and settings.

Few tokens pay the fixed cost of every operation often; many fall out of the caches (processors) or out of memory
(graphics cards). A handful of decoder layers, forwards and backwards, tells in a second or two.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from backend.trainer.batches import MicroBatch
from backend.trainer.memory import MemoryGauge
from backend.trainer.model import Network, is_out_of_memory

_CPU_CANDIDATES = (256, 512, 1024, 2048)
_CUDA_CANDIDATES = (2048, 4096, 8192, 16384, 32768)
_CLEARLY_BETTER = 1.05
_MEMORY_SHARE = 0.5


def measure_token_budget(network: Network, *, typical_tokens: int, most_tokens: int, check: Callable[[], None]) -> int:
    """The candidate with most tokens a second whose memory fits.

    `typical_tokens` is the mean row, `most_tokens` the largest step: more than that can never be used.
    """
    if not network.packs_documents:
        return 1
    candidates = _CUDA_CANDIDATES if network.device.type == "cuda" else _CPU_CANDIDATES
    gauge = MemoryGauge(network.device)
    best, best_rate = candidates[0], 0.0
    for candidate in candidates:
        check()
        if best_rate and candidate // 2 >= most_tokens:
            break
        lengths = _lengths(candidate, typical_tokens)
        if not _fits(network, sum(lengths), gauge):
            break
        try:
            rate = _tokens_per_second(network, lengths)
        except (RuntimeError, MemoryError) as problem:
            if not best_rate or not is_out_of_memory(problem):
                raise
            break
        if rate > best_rate * _CLEARLY_BETTER:
            best, best_rate = candidate, rate
        elif rate < best_rate / _CLEARLY_BETTER:
            break
    network.adapter.gradient.zero_()
    return best


def _lengths(tokens: int, typical_tokens: int) -> tuple[int, ...]:
    length = max(8, min(typical_tokens, tokens))
    return (length,) * max(1, tokens // length)


def _tokens_per_second(network: Network, lengths: tuple[int, ...]) -> float:
    """Best of two passes over a slice of the model's layers; they see the caches as the whole model does."""
    vocabulary = network.model.get_input_embeddings().num_embeddings
    tokens = sum(lengths)
    labels = torch.arange(tokens // 2) * 7 % vocabulary
    batch = MicroBatch(
        rows=tuple(range(len(lengths))),
        input_ids=(torch.arange(tokens) * 31 % vocabulary)[None],
        position_ids=torch.cat([torch.arange(length) for length in lengths])[None],
        lengths=lengths,
        predicting=torch.arange(len(labels)),
        labels=labels,
        num_tokens=tokens,
        supervised_lengths=(len(labels),),
    ).to(network.device)
    config = network.model.base_model.config
    num_layers = config.num_hidden_layers
    seconds = []
    config.num_hidden_layers = max(1, num_layers // 5)
    try:
        for _ in range(2):
            started = time.perf_counter()
            network.losses(batch).sum().backward()  # type: ignore[no-untyped-call]
            if network.device.type == "cuda":
                torch.cuda.synchronize(network.device)
            seconds.append(time.perf_counter() - started)
    finally:
        config.num_hidden_layers = num_layers
    return tokens / min(seconds)


def _fits(network: Network, tokens: int, gauge: MemoryGauge) -> bool:
    """A generous closed form of the activations kept for the backward pass, against half of what is free."""
    config = network.model.base_model.config
    hidden = int(getattr(config, "hidden_size", 1024))
    inner = int(getattr(config, "intermediate_size", 4 * hidden))
    layers = int(getattr(config, "num_hidden_layers", 32))
    width = 4 if network.dtype is torch.float32 else network.dtype.itemsize
    kept = tokens * layers * (8 * hidden + 5 * inner) * width
    return kept < _MEMORY_SHARE * gauge.free_bytes()
