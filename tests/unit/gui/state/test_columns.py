from __future__ import annotations

import numpy as np
import pytest

from backend.contract.results import HistoryResult
from gui.state.columns import NAMES, STEP, Columns, table_of, thinned
from tests.fakes.fake_backend import example_session


def test_table_of_has_a_row_for_each_column_also_when_empty() -> None:
    assert table_of(HistoryResult()).shape == (len(NAMES), 0)
    history = example_session(50).history
    table = table_of(history)
    assert list(table[STEP]) == history.step
    assert table[NAMES.index("loss")][7] == history.loss[7]


def test_columns_grow_and_leave_views_as_they_were() -> None:
    columns = Columns()
    columns.append([1.0] * len(NAMES))
    early = columns.column("loss")
    for number in range(2, 10_000):
        columns.append([float(number)] * len(NAMES))
    assert list(early) == [1.0]
    assert len(columns) == 9_999
    assert columns.last("tokens") == 9_999
    assert columns.column("at")[5000] == 5001


def test_columns_hand_out_views_that_cannot_be_written() -> None:
    columns = Columns(table_of(example_session(10).history))
    with pytest.raises(ValueError, match="read-only"):
        columns.column("loss")[0] = 0


def test_thinned_keeps_extremes_means_and_last_values() -> None:
    table = table_of(example_session(1000).history)
    out = thinned(table, 10)
    assert out.shape[1] == 100
    assert list(out[STEP][:3]) == [10, 20, 30]
    loss, low, high, tokens = (NAMES.index(name) for name in ("loss", "loss_min", "loss_max", "tokens"))
    assert out[loss][0] == pytest.approx(table[loss][:10].mean())
    assert out[low][0] == table[loss][:10].min()
    assert out[high][0] == table[loss][:10].max()
    assert out[tokens][0] == table[tokens][9]


def test_thinned_weighs_points_by_their_steps_when_thinned_again() -> None:
    table = table_of(example_session(1000).history)
    again = thinned(np.concatenate([thinned(table[:, :500], 5), table[:, 500:]], axis=1), 20)
    assert np.allclose(again, thinned(table, 20))
