"""The job state machine: every pair of states is decided, and random walks stay inside the rules."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.contract.errors import ConflictError
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, WAITING_STATES, JobState
from backend.queue.transitions import ALLOWED, check_move, is_allowed

STATES = list(JobState)
# One row a state: which of the states below it may become. Written out by hand, so that a change is a decision.
COLUMNS = "checking blocked queued held starting training evaluating saving paused stopping " + (
    "finished skipped failed quarantined"
)
TABLE = """
checking    . x x x . . . . . . . . x .
blocked     x . x x . . . . . . . . x .
queued      x x . x x . . . . . . . x x
held        x x x . . . . . . . . . x .
starting    . x x . . x x x x x x x x x
training    . x x . x . x x x x x x x x
evaluating  . x x . x x . x x x x x x x
saving      . x x . x x x . x x x x x x
paused      . x x . x x x x . x x x x x
stopping    . x x . . . . . . . x x x x
finished    x x x . . . . . . . . . . .
skipped     x x x . . . . . . . . . . .
failed      x x x . . . . . . . . . . .
quarantined x x x . . . . . . . . . . .
"""
EXPECTED = {
    (JobState(row.split()[0]), JobState(column)): mark == "x"
    for row in TABLE.strip().splitlines()
    for column, mark in zip(COLUMNS.split(), row.split()[1:], strict=True)
}


@pytest.mark.parametrize(("old", "new"), list(product(STATES, STATES)))
def test_move_is_decided_by_the_table(old: JobState, new: JobState) -> None:
    assert is_allowed(old, new) == (EXPECTED[old, new] or old == new)


def test_check_move_raises_a_sentence_with_both_states() -> None:
    with pytest.raises(ConflictError, match=r"finished cannot become training") as raised:
        check_move(JobState.FINISHED, JobState.TRAINING)
    assert raised.value.body().code == "bad_transition"
    check_move(JobState.QUEUED, JobState.STARTING)


def test_every_state_belongs_to_one_group() -> None:
    groups = [ACTIVE_STATES, TERMINAL_STATES, WAITING_STATES]
    assert [sum(state in group for group in groups) for state in STATES] == [1] * len(STATES)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {JobState.CHECKING}
    while more := {new for old in reached for new in ALLOWED[old]} - reached:
        reached |= more
    assert reached == set(STATES)
    assert all(ALLOWED[state] for state in STATES)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(STATES), max_size=40))
def test_no_walk_trains_what_was_not_queued_or_checked(wishes: list[JobState]) -> None:
    walk = [JobState.CHECKING]
    for wish in wishes:
        if is_allowed(walk[-1], wish):
            check_move(walk[-1], wish)
            walk.append(wish)
        else:
            with pytest.raises(ConflictError):
                check_move(walk[-1], wish)
    for before, after in pairwise(walk):
        if after in ACTIVE_STATES and before not in ACTIVE_STATES:
            assert (before, after) == (JobState.QUEUED, JobState.STARTING)
        if before in TERMINAL_STATES and after != before:
            assert after in WAITING_STATES
        if before == JobState.STOPPING:
            assert after not in ACTIVE_STATES - {JobState.STOPPING}
