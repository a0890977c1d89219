"""One optimiser step: its rows in micro-batches, the gradient of the whole step, one update."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from backend.trainer.batches import MicroBatch, step_batches
from backend.trainer.failures import NonFiniteError, OutOfMemoryError
from backend.trainer.model import checkpoint_activations, is_out_of_memory
from backend.trainer.optimiser import clip_gradient, learning_rate
from backend.trainer.run import Run
from backend.trainer.seeds import micro_batch_key


@dataclass(frozen=True)
class StepOutcome:
    """What one step came to; `loss` is the mean over its supervised tokens."""

    loss: float
    learning_rate: float
    grad_norm: float
    num_tokens: int
    num_supervised: int
    num_micro_batches: int
    seconds: float
    rows: list[int]


def train_step(run: Run, check: Callable[[], None], shrunk: Callable[[str], None]) -> StepOutcome:
    """Train the next step of the file and count it; out of memory makes it smaller and starts it again.

    `check` is called before every micro-batch and may raise to drop the step: parameters change only at its end.
    `shrunk` is told what was done about memory. Raises NonFiniteError, OutOfMemoryError.
    """
    while True:
        rows = run.plan.rows_of(run.job_step)
        batches = step_batches(run.store, rows, run.token_budget if run.network.packs_documents else 1)
        try:
            outcome = _attempt(run, rows, batches, check)
        except (RuntimeError, MemoryError) as problem:
            if not is_out_of_memory(problem):
                raise
            outcome = None
        if outcome is not None:
            run.global_step += 1
            run.job_step += 1
            run.loss_hex = outcome.loss.hex()
            return outcome
        shrunk(_shrink(run, batches))  # outside of the except block, which holds the failed pass in memory


def _attempt(run: Run, rows: list[int], batches: list[MicroBatch], check: Callable[[], None]) -> StepOutcome:
    started, held_seconds = time.perf_counter(), 0.0
    network, settings = run.network, run.settings
    num_supervised = sum(len(batch.labels) for batch in batches)
    network.adapter.gradient.zero_()
    total = torch.zeros((), dtype=torch.float64, device=network.device)
    try:
        for index, batch in enumerate(batches):
            held_seconds += _held(check)
            if not run.world.computes(index):
                continue
            key = micro_batch_key(settings.seed, run.global_step + 1, index)
            torch.manual_seed(key & (2**63 - 1))
            network.dropout.begin(key)
            losses = network.losses(batch.to(network.device)).sum(dtype=torch.float64)
            (losses / max(1, num_supervised)).backward()  # type: ignore[no-untyped-call]
            total += losses.detach()
    finally:
        network.dropout.end()
    held_seconds += _held(check)
    run.world.add_up(network.adapter.gradient, total)
    loss = float(total) / max(1, num_supervised)
    grad_norm = clip_gradient(network.adapter.gradient, settings.max_grad_norm)
    if not (math.isfinite(loss) and math.isfinite(grad_norm)):
        raise NonFiniteError(
            f"Step {run.global_step + 1} gave loss {loss} and gradient length {grad_norm}; it was not applied.",
            hint=f"Its rows: {', '.join(str(run.store.line(row)) for row in rows)} (lines of the file).",
        )
    rate = learning_rate(settings, run.job_step, run.plan.total_steps)
    run.optimiser.step(settings, rate)
    return StepOutcome(
        loss=loss,
        learning_rate=rate,
        grad_norm=grad_norm,
        num_tokens=sum(batch.num_tokens for batch in batches),
        num_supervised=num_supervised,
        num_micro_batches=len(batches),
        seconds=time.perf_counter() - started - held_seconds,
        rows=rows,
    )


def _held(check: Callable[[], None]) -> float:
    """Pass the gate; how long it held. A pause is no part of what a step costs."""
    began = time.perf_counter()
    check()
    return time.perf_counter() - began


def _shrink(run: Run, batches: list[MicroBatch]) -> str:
    """The next smaller way: half the tokens a micro-batch, then one row each, then recomputed activations."""
    run.network.adapter.gradient.zero_()
    if run.network.device.type == "cuda":
        torch.cuda.empty_cache()
    if any(len(batch.rows) > 1 for batch in batches):
        largest = max(batch.num_tokens for batch in batches if len(batch.rows) > 1)
        run.token_budget = max(1, min(run.token_budget, largest) // 2)
        return "out_of_memory"
    if not run.recomputes:
        checkpoint_activations(run.network)
        run.recomputes = True
        return "recompute"
    raise OutOfMemoryError(
        f"One row of {max(batch.num_tokens for batch in batches)} tokens does not fit into memory.",
        hint="Lower training.max_length or training.lora_r, or choose a smaller base model.",
    )
