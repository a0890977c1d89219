"""The linear layers that PEFT put an adapter on, computed as one step each; PEFT still owns the parameters.

For y = x W' + s * drop(x) A' B' the frozen W gets no gradient, x is kept once for all projections that share it,
and the dropped inputs are a short list of positions instead of a mask: they are set to zero in x for the length of
one product and put back. Dropout stays independent for each module, as PEFT's. Query, key and value, gate and up
share their input and are one product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.lora import Linear4bit as LoraLinear4bit
from torch import Tensor, nn

from backend.trainer.matmul import linear, linear_backward
from backend.trainer.seeds import DropoutStream

ADAPTER = "default"


@dataclass(frozen=True)
class Projection:
    """One adapted linear layer of a group."""

    number: int
    """Place among the model's adapted layers; names its dropout stream."""
    layer: Any
    """PEFT's layer."""
    columns: slice
    """Where its output lies in the group's."""

    @property
    def scaling(self) -> float:
        """alpha / r."""
        return float(self.layer.scaling[ADAPTER])

    @property
    def factors(self) -> tuple[Tensor, Tensor]:
        """A (r, in) and B (out, r)."""
        return self.layer.lora_A[ADAPTER].weight, self.layer.lora_B[ADAPTER].weight

    @property
    def dropout(self) -> float:
        """Share of inputs dropped while training."""
        return float(getattr(self.layer.lora_dropout[ADAPTER], "p", 0.0))


class LoraGroup:
    """Adapted layers that read the same input, as one product with their stacked weights."""

    def __init__(self, layers: Sequence[Any], first_number: int, stream: DropoutStream) -> None:
        widths = [layer.get_base_layer().out_features for layer in layers]
        ends = torch.tensor(widths).cumsum(0).tolist()
        self.projections = [
            Projection(first_number + place, layer, slice(end - width, end))
            for place, (layer, end, width) in enumerate(zip(layers, ends, widths, strict=True))
        ]
        self.stream = stream
        self.moved: Callable[[], None] = lambda: None
        self._bases = [layer.get_base_layer() for layer in layers]
        self._stacked = (
            None if isinstance(self._bases[0], Linear4bit) else _stack([base.weight for base in self._bases])
        )
        biases = [base.bias for base in self._bases]
        self.bias = None if all(bias is None for bias in biases) else _joined_bias(self._bases)
        self._pending: tuple[Tensor, list[Tensor]] | None = None

    def weight(self) -> Tensor:
        """Frozen weights (sum of out, in); a 4-bit base is unpacked for the caller to use once and drop."""
        if self._stacked is not None:
            return self._stacked
        parts = [dequantize_4bit(base.weight.data, base.weight.quant_state) for base in self._bases]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def joint(self, x: Tensor) -> Tensor:
        """All outputs side by side: (..., in) to (..., sum of out)."""
        factors = [factor for projection in self.projections for factor in projection.factors]
        result: Tensor = _LoraProduct.apply(x, self, *factors)  # type: ignore[no-untyped-call]
        return result

    def output(self, place: int, x: Tensor) -> Tensor:
        """The output of one layer; the others' wait until they are asked for with the same input."""
        if len(self.projections) == 1:
            return self.joint(x)
        if self._pending is None or self._pending[0] is not x:
            widths = [projection.columns.stop - projection.columns.start for projection in self.projections]
            parts = list(torch.split(self.joint(x), widths, dim=-1))
            self._pending = (x, parts)
        result = self._pending[1][place]
        if place == len(self.projections) - 1:
            self._pending = None  # the last of them; hold no activations
        return result


def install(model: nn.Module, stream: DropoutStream) -> list[LoraGroup]:
    """Replace the forward of every adapted layer that can be; others keep PEFT's own.

    Layers of one parent called q/k/v_proj or gate/up_proj become a group when their weights allow.
    """
    groups = []
    number = 0
    for parent in model.modules():
        children = {name: child for name, child in parent.named_children() if _can_fuse(child)}
        for names in _grouped_names(children):
            group = LoraGroup([children[name] for name in names], number, stream)
            number += len(names)
            for place, name in enumerate(names):
                children[name].forward = _bound(group, place)
            groups.append(group)
    return groups


def uninstall(model: nn.Module) -> None:
    """Give every layer PEFT's own forward back."""
    for module in model.modules():
        if _can_fuse(module):
            module.__dict__.pop("forward", None)


def _bound(group: LoraGroup, place: int) -> Callable[..., Tensor]:
    def forward(x: Tensor, *_: Any, **__: Any) -> Tensor:
        return group.output(place, x)

    return forward


def _can_fuse(module: Any) -> bool:
    if type(module) not in (LoraLinear, LoraLinear4bit) or module.active_adapters != [ADAPTER]:
        return False
    base = module.get_base_layer()
    plain = isinstance(base, (nn.Linear, Linear4bit)) and not getattr(module, "fan_in_fan_out", False)
    return plain and not module.lora_variant and not module.lora_bias[ADAPTER] and ADAPTER in module.lora_A


def _grouped_names(children: dict[str, nn.Module]) -> Iterator[list[str]]:
    left = list(children)
    for family in (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj")):
        if all(name in children for name in family) and _are_alike([children[name] for name in family]):
            left = [name for name in left if name not in family]
            yield list(family)
    for name in left:
        yield [name]


def _are_alike(layers: Sequence[Any]) -> bool:
    bases = [layer.get_base_layer() for layer in layers]
    return len({(type(base), base.in_features, base.weight.dtype, base.weight.device) for base in bases}) == 1


def _stack(weights: Sequence[nn.Parameter]) -> Tensor:
    """The weights below one another in one block of memory, of which each becomes a view."""
    if len(weights) == 1:
        return weights[0].data
    stacked = torch.cat([weight.data for weight in weights])
    start = 0
    for weight in weights:
        weight.data = stacked[start : start + len(weight)]
        start += len(weight)
    return stacked


def _joined_bias(bases: Sequence[Any]) -> Tensor:
    return torch.cat(
        [base.weight.new_zeros(base.out_features) if base.bias is None else base.bias.data for base in bases]
    )


class _Dropped:
    """The inputs one projection does not see in this micro-batch; kept between forward and backward."""

    def __init__(self, projection: Projection, stream: DropoutStream, x: Tensor) -> None:
        self.keep_scale = 1.0
        self._flat: Tensor | None = None
        self._mask: Tensor | None = None
        if stream.is_active and projection.dropout > 0.0:
            self.keep_scale = 1.0 / (1.0 - projection.dropout)
            if self._on_processor(x):
                self._flat = stream.indices(projection.number, projection.dropout, x.numel())
            else:
                self._mask = stream.mask(projection.number, projection.dropout, x)

    @staticmethod
    def _on_processor(x: Tensor) -> bool:
        return x.device.type == "cpu"

    @contextmanager
    def seen(self, x: Tensor) -> Iterator[Tensor]:
        """x (T, in), contiguous, with the dropped inputs zero, unscaled."""
        if self._mask is not None:
            yield x.masked_fill(self._mask, 0.0)
        elif self._flat is None:
            yield x
        else:
            # In place and back: 2 % of the inputs are touched instead of a copy of all. `data` hides it from
            # autograd's version counter, rightly, because the values are the same again when anyone else looks.
            inputs = x.data.view(-1)
            values = inputs.index_select(0, self._flat)
            inputs.index_fill_(0, self._flat, 0.0)
            yield x
            inputs.scatter_(0, self._flat, values)

    def add_seen(self, grad_x: Tensor, left: Tensor, right: Tensor) -> None:
        """grad_x += left @ right where the inputs were seen."""
        if self._mask is not None:
            grad_x += (left @ right).masked_fill(self._mask, 0.0)
        elif self._flat is None:
            grad_x.addmm_(left, right)
        else:
            flat = grad_x.view(-1)
            values = flat.index_select(0, self._flat)
            grad_x.addmm_(left, right)
            flat.scatter_(0, self._flat, values)


class _LoraProduct(torch.autograd.Function):
    """x (..., in) with factors A (r, in), B (out, r) of each projection. H = s * drop(x) A' is kept, (T, r)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: LoraGroup, *factors: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        weight = group.weight()
        result = linear(rows, weight.to(rows.dtype))
        if group.bias is not None:
            result += group.bias
        inner, dropped = [], []
        for projection, (factor_a, factor_b) in zip(group.projections, _pairs(factors), strict=True):
            drop = _Dropped(projection, group.stream, rows)
            with drop.seen(rows) as seen:
                h = linear(seen, factor_a.to(rows.dtype))
            h *= projection.scaling * drop.keep_scale
            result[:, projection.columns].addmm_(h, factor_b.to(rows.dtype).t())
            inner.append(h)
            dropped.append(drop)
        ctx.group, ctx.dropped = group, dropped
        ctx.save_for_backward(rows, *inner, *factors)
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        group: LoraGroup = ctx.group
        num = len(group.projections)
        rows, *rest = ctx.saved_tensors
        inner, factors = rest[:num], rest[num:]
        grad = grads[0].reshape(-1, grads[0].shape[-1])
        grad_rows = linear_backward(grad, group.weight().to(grad.dtype)) if ctx.needs_input_grad[0] else None
        grad_factors: list[Tensor] = []
        for projection, drop, h, (factor_a, factor_b) in zip(
            group.projections, ctx.dropped, inner, _pairs(factors), strict=True
        ):
            part = grad[:, projection.columns]
            grad_h = linear_backward(part, factor_b.to(part.dtype)).mul_(projection.scaling * drop.keep_scale)
            with drop.seen(rows) as seen:
                grad_a = linear(grad_h.t(), seen.t())
            grad_b = (h.t() @ part).t()  # this way round it is about twice as fast
            grad_factors += [grad_a.to(factor_a.dtype), grad_b.to(factor_b.dtype)]
            if grad_rows is not None:
                drop.add_seen(grad_rows, grad_h, factor_a.to(grad_h.dtype))
        group.moved()
        shape = (*grads[0].shape[:-1], rows.shape[-1])
        return (None if grad_rows is None else grad_rows.view(shape), None, *grad_factors)


def _pairs(factors: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    return list(zip(factors[::2], factors[1::2], strict=True))
