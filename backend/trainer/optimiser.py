"""AdamW over one flat vector, and the learning rate as a function of the step.

The schedules carry the names of transformers and give its values: step 0 of a warm-up has rate 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from backend.contract.settings import TrainingSettings


def num_warmup_steps(warmup_steps: float, total_steps: int) -> int:
    """Below 1 it is a share of the file, rounded down: the first step of a warm-up learns nothing, and in a small
    file that would be much."""
    return int(warmup_steps) if warmup_steps >= 1 else int(total_steps * warmup_steps)


def learning_rate(settings: TrainingSettings, job_step: int, total_steps: int) -> float:
    """Rate of the optimiser step with 0-based number `job_step` within its file."""
    kind = settings.lr_scheduler_type
    warmup = 0 if kind == "constant" else num_warmup_steps(settings.warmup_steps, total_steps)
    if job_step < warmup:
        return settings.learning_rate * job_step / max(1, warmup)
    if kind == "linear":
        return settings.learning_rate * max(0.0, (total_steps - job_step) / max(1, total_steps - warmup))
    if kind == "cosine":
        progress = (job_step - warmup) / max(1, total_steps - warmup)
        return settings.learning_rate * max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
    return settings.learning_rate


class AdamW:
    """Torch's AdamW on the adapter's flat vector, with its state in the open.

    `exp_avg` and `exp_avg_sq` have the vector's shape; `num_steps` counts updates since the lineage began.
    """

    def __init__(self, parameters: torch.nn.Parameter) -> None:
        self._parameters = parameters
        self.exp_avg = torch.zeros_like(parameters.data)
        self.exp_avg_sq = torch.zeros_like(parameters.data)
        self.num_steps = 0

    def reset(self) -> None:
        """As for a fresh adapter."""
        self.exp_avg.zero_()
        self.exp_avg_sq.zero_()
        self.num_steps = 0

    def step(self, settings: TrainingSettings, rate: float) -> None:
        """One update from `parameters.grad`."""
        assert self._parameters.grad is not None
        self.num_steps += 1
        torch._fused_adamw_(
            [self._parameters.data],
            [self._parameters.grad],
            [self.exp_avg],
            [self.exp_avg_sq],
            [],
            [torch.tensor(float(self.num_steps), device=self.exp_avg.device)],
            amsgrad=False,
            lr=rate,
            beta1=settings.adam_beta1,
            beta2=settings.adam_beta2,
            weight_decay=settings.weight_decay,
            eps=settings.adam_epsilon,
            maximize=False,
        )


def clip_gradient(gradient: Tensor, max_grad_norm: float) -> float:
    """Shorten the gradient to `max_grad_norm` (0 leaves it); returns its length before."""
    norm = float(torch.linalg.vector_norm(gradient))
    if max_grad_norm > 0 and math.isfinite(norm):
        scale = max_grad_norm / (norm + 1e-6)
        if scale < 1.0:
            gradient.mul_(scale)
    return norm
