"""The small form of `benchmarks/kill_service.py`: random SIGKILLs of the service while four clients work."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.kill_service import Report, prove

NUM_KILLS = 15


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return prove(folder, num_kills=NUM_KILLS, seed=3, most_waiting=5)


def test_queue_keeps_every_acknowledged_change_when_the_service_is_killed(report: Report) -> None:
    assert report.num_changes_acknowledged > NUM_KILLS
    assert report.num_changes_lost == 0


def test_queue_starts_no_file_twice_when_the_service_is_killed(report: Report) -> None:
    assert (report.num_jobs_started_twice, report.num_jobs_queued_twice) == (0, 0)


def test_trainer_is_adopted_when_the_service_is_killed(report: Report) -> None:
    assert report.num_trainers == 1


def test_service_kills_left_nothing_else_wrong(report: Report) -> None:
    assert report.faults == []
    assert report.num_kills == NUM_KILLS
