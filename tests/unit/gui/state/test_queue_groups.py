from __future__ import annotations

import pytest

from backend.contract.arguments import MoveArgs, PriorityArgs
from backend.contract.jobs import JobState, Priority
from gui.state.queue_groups import (
    Group,
    Groups,
    Move,
    Place,
    applied,
    as_one,
    group_of,
    header_row,
    one_down,
    one_up,
    place_at,
)
from tests.fakes.fake_backend import job

GROUPS: Groups = [[1], [2], [3, 4, 5], [], [9]]
RUNNING, HIGH, NORMAL, LOW, ENDED = (header_row(group) for group in Group)
ROWS = [RUNNING, 1, HIGH, 2, NORMAL, 3, 4, 5, LOW, ENDED, 9]


def test_group_of_follows_state_before_priority() -> None:
    assert group_of(job(1, JobState.PAUSED, priority=Priority.LOW)) is Group.RUNNING
    assert group_of(job(1, JobState.SKIPPED, priority=Priority.HIGH)) is Group.ENDED
    assert group_of(job(1, JobState.BLOCKED, priority=Priority.HIGH)) is Group.HIGH


@pytest.mark.parametrize(
    ("index", "place"),
    [
        (0, None),
        (1, None),
        (2, Place(group=Group.HIGH, before=2)),  # above the first header: its group's first
        (3, Place(group=Group.HIGH, before=2)),
        (4, Place(group=Group.HIGH, after=2)),
        (5, Place(group=Group.NORMAL, before=3)),
        (6, Place(group=Group.NORMAL, before=4)),
        (8, Place(group=Group.NORMAL, after=5)),
        (9, Place(group=Group.LOW)),
        (10, None),
        (11, None),
    ],
)
def test_place_at_names_the_neighbour_when_dropped_between_rows(index: int, place: Place | None) -> None:
    assert place_at(ROWS, index) == place


def test_place_at_knows_the_group_when_only_its_header_is_below() -> None:
    assert place_at([RUNNING, 1, LOW], 2) == Place(group=Group.LOW)


def test_applied_moves_between_groups_when_the_place_is_there() -> None:
    move = Move(job_ids=(5, 2), place=Place(group=Group.NORMAL, before=4))
    assert applied(GROUPS, move) == [[1], [], [3, 5, 2, 4], [], [9]]


def test_applied_leaves_all_as_it_was_when_the_place_is_gone() -> None:
    move = Move(job_ids=(2,), place=Place(group=Group.NORMAL, before=77))
    assert applied(GROUPS, move) is GROUPS


def test_applied_moves_only_what_is_there_when_a_job_is_gone() -> None:
    move = Move(job_ids=(77, 1, 9, 3), place=Place(group=Group.LOW))
    assert applied(GROUPS, move)[Group.LOW] == [3]


def test_args_name_the_priority_when_the_group_is_empty() -> None:
    assert Move(job_ids=(3,), place=Place(group=Group.LOW)).args() == PriorityArgs(job_ids=[3], priority=Priority.LOW)
    assert Move(job_ids=(3,), place=Place(group=Group.HIGH, after=2)).args() == MoveArgs(job_ids=[3], after=2)


def test_as_one_joins_jobs_when_they_stand_together() -> None:
    assert as_one(GROUPS, [5, 4]) == Move(job_ids=(4, 5), place=Place(group=Group.NORMAL, after=3))
    assert as_one(GROUPS, [3, 4]) == Move(job_ids=(3, 4), place=Place(group=Group.NORMAL, before=5))
    assert as_one(GROUPS, [3, 4, 5]) == Move(job_ids=(3, 4, 5), place=Place(group=Group.NORMAL))
    assert as_one(GROUPS, [3, 5]) is None
    assert as_one(GROUPS, [2, 3]) is None
    assert as_one(GROUPS, []) is None


def test_one_up_crosses_the_border_when_the_job_is_first() -> None:
    assert one_up(GROUPS, [4]) == [Move(job_ids=(4,), place=Place(group=Group.NORMAL, before=3))]
    assert one_up(GROUPS, [3]) == [Move(job_ids=(3,), place=Place(group=Group.HIGH, after=2))]
    assert one_up(GROUPS, [2]) == []
    assert one_up(GROUPS, [1, 9]) == []


def test_one_down_crosses_the_border_when_the_job_is_last() -> None:
    assert one_down(GROUPS, [3, 4]) == [Move(job_ids=(3, 4), place=Place(group=Group.NORMAL, after=5))]
    assert one_down(GROUPS, [5]) == [Move(job_ids=(5,), place=Place(group=Group.LOW))]
    assert one_down(GROUPS, [2]) == [Move(job_ids=(2,), place=Place(group=Group.NORMAL, before=3))]


def test_one_up_keeps_each_in_its_group_when_the_selection_spans_groups() -> None:
    assert one_up(GROUPS, [2, 4]) == [Move(job_ids=(4,), place=Place(group=Group.NORMAL, before=3))]
