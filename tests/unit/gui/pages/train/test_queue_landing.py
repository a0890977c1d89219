"""Where a drop lands: every gap of a queue, with and without the dragged rows in it."""

from __future__ import annotations

import pytest

from backend.contract.arguments import MoveArgs
from backend.contract.jobs import Priority
from gui.pages.train.queue_landing import Landing, Section, landing_at, leaves_order, move_args, sections_of

PRIORITIES = (None, Priority.HIGH, Priority.NORMAL, Priority.LOW, None)
ROWS = [0, 1, 0, 2, 0, 3, 4, 5, 0, 0, 7]
"""Header, running 1; header, high 2; header, normal 3 4 5; header, low (empty); header, ended 7."""
HEADERS = [(0, 0), (1, 2), (2, 4), (3, 8), (4, 9)]


def job_id_at(row: int) -> int:
    return ROWS[row]


@pytest.fixture
def sections() -> list[Section]:
    return sections_of(HEADERS, len(ROWS), PRIORITIES)


def test_sections_of_end_where_the_next_begins(sections: list[Section]) -> None:
    assert [(section.first, section.end) for section in sections] == [(1, 2), (3, 4), (5, 8), (9, 9), (10, 11)]


@pytest.mark.parametrize(
    ("boundary", "expected"),
    [
        (0, Landing(Priority.HIGH, 3, before=2)),  # above what runs: nothing overtakes it
        (1, Landing(Priority.HIGH, 3, before=2)),
        (2, Landing(Priority.HIGH, 3, before=2)),
        (3, Landing(Priority.HIGH, 3, before=2)),
        (4, Landing(Priority.HIGH, 4, after=2)),  # above the name of the next group
        (5, Landing(Priority.NORMAL, 5, before=3)),
        (6, Landing(Priority.NORMAL, 6, before=4)),
        (8, Landing(Priority.NORMAL, 8, after=5)),
        (9, Landing(Priority.LOW, 9)),  # a group without jobs
        (10, Landing(Priority.LOW, 9)),  # among what ended
        (11, Landing(Priority.LOW, 9)),
    ],
)
def test_landing_at_names_group_and_neighbour(sections: list[Section], boundary: int, expected: Landing) -> None:
    assert landing_at(sections, job_id_at, boundary) == expected


def test_landing_at_names_no_dragged_job_as_neighbour(sections: list[Section]) -> None:
    assert landing_at(sections, job_id_at, 5, moving=[3, 4]) == Landing(Priority.NORMAL, 5, before=5)
    assert landing_at(sections, job_id_at, 8, moving=[4, 5]) == Landing(Priority.NORMAL, 8, after=3)
    assert landing_at(sections, job_id_at, 4, moving=[2]) == Landing(Priority.HIGH, 4)


def test_landing_at_is_nowhere_when_no_group_waits() -> None:
    assert landing_at(sections_of([(4, 0)], 2, PRIORITIES), job_id_at, 1) is None


@pytest.mark.parametrize(
    ("boundary", "moving", "expected"),
    [
        (5, [3], True),
        (6, [3], True),
        (7, [3], False),
        (6, [3, 4], True),
        (6, [3, 5], False),  # they would come to stand side by side
        (4, [2], True),
        (5, [2], False),
    ],
)
def test_leaves_order_is_true_only_where_nothing_would_change(
    sections: list[Section], boundary: int, moving: list[int], expected: bool
) -> None:
    landing = landing_at(sections, job_id_at, boundary, moving)
    assert landing is not None

    assert leaves_order(sections, job_id_at, landing, moving) is expected


def test_move_args_say_the_neighbour_and_nothing_for_an_empty_group() -> None:
    assert move_args([3], Landing(Priority.NORMAL, 5, before=4)) == MoveArgs(job_ids=[3], before=4)
    assert move_args([3], Landing(Priority.LOW, 9)) is None
