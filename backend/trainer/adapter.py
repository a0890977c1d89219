"""The adapter's trainable numbers as one flat vector, of which PEFT's parameters are views.

One vector makes norm, clipping, update, snapshot and the sum over processes single operations. Each parameter
starts at a multiple of 64 bytes, so that products see the same alignment in every process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from peft import get_peft_model_state_dict
from torch import Tensor, nn

from backend.trainer.seeds import adapter_generator

_ALIGNMENT = 16


class Adapter:
    """Trainable parameters of a PEFT model by the names their checkpoint file uses."""

    def __init__(self, peft_model: Any) -> None:
        by_pointer = {
            parameter.data_ptr(): parameter for parameter in peft_model.parameters() if parameter.requires_grad
        }
        saved = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
        parameters = {name: by_pointer[tensor.data_ptr()] for name, tensor in sorted(saved.items())}
        if len(parameters) != len(by_pointer):
            raise ValueError("PEFT saves other parameters than it trains")
        dtype = next(iter(parameters.values())).dtype
        device = next(iter(parameters.values())).device
        self.places: dict[str, tuple[int, torch.Size]] = {}
        size = 0
        for name, parameter in parameters.items():
            self.places[name] = (size, parameter.shape)
            size += -(-parameter.numel() // _ALIGNMENT) * _ALIGNMENT
        self.flat = nn.Parameter(torch.zeros(size, dtype=dtype, device=device))
        self.flat.grad = torch.zeros_like(self.flat.data)
        grads = self.named(self.flat.grad)
        for name, view in self.named(self.flat.data).items():
            parameters[name].data = view.copy_(parameters[name].data)
            parameters[name].grad = grads[name]

    @property
    def gradient(self) -> Tensor:
        """The flat gradient; backward passes add to it."""
        assert self.flat.grad is not None
        return self.flat.grad

    @property
    def num_parameters(self) -> int:
        """Trainable numbers."""
        return sum(math.prod(shape) for _, shape in self.places.values())

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """A vector of this layout as views by name."""
        return {
            name: flat[start : start + math.prod(shape)].view(shape) for name, (start, shape) in self.places.items()
        }

    def initialise(self, seed: int) -> None:
        """A fresh adapter: A as PEFT draws it, from a stream of its own; B zero, so that nothing changes yet."""
        generator = adapter_generator(seed)
        for name, view in self.named(self.flat.data).items():
            if ".lora_A." in name:
                drawn = torch.empty(view.shape, dtype=torch.float32)
                nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=generator)
                view.copy_(drawn)
            else:
                view.zero_()

    def load(self, tensors: Mapping[str, Tensor], into: Tensor) -> None:
        """Fill a vector of this layout; raises ValueError unless names, shapes and dtypes are exactly its own."""
        views = self.named(into)
        if set(tensors) != set(views):
            different = sorted(set(tensors) ^ set(views))
            raise ValueError(f"tensors differ from the adapter's, first {different[0]}")
        for name, view in views.items():
            if tensors[name].shape != view.shape or tensors[name].dtype != view.dtype:
                found, expected = tensors[name], view
                raise ValueError(
                    f"{name} is {tuple(found.shape)} {found.dtype}, not {tuple(expected.shape)} {expected.dtype}"
                )
            view.copy_(tensors[name])
