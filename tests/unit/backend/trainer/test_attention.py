"""Attention inside documents: the written-out products against torch's own kernel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from backend.trainer import attention


def _inputs(lengths: tuple[int, ...], dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(1, sum(lengths), heads, 16, dtype=dtype, generator=generator).transpose(1, 2).requires_grad_()
        for heads in (6, 2, 2)
    ]


def _document_by_document(query: Tensor, key: Tensor, value: Tensor, lengths: tuple[int, ...]) -> Tensor:
    parts = zip(*(torch.split(tensor, list(lengths), 2) for tensor in (query, key, value)), strict=True)
    return torch.cat([attention._attend(q, k, v, None, 0.3, 0.0) for q, k, v in parts], dim=1)


@pytest.mark.parametrize("lengths", [(1,), (5, 1, 7), (128,), (129, 40), (300, 3)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_document_attention_equals_the_kernel_on_each_document(
    lengths: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    inputs = _inputs(lengths, dtype)
    module: Any = torch.nn.Identity()
    found, _ = attention.document_attention(module, *inputs, None, scaling=0.3, document_lengths=lengths)
    wanted = _document_by_document(*inputs, lengths)
    upstream = torch.randn(wanted.shape, dtype=dtype, generator=torch.Generator().manual_seed(2))
    found_gradients = torch.autograd.grad(found, inputs, upstream)
    wanted_gradients = torch.autograd.grad(wanted, inputs, upstream)
    for mine, kernel in zip((found, *found_gradients), (wanted, *wanted_gradients), strict=True):
        difference = float((mine - kernel).detach().norm())
        assert difference <= tolerance * max(1.0, float(kernel.detach().norm()))


def test_document_attention_gives_the_same_gradient_when_weights_are_computed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths = (140, 20)
    inputs = _inputs(lengths, torch.float32)
    module: Any = torch.nn.Identity()

    def gradients() -> tuple[Tensor, ...]:
        found, _ = attention.document_attention(module, *inputs, None, scaling=0.3, document_lengths=lengths)
        return torch.autograd.grad(found.square().sum(), inputs)

    kept = gradients()
    monkeypatch.setattr(attention, "_KEEP_LENGTH", 1)
    for one, other in zip(kept, gradients(), strict=True):
        assert torch.equal(one, other)


def test_document_attention_without_lengths_is_plain_causal() -> None:
    query, key, value = _inputs((9,), torch.float32)
    module: Any = torch.nn.Identity()
    whole, _ = attention.document_attention(module, query, key, value, None, scaling=0.3)
    last, _ = attention.document_attention(module, query[:, :, -1:], key, value, None, scaling=0.3)
    assert torch.allclose(whole[:, -1:], last, atol=1e-6)
    changed = value.detach().clone()
    changed[:, :, -1] += 1.0
    again, _ = attention.document_attention(module, query, key, changed, None, scaling=0.3)
    assert torch.equal(whole[:, :-1], again[:, :-1])
