"""The language model head where it counts: logits and cross-entropy at supervised positions only, in chunks.

The head is frozen, so the gradient with respect to the hidden states is known as soon as the logits are; it is
computed in the forward pass and the logits are forgotten. Softmax in float32, in float64 for float64 models.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from backend.trainer.matmul import linear, linear_backward

_CHUNK_BYTES = 64 * 2**20


def token_losses(hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """Negative log-likelihood of each label, shape (N,), from hidden (N, d) and a frozen head (V, d)."""
    losses: Tensor = _TokenLosses.apply(hidden, weight, bias, labels)  # type: ignore[no-untyped-call]
    return losses


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
        softmax_dtype = torch.float64 if hidden.dtype is torch.float64 else torch.float32
        losses = torch.empty(len(labels), dtype=softmax_dtype, device=hidden.device)
        grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        rows = max(16, _CHUNK_BYTES // (4 * weight.shape[0]))
        for start in range(0, len(labels), rows):
            chunk = slice(start, start + rows)
            logits = linear(hidden[chunk], weight)
            if bias is not None:
                logits += bias
            log_p = torch.log_softmax(logits, dim=-1, dtype=softmax_dtype)
            del logits
            losses[chunk] = -log_p.gather(1, labels[chunk, None])[:, 0]
            if grad_hidden is not None:
                grad_logits = log_p.exp_()  # softmax minus one-hot, in place
                grad_logits.scatter_add_(1, labels[chunk, None], grad_logits.new_full((len(grad_logits), 1), -1.0))
                grad_hidden[chunk] = linear_backward(grad_logits.to(weight.dtype), weight)
        ctx.save_for_backward(grad_hidden)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, None, None, None]:
        (grad_hidden,) = ctx.saved_tensors
        if grad_hidden is None:
            return None, None, None, None
        return grad_hidden * grads[0][:, None].to(grad_hidden.dtype), None, None, None
