"""Cross-entropy at supervised positions only, against the plain one over everything."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from backend.trainer import head


@pytest.mark.parametrize("chunk_bytes", [1, 64 * 2**20])
@pytest.mark.parametrize("has_bias", [False, True])
def test_token_losses_equal_plain_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, has_bias: bool
) -> None:
    monkeypatch.setattr(head, "_CHUNK_BYTES", chunk_bytes)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(50, 12, dtype=torch.float64, generator=generator, requires_grad=True)
    weight = torch.randn(31, 12, dtype=torch.float64, generator=generator)
    bias = torch.randn(31, dtype=torch.float64, generator=generator) if has_bias else None
    labels = torch.randint(0, 31, (50,), generator=generator)
    shares = torch.rand(50, dtype=torch.float64, generator=generator)
    found = head.token_losses(hidden, weight, bias, labels)
    wanted = cross_entropy(torch.nn.functional.linear(hidden, weight, bias), labels, reduction="none")
    assert torch.allclose(found, wanted, rtol=1e-13)
    (found_gradient,) = torch.autograd.grad((found * shares).sum(), hidden)
    (wanted_gradient,) = torch.autograd.grad((wanted * shares).sum(), hidden)
    assert torch.allclose(found_gradient, wanted_gradient, rtol=1e-12, atol=1e-15)


def test_token_losses_stay_finite_when_a_label_is_all_but_impossible() -> None:
    hidden = torch.tensor([[200.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]])
    loss = head.token_losses(hidden, weight, None, torch.tensor([1]))
    assert loss.item() == pytest.approx(400.0)
    loss.sum().backward()
    assert torch.isfinite(hidden.grad).all()


def test_token_losses_softmax_in_float32_when_the_model_is_bfloat16() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(8, 16, generator=generator).bfloat16()
    weight = torch.randn(40, 16, generator=generator).bfloat16()
    labels = torch.arange(8)
    found = head.token_losses(hidden, weight, None, labels)
    assert found.dtype is torch.float32
    wanted = cross_entropy((hidden @ weight.t()).float(), labels, reduction="none")
    assert torch.allclose(found, wanted)


def test_token_losses_of_no_token_are_empty() -> None:
    hidden = torch.zeros(0, 4, requires_grad=True)
    loss = head.token_losses(hidden, torch.zeros(5, 4), None, torch.zeros(0, dtype=torch.int64))
    loss.sum().backward()
    assert loss.shape == (0,)
