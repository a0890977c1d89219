"""Products with frozen weights, by whichever library of torch is faster on this processor.

torch's float32 products go through MKL, which does not use AVX-512 on processors of other makers; oneDNN, which
torch also carries, does and is about twice as fast there. The choice depends on the processor alone, never on a
measurement: the same machine must give the same bits after every restart.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from torch import Tensor


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x @ weight.T for x (T, in) and weight (out, in). Not differentiable."""
    if _goes_to_onednn(x):
        return _onednn(x, weight)
    return torch.mm(x, weight.t())


def linear_backward(grad: Tensor, weight: Tensor) -> Tensor:
    """grad @ weight for grad (T, out) and weight (out, in): the gradient of `linear` with respect to x."""
    if _goes_to_onednn(grad):
        return _onednn(grad, weight.t())
    return torch.mm(grad, weight)


def batched_linear(x: Tensor, weight: Tensor) -> Tensor:
    """x[i] @ weight[i].T for x (B, M, K) and weight (B, N, K). Not differentiable."""
    if not _goes_to_onednn(x):
        return torch.bmm(x, weight.transpose(1, 2))
    result = x.new_empty(x.shape[0], x.shape[1], weight.shape[1])
    for row, left, right in zip(result, x, weight, strict=True):
        row.copy_(_onednn(left, right))
    return result


def _goes_to_onednn(x: Tensor) -> bool:
    return x.dtype is torch.float32 and x.device.type == "cpu" and prefers_onednn()


def _onednn(x: Tensor, weight: Tensor) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return result


@functools.lru_cache(maxsize=1)
def prefers_onednn() -> bool:
    """True on x86 processors with AVX-512 that are not Intel's."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    vendors = {line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith("vendor_id")}
    return bool(vendors) and "GenuineIntel" not in vendors
