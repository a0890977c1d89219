"""How long a new trainer waits."""

from __future__ import annotations

from backend.supervisor.restarts import RestartBudget


def test_first_restarts_come_at_once_then_ever_later() -> None:
    budget = RestartBudget()
    budget.saw_step(1, 10)
    delays = [budget.saw_death(own_fault=False) for _ in range(10)]
    assert delays == [0, 0, 0, 1, 2, 5, 10, 30, 30, 30]


def test_new_step_makes_the_count_begin_anew() -> None:
    budget = RestartBudget()
    for _ in range(5):
        budget.saw_death(own_fault=True)
    budget.saw_step(1, 11)
    assert budget.saw_death(own_fault=False) == 0
    assert not budget.is_poisoned


def test_replayed_step_is_no_progress() -> None:
    budget = RestartBudget()
    budget.saw_step(1, 10)
    for _ in range(3):
        budget.saw_death(own_fault=False)
        budget.saw_step(1, 9)
        budget.saw_step(1, 10)
    assert budget.saw_death(own_fault=False) == 1


def test_file_is_poisoned_by_deaths_of_its_own_doing_only() -> None:
    budget = RestartBudget()
    for _ in range(20):
        budget.saw_death(own_fault=False)
    assert not budget.is_poisoned
    for _ in range(5):
        budget.saw_death(own_fault=True)
    assert budget.is_poisoned
    budget.forget()
    assert not budget.is_poisoned


def test_trainer_that_never_comes_to_a_file_is_hopeless_and_no_file_is_poisoned() -> None:
    budget = RestartBudget()
    for _ in range(5):
        assert not budget.is_hopeless
        budget.saw_death(own_fault=True, has_begun=False)
    assert budget.is_hopeless
    assert not budget.is_poisoned
    budget.forget()
    for _ in range(9):
        budget.saw_death(own_fault=False, has_begun=False)
    assert not budget.is_hopeless


def test_step_of_another_job_begins_anew() -> None:
    budget = RestartBudget()
    budget.saw_step(1, 50)
    for _ in range(4):
        budget.saw_death(own_fault=False)
    budget.saw_step(2, 3)
    assert budget.saw_death(own_fault=False) == 0
