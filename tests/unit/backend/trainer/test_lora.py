"""Fused adapter layers against PEFT's own forward and backward."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from backend.formats.token_store import TokenStore
from backend.trainer import fused, lora
from backend.trainer.batches import pack
from backend.trainer.model import Network
from tests.fixtures.tiny_model import make_token_store
from tests.unit.backend.trainer.conftest import network


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return make_token_store(tmp_path_factory.mktemp("tokens") / "store", 8)


def _loss_and_gradient(net: Network, store: TokenStore, rows: list[int]) -> tuple[float, Tensor]:
    net.adapter.gradient.zero_()
    loss = net.losses(pack(store, rows)).sum()
    loss.backward()
    return float(loss.detach()), net.adapter.gradient.clone()


def _difference(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-5)])
def test_fused_layers_equal_peft_when_nothing_is_dropped(
    tiny: Path, store: TokenStore, dtype: str, tolerance: float
) -> None:
    # The norms of the plain model compute in float32, so float64 agrees no better than that.
    net = network(tiny, dtype=dtype, lora_dropout=0.0)
    assert len(net.groups) == 8  # q with k and v, o, gate with up, down: four a layer
    mine, my_gradient = _loss_and_gradient(net, store, [0, 1, 2])
    fused.uninstall(net.model)
    lora.uninstall(net.model)
    plain, plain_gradient = _loss_and_gradient(net, store, [0, 1, 2])
    assert mine == pytest.approx(plain, rel=tolerance)
    assert _difference(my_gradient, plain_gradient) < tolerance


def test_fused_lora_equals_peft_to_the_last_digits_in_float64(tiny: Path, store: TokenStore) -> None:
    net = network(tiny, dtype="float64", lora_dropout=0.0)
    fused.uninstall(net.model)  # leaves the adapter layers fused and the norms plain
    _, my_gradient = _loss_and_gradient(net, store, [0, 1, 2])
    lora.uninstall(net.model)
    _, plain_gradient = _loss_and_gradient(net, store, [0, 1, 2])
    assert _difference(my_gradient, plain_gradient) < 1e-13


def _sizeable_dropout(net: Network, store: TokenStore, key: int) -> tuple[float, Tensor]:
    net.dropout.begin(key)
    result = _loss_and_gradient(net, store, [0, 1, 2, 3])
    net.dropout.end()
    return result


def test_dropout_repeats_for_the_same_key_and_differs_for_another(tiny: Path, store: TokenStore) -> None:
    net = network(tiny, lora_dropout=0.3)
    first, gradient = _sizeable_dropout(net, store, 1)
    again, same_gradient = _sizeable_dropout(net, store, 1)
    other, other_gradient = _sizeable_dropout(net, store, 2)
    assert first == again
    assert torch.equal(gradient, same_gradient)
    assert first != other
    assert not torch.equal(gradient, other_gradient)


def test_dropout_leaves_the_shared_input_as_it_was(tiny: Path) -> None:
    net = network(tiny, lora_dropout=0.5)
    x = torch.randn(1, 6, 64, requires_grad=True)
    before = x.detach().clone()
    net.dropout.begin(3)
    net.groups[0].joint(x).sum().backward()
    net.dropout.end()
    assert torch.equal(x, before)


@pytest.mark.parametrize("on_device", [False, True])
def test_dropout_gradient_is_that_of_the_function_it_computes(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, on_device: bool
) -> None:
    net = network(tiny, dtype="float64", lora_dropout=0.4)
    if on_device:  # the mask of graphics cards, drawn here
        monkeypatch.setattr(lora._Dropped, "_on_processor", staticmethod(lambda _x: False))
    group = net.groups[0]
    factors = [factor for projection in group.projections for factor in projection.factors]
    x = torch.randn(1, 3, 64, dtype=torch.float64, requires_grad=True)
    net.dropout.begin(11)
    assert torch.autograd.gradcheck(lambda x, *_: group.joint(x), (x, *factors), fast_mode=True)


@pytest.mark.parametrize("on_device", [False, True])
def test_dropout_is_independent_for_each_module_and_right_on_average(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, on_device: bool
) -> None:
    if on_device:
        monkeypatch.setattr(lora._Dropped, "_on_processor", staticmethod(lambda _x: False))
    net = network(tiny, dtype="float64", lora_dropout=0.25)
    group = net.groups[0]
    x = torch.randn(1, 5, 64, dtype=torch.float64)
    with torch.no_grad():
        wanted = group.joint(x)
        draws = []
        for key in range(600):
            net.dropout.begin(key)
            draws.append(group.joint(x) - wanted)
        net.dropout.end()
    noise = torch.stack(draws)
    assert _difference(wanted + noise.mean(0), wanted) < 0.05
    query, key = (noise[..., projection.columns].flatten(1) for projection in group.projections[:2])
    correlation = torch.corrcoef(torch.stack((query.mean(1), key.mean(1))))[0, 1]
    assert abs(float(correlation)) < 0.2


def test_set_dropout_reaches_every_layer(tiny: Path) -> None:
    net = network(tiny, lora_dropout=0.3)
    net.set_dropout(0.0)
    assert all(projection.dropout == 0.0 for group in net.groups for projection in group.projections)
    net.set_dropout(0.1)
    assert all(projection.dropout == 0.1 for group in net.groups for projection in group.projections)


def test_gradient_checkpointing_gives_the_same_gradient_with_dropout(tiny: Path, store: TokenStore) -> None:
    plain = _sizeable_dropout(network(tiny, lora_dropout=0.3), store, 5)
    recomputed = _sizeable_dropout(network(tiny, lora_dropout=0.3, gradient_checkpointing=True), store, 5)
    assert plain[0] == recomputed[0]
    assert torch.equal(plain[1], recomputed[1])
