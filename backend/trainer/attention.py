"""Attention that stays inside each document of a packed micro-batch, registered with transformers by name.

The document lengths travel as a keyword argument through the model's forward to the attention call; without them
(sampling with a cache) it is plain causal attention. On CUDA it is torch's own kernel for each document. On
processors torch's flash kernel is slow backwards, so there the products are written out, block by block of queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from backend.trainer.matmul import batched_linear

NAME = "everstep_documents"
_BLOCK = 128
_KEEP_LENGTH = 1024
"""Longest document whose attention weights are kept for the backward pass; longer ones compute them again."""


def register() -> None:
    """Make `attn_implementation=NAME` known to transformers."""
    AttentionInterface.register(NAME, document_attention)
    AttentionMaskInterface.register(NAME, _no_mask)


def _no_mask(*_: Any, **__: Any) -> None:
    return None


def document_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    document_lengths: Sequence[int] | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Signature as transformers calls it: query (1, heads, T, head_dim); key and value may have fewer heads.

    Returns (1, T, heads, head_dim).
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if document_lengths is None:
        return _attend(query, key, value, attention_mask, scale, dropout), None
    if query.device.type == "cpu" and dropout == 0.0 and query.dtype in (torch.float32, torch.float64):
        attended: Tensor = _BlockwiseAttention.apply(query, key, value, scale, document_lengths)  # type: ignore[no-untyped-call]
        return attended, None
    lengths = list(document_lengths)
    # split and cat, because their gradients are one cat and one split; slices would each zero a whole tensor
    documents = zip(*(torch.split(tensor, lengths, 2) for tensor in (query, key, value)), strict=True)
    return torch.cat([_attend(q, k, v, None, scale, dropout) for q, k, v in documents], dim=1), None


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float, dropout: float) -> Tensor:
    # One new token with a cache sees everything before it; several are a document from its start.
    attended = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None and query.shape[2] > 1,
        scale=scale,
        enable_gqa=key.shape[1] != query.shape[1],
    )
    return attended.transpose(1, 2)


class _BlockwiseAttention(torch.autograd.Function):
    """G key/value heads, each shared by R query heads; a block is B queries of one document and their keys (K)."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float, lengths: Sequence[int]) -> Tensor:
        attended = query.new_empty(1, query.shape[2], query.shape[1], query.shape[3])
        ctx.scale, ctx.lengths, ctx.weights = scale, tuple(lengths), []
        wants_grad = any(ctx.needs_input_grad)
        for span in _spans(lengths):
            keys, values = (tensor[0, :, span].contiguous() for tensor in (key, value))
            out = _grouped(attended[0, span].transpose(0, 1), len(keys))
            queries = _grouped(query[0, :, span], len(keys))
            for block in _blocks(span.stop - span.start):
                weights = _weights(_scaled(queries[:, :, block], scale), keys[:, : block.stop])
                mixed = batched_linear(weights, values[:, : block.stop].transpose(1, 2))
                out[:, :, block] = mixed.view_as(out[:, :, block])
                keeps = wants_grad and span.stop - span.start <= _KEEP_LENGTH
                ctx.weights.append(weights if keeps else None)
        ctx.save_for_backward(query, key, value)
        return attended

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value = ctx.saved_tensors
        grad_query, grad_key, grad_value = (_token_major(tensor) for tensor in (query, key, value))
        kept_weights = iter(ctx.weights)
        for span in _spans(ctx.lengths):
            keys, values = (tensor[0, :, span].contiguous() for tensor in (key, value))
            grad_keys, grad_values = torch.zeros_like(keys), torch.zeros_like(values)
            queries, grad_queries = (_grouped(tensor[0, :, span], len(keys)) for tensor in (query, grad_query))
            grad_out = _grouped(grads[0][0, span].transpose(0, 1), len(keys))
            for block in _blocks(span.stop - span.start):
                scaled_queries = _scaled(queries[:, :, block], ctx.scale)
                weights = next(kept_weights)
                if weights is None:
                    weights = _weights(scaled_queries, keys[:, : block.stop])
                grad_block = grad_out[:, :, block].reshape(scaled_queries.shape)
                grad_weights = batched_linear(grad_block, values[:, : block.stop])
                grad_scores = torch._softmax_backward_data(grad_weights, weights, -1, weights.dtype)
                grad_scaled = batched_linear(grad_scores, keys[:, : block.stop].transpose(1, 2))
                torch.mul(grad_scaled.view_as(grad_queries[:, :, block]), ctx.scale, out=grad_queries[:, :, block])
                grad_keys[:, : block.stop] += _transposed_product(grad_scores, scaled_queries)
                grad_values[:, : block.stop] += _transposed_product(weights, grad_block)
            grad_key[0, :, span], grad_value[0, :, span] = grad_keys, grad_values
        return grad_query, grad_key, grad_value, None, None


def _spans(lengths: Sequence[int]) -> list[slice]:
    ends = torch.tensor(lengths).cumsum(0).tolist()
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def _blocks(length: int) -> list[slice]:
    return [slice(start, min(start + _BLOCK, length)) for start in range(0, length, _BLOCK)]


def _grouped(tensor: Tensor, num_groups: int) -> Tensor:
    """(heads, T, head_dim) seen as (G, R, T, head_dim)."""
    return tensor.view(num_groups, -1, *tensor.shape[1:])


def _scaled(queries: Tensor, scale: float) -> Tensor:
    """(G, R, B, head_dim) times scale, as (G, R * B, head_dim)."""
    groups, heads, length, width = queries.shape
    out = queries.new_empty(groups, heads, length, width)
    return torch.mul(queries, scale, out=out).view(groups, heads * length, width)


def _weights(scaled_queries: Tensor, keys: Tensor) -> Tensor:
    """Causal softmax weights (G, R * B, K); the block's queries stand at the end of its keys."""
    scores = batched_linear(scaled_queries, keys)
    num_keys = keys.shape[1]
    size = (num_keys - 1) % _BLOCK + 1
    future = torch.full((size, size), float("-inf"), dtype=scores.dtype).triu_(1)
    scores.view(len(keys), -1, size, num_keys)[..., num_keys - size :].add_(future)
    return torch.softmax(scores, -1)


def _transposed_product(left: Tensor, right: Tensor) -> Tensor:
    """left[i].T @ right[i]."""
    return batched_linear(left.transpose(1, 2), right.transpose(1, 2))


def _token_major(tensor: Tensor) -> Tensor:
    """Uninitialised, of the shape (1, heads, T, head_dim), with tokens outermost in memory as projections give them."""
    _, heads, length, width = tensor.shape
    return tensor.new_empty(1, length, heads, width).transpose(1, 2)
