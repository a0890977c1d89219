"""Losses of held-out rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from backend.formats.token_store import TokenStore
from backend.trainer.batches import pack
from backend.trainer.evaluate import evaluate, evaluating, probe_rows
from tests.fixtures.tiny_model import make_token_store, write_token_store
from tests.unit.backend.trainer.conftest import network


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return make_token_store(tmp_path_factory.mktemp("tokens") / "store", 9)


@pytest.mark.parametrize("budget", [1, 50, 1000])
def test_evaluate_weighs_by_token_and_by_row(tiny: Path, store: TokenStore, budget: int) -> None:
    net = network(tiny, lora_dropout=0.5)
    with torch.no_grad():
        each = [net.losses(pack(store, [row])).double() for row in range(9)]
    moved: list[int] = []
    found = evaluate(net, store, range(9), token_budget=budget, moved=lambda: moved.append(1))
    assert found is not None
    assert found.token == pytest.approx(float(torch.cat(each).mean()), rel=1e-6)
    assert found.example == pytest.approx(float(torch.stack([losses.mean() for losses in each]).mean()), rel=1e-6)
    assert len(moved) == 9


def test_evaluate_nothing_supervised_is_none(tiny: Path, tmp_path: Path) -> None:
    empty = TokenStore(write_token_store(tmp_path / "s", [([1, 2], [0, 0])]))
    assert evaluate(network(tiny), empty, [0], token_budget=10) is None


def test_evaluating_restores_the_training_mode_when_it_is_left_by_an_error(tiny: Path) -> None:
    net = network(tiny)
    with pytest.raises(RuntimeError), evaluating(net):
        assert not net.model.training
        raise RuntimeError
    assert net.model.training


def test_probe_rows_are_fixed_by_content_and_at_most_as_many_as_asked(tmp_path: Path) -> None:
    store = make_token_store(tmp_path / "s", 30)
    assert probe_rows(store, like=7) == probe_rows(store, like=7)
    assert len(set(probe_rows(store, like=7))) == 7
    assert len(probe_rows(store, like=1000)) == 30
