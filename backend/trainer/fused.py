"""The small operations between the products, with hand-written gradients: RMS norm and gated SiLU.

Same numbers as the model's own modules up to rounding, fewer passes over memory. Each is installed only where a
trial on random input agrees with the module it replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from backend.trainer.lora import LoraGroup


class _RmsNorm(torch.autograd.Function):
    """y = w * x / rms(x) with frozen w; x (..., d)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = length.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return torch.mul(x, inverse).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None, None]:
        x, weight, inverse = ctx.saved_tensors
        weighted = grads[0] * weight
        share = torch.linalg.vecdot(weighted, x).unsqueeze(-1)
        share.mul_(inverse.pow(3)).div_(x.shape[-1])
        return weighted.mul_(inverse).addcmul_(x, share, value=-1), None, None


class _GatedSilu(torch.autograd.Function):
    """silu(gate) * up for gate and up side by side: (..., 2 m) to (..., m)."""

    @staticmethod
    def forward(ctx: Any, joint: Tensor) -> Tensor:
        ctx.save_for_backward(joint)
        gate, up = joint.chunk(2, dim=-1)
        return nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Tensor:
        (joint,) = ctx.saved_tensors
        gate, up = joint.chunk(2, dim=-1)
        grad_joint = torch.empty_like(joint)
        grad_gate, grad_up = grad_joint.chunk(2, dim=-1)
        torch.mul(grads[0], nn.functional.silu(gate), out=grad_up)
        torch.ops.aten.silu_backward.grad_input(grads[0] * up, gate, grad_input=grad_gate)
        return grad_joint


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """See _RmsNorm."""
    result: Tensor = _RmsNorm.apply(x, weight, epsilon)  # type: ignore[no-untyped-call]
    return result


def gated_silu(joint: Tensor) -> Tensor:
    """See _GatedSilu."""
    result: Tensor = _GatedSilu.apply(joint)  # type: ignore[no-untyped-call]
    return result


def install(model: nn.Module, groups: list[LoraGroup]) -> None:
    """Replace what can be replaced in `model`."""
    by_first_layer = {id(group.projections[0].layer): group for group in groups}
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            _replace_norm(module)
        if all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn")):
            group = by_first_layer.get(id(module.gate_proj))
            if group is not None and len(group.projections) == 2 and _is_silu(module.act_fn):
                module.forward = _gated_forward(module, group)


def uninstall(model: nn.Module) -> None:
    """Give every module its own forward back."""
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm") or hasattr(module, "gate_proj"):
            module.__dict__.pop("forward", None)


def _gated_forward(module: Any, group: LoraGroup) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        result: Tensor = module.down_proj(gated_silu(group.joint(x)))
        return result

    return forward


def _replace_norm(module: Any) -> None:
    weight = getattr(module, "weight", None)
    epsilon = getattr(module, "variance_epsilon", None)
    if not isinstance(weight, nn.Parameter) or not isinstance(epsilon, float) or weight.dtype.itemsize < 4:
        return

    def forward(x: Tensor) -> Tensor:
        return rms_norm(x, weight, epsilon)

    trial = torch.linspace(-2.0, 3.0, 3 * len(weight), dtype=weight.dtype, device=weight.device).view(1, 3, -1)
    with torch.no_grad():
        if torch.allclose(forward(trial), module(trial), rtol=1e-4, atol=1e-5):
            module.forward = forward


def _is_silu(activation: Any) -> bool:
    trial = torch.linspace(-4.0, 4.0, 9)
    return torch.equal(activation(trial), nn.functional.silu(trial))
