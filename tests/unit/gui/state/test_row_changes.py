from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gui.state.row_changes import Change, Inserted, Moved, Permuted, Removed, Replaced, carry_out

Rows = st.lists(st.integers(-5, 60), unique=True, max_size=50)


def told(old: list[int], new: list[int]) -> list[tuple[Change, list[int]]]:
    changes: list[tuple[Change, list[int]]] = []
    carry_out(old, new, lambda change, rows: changes.append((change, rows)))
    return changes


def replayed(rows: list[int], change: Change, after: list[int]) -> list[int]:
    """What a view would make of it: only new rows are read from `after`."""
    match change:
        case Inserted(first, last):
            return rows[:first] + after[first : last + 1] + rows[first:]
        case Removed(first, last):
            return rows[:first] + rows[last + 1 :]
        case Moved(first, last, before):
            block, rest = rows[first : last + 1], rows[:first] + rows[last + 1 :]
            at = before if before < first else before - len(block)
            return rest[:at] + block + rest[at:]
    return after


@given(Rows, Rows)
def test_carry_out_tells_changes_that_lead_from_old_to_new(old: list[int], new: list[int]) -> None:
    rows = old
    for change, after in told(old, new):
        rows = replayed(rows, change, after)
        assert rows == after
    assert rows == new


@given(Rows, st.randoms())
def test_carry_out_tells_only_moves_when_the_rows_are_the_same(old: list[int], random: object) -> None:
    new = old.copy()
    random.shuffle(new)  # type: ignore[attr-defined]
    assert all(isinstance(change, Moved | Permuted) for change, _ in told(old, new))


def test_carry_out_tells_one_move_when_one_block_moved() -> None:
    assert told([1, 2, 3, 4, 5], [1, 4, 2, 3, 5]) == [(Moved(3, 3, 1), [1, 4, 2, 3, 5])]
    assert told([1, 2, 3, 4, 5], [1, 3, 4, 2, 5]) == [(Moved(1, 1, 4), [1, 3, 4, 2, 5])]


def test_carry_out_tells_nothing_when_nothing_changed() -> None:
    assert told([1, 2], [1, 2]) == []


def test_carry_out_replaces_when_too_many_runs_would_come() -> None:
    changes = told(list(range(0, 400, 2)), list(range(400)))
    assert [type(change) for change, _ in changes] == [Replaced]


def test_carry_out_finds_the_change_when_rows_are_thousands() -> None:
    old = list(range(10_000))
    new = [*old[:7000], 20_000, *old[7000:]]
    assert told(old, new)[0][0] == Inserted(7000, 7000)
    assert told(new, old)[0][0] == Removed(7000, 7000)
