"""Step fusion: which rows share a micro-batch, and how they lie in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.formats.token_store import TokenStore
from backend.trainer.batches import evaluation_groups, pack, split_rows, step_batches
from tests.fixtures.tiny_model import write_token_store


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    rows = [([10, 11, 12, 13], [0, 1, 0, 1]), ([20, 21, 22], [0, 0, 1]), ([30, 31, 32, 33, 34], [0, 1, 1, 0, 0])]
    return TokenStore(write_token_store(tmp_path / "store", rows))


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=20), budget=st.integers(1, 120))
def test_split_rows_keeps_every_row_once_and_the_budget(lengths: list[int], budget: int) -> None:
    rows = list(range(100, 100 + len(lengths)))
    groups = split_rows(rows, lengths, budget)
    assert sorted(row for group in groups for row in group) == rows
    for group in groups:
        assert len(group) == 1 or sum(lengths[row - 100] for row in group) <= budget
        assert group == sorted(group)


def test_split_rows_gives_a_row_longer_than_the_budget_a_group_of_its_own() -> None:
    assert split_rows([5, 6, 7], [10, 100, 10], 20) == [[5, 7], [6]]


def test_split_rows_repeats_a_row_when_the_step_repeats_it() -> None:
    assert split_rows([3, 3], [4, 4], 100) == [[3, 3]]


def test_pack_restarts_positions_and_predicts_only_inside_each_row(store: TokenStore) -> None:
    batch = pack(store, [0, 1])
    assert batch.input_ids.tolist() == [[10, 11, 12, 20, 21]]  # the last token of a row predicts nothing
    assert batch.position_ids.tolist() == [[0, 1, 2, 0, 1]]
    assert batch.lengths == (3, 2)
    assert batch.predicting.tolist() == [0, 2, 4]
    assert batch.labels.tolist() == [11, 13, 22]
    assert batch.supervised_lengths == (2, 1)
    assert batch.num_tokens == 7


def test_pack_leaves_out_what_follows_the_last_supervised_token(store: TokenStore) -> None:
    batch = pack(store, [2])
    assert batch.input_ids.tolist() == [[30, 31]]
    assert batch.labels.tolist() == [31, 32]
    assert batch.num_tokens == 5


def test_pack_keeps_one_token_of_a_row_without_supervision(tmp_path: Path) -> None:
    store = TokenStore(write_token_store(tmp_path / "s", [([1, 2, 3], [0, 0, 0]), ([4, 5], [0, 1])]))
    batch = pack(store, [0, 1])
    assert batch.lengths == (1, 1)
    assert batch.labels.tolist() == [5]


def test_step_batches_count_the_same_supervised_tokens_for_every_budget(store: TokenStore) -> None:
    for budget in (1, 4, 8, 100):
        batches = step_batches(store, [0, 1, 2], budget)
        assert sum(len(batch.labels) for batch in batches) == 5
        assert torch.cat([batch.labels for batch in batches]).sort().values.tolist() == [11, 13, 22, 31, 32]


def test_evaluation_groups_keep_the_order_of_rows(store: TokenStore) -> None:
    assert evaluation_groups(store, [2, 0, 1], 9) == [[2, 0], [1]]
    assert evaluation_groups(store, [2, 0, 1], 1) == [[2], [0], [1]]
