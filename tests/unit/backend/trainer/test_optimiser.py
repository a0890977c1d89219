"""Schedules against closed forms and transformers' own; the update against torch's AdamW."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import get_scheduler

from backend.trainer.optimiser import AdamW, clip_gradient, learning_rate, num_warmup_steps
from tests.unit.backend.trainer.conftest import settings


@pytest.mark.parametrize("name", ["cosine", "linear", "constant", "constant_with_warmup"])
@pytest.mark.parametrize("warmup", [0, 0.1, 5, 200])
def test_learning_rate_equals_transformers_schedule(name: str, warmup: float) -> None:
    total = 37
    chosen = settings(lr_scheduler_type=name, warmup_steps=warmup, learning_rate=3e-4)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=3e-4)
    schedule = get_scheduler(name, optimiser, num_warmup_steps(warmup, total), total)
    for step in range(total):
        assert learning_rate(chosen, step, total) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
        optimiser.step()
        schedule.step()


def test_learning_rate_cosine_is_half_in_the_middle_and_all_but_zero_at_the_end() -> None:
    chosen = settings(lr_scheduler_type="cosine", warmup_steps=0, learning_rate=1.0)
    assert learning_rate(chosen, 0, 100) == 1.0
    assert learning_rate(chosen, 50, 100) == pytest.approx(0.5)
    assert learning_rate(chosen, 99, 100) == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.99)))


def test_num_warmup_steps_below_one_is_a_share_rounded_down() -> None:
    assert num_warmup_steps(0.03, 100) == 3
    assert num_warmup_steps(0.03, 30) == 0, "a small file wastes no step"
    assert num_warmup_steps(0, 30) == 0
    assert num_warmup_steps(7, 30) == 7


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adamw_equals_torch_over_several_steps(weight_decay: float) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(40, dtype=torch.float64, generator=generator)
    mine, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    optimiser = AdamW(mine)
    reference = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=weight_decay)
    chosen = settings(weight_decay=weight_decay)
    for _ in range(5):
        gradient = torch.randn(40, dtype=torch.float64, generator=generator)
        mine.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimiser.step(chosen, 1e-2)
        reference.step()
    assert torch.allclose(mine, theirs, rtol=1e-12)
    assert optimiser.num_steps == 5


def test_clip_gradient_shortens_only_what_is_too_long() -> None:
    long, short = torch.tensor([3.0, 4.0]), torch.tensor([0.3, 0.4])
    assert clip_gradient(long, 1.0) == pytest.approx(5.0)
    assert long.norm().item() == pytest.approx(1.0, abs=1e-5)
    assert clip_gradient(short, 1.0) == pytest.approx(0.5)
    assert short.tolist() == pytest.approx([0.3, 0.4])
    assert clip_gradient(long.mul_(50), 0.0) == pytest.approx(50.0, rel=1e-4)
    assert long.norm().item() == pytest.approx(50.0, rel=1e-4)
