"""The measured token budget."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.trainer import budget
from backend.trainer.budget import measure_token_budget
from tests.unit.backend.trainer.conftest import network


def _pass() -> None:
    """A gate that is open."""


def test_measure_token_budget_takes_the_size_with_most_tokens_a_second(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {256: 100.0, 512: 140.0, 1024: 150.0, 2048: 90.0}
    monkeypatch.setattr(budget, "_tokens_per_second", lambda _net, lengths: rates[sum(lengths)])
    net = network(tiny)
    assert measure_token_budget(net, typical_tokens=64, most_tokens=10_000, check=_pass) == 1024


def test_measure_token_budget_never_tries_more_than_a_step_holds(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def rate(_net: object, lengths: tuple[int, ...]) -> float:
        tried.append(sum(lengths))
        return float(sum(lengths))

    monkeypatch.setattr(budget, "_tokens_per_second", rate)
    measure_token_budget(network(tiny), typical_tokens=64, most_tokens=300, check=_pass)
    assert tried == [256, 512]


def test_measure_token_budget_stops_where_memory_ends(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_tokens_per_second", lambda _net, lengths: float(sum(lengths)))
    monkeypatch.setattr(budget, "_fits", lambda _net, tokens, _gauge: tokens <= 512)
    assert measure_token_budget(network(tiny), typical_tokens=64, most_tokens=10_000, check=_pass) == 512


def test_measure_token_budget_leaves_no_trace(tiny: Path) -> None:
    net = network(tiny)
    before = net.adapter.flat.data.clone()
    measure_token_budget(net, typical_tokens=64, most_tokens=300, check=_pass)
    assert torch.equal(net.adapter.flat.data, before)
    assert float(net.adapter.gradient.abs().max()) == 0.0
    assert net.model.config.num_hidden_layers == 2


def test_measure_token_budget_is_one_when_rows_are_computed_alone(tiny: Path) -> None:
    net = network(tiny)
    net.packs_documents = False
    assert measure_token_budget(net, typical_tokens=64, most_tokens=300, check=_pass) == 1
