"""The small form of `benchmarks/kill_trainer.py`: a few random SIGKILLs of the real trainer, from cold starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kill_trainer import Report, prove

NUM_KILLS = 6
NUM_ROWS = 1200


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return prove(folder, num_kills=NUM_KILLS, num_rows=NUM_ROWS, seed=3)


def test_trainer_takes_the_losses_of_an_unbroken_run_when_killed(report: Report) -> None:
    assert report.num_steps > NUM_ROWS // 5  # four rows a step, some of them held out
    assert report.num_steps_different == 0


def test_trainer_replays_at_most_five_steps_when_killed(report: Report) -> None:
    assert report.most_steps_replayed <= 5


def test_history_shows_every_step_once_when_the_trainer_was_killed(report: Report) -> None:
    assert (report.num_steps_skipped, report.num_steps_shown_twice) == (0, 0)


def test_service_starts_the_next_trainer_within_a_second_when_one_was_killed(report: Report) -> None:
    assert report.mean_death_to_process_seconds < 1.0


def test_kills_fell_into_training_and_nothing_else_was_wrong(report: Report) -> None:
    assert report.faults == []
    assert report.num_kills == NUM_KILLS
