from __future__ import annotations

import pytest

from backend.contract.jobs import JobState, JobView
from gui.state import queue_text
from gui.state.queue_groups import Group
from tests.fakes.fake_backend import job

RUNNING = job(1, JobState.TRAINING, total_steps=13_260, done_steps=12_480, eta_seconds=2280)


def detail(one: JobView, seconds_per_step: float | None = None, check_progress: float | None = None) -> str:
    text = queue_text.detail(one, seconds_per_step=seconds_per_step, check_progress=check_progress)
    return text.replace("\u202f", " ")


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (RUNNING, "step 12 480 of 13 260 · 38 min left"),
        (job(1, JobState.TRAINING, total_steps=0), ""),
        (job(1, JobState.STARTING, reason="recovering: killed"), "starting · recovering: killed"),
        (job(1, JobState.EVALUATING, total_steps=9, done_steps=4), "evaluating · step 4 of 9"),
        (job(1, JobState.PAUSED, total_steps=9, done_steps=4, reason="disk full"), "paused · step 4 of 9 · disk full"),
        (job(1, JobState.CHECKING), "checking"),
        (job(1, JobState.BLOCKED, reason="no base model"), "needs you · no base model"),
        (job(4, JobState.HELD), "held · 400 examples"),
        (job(4, num_rows=1), "1 example"),
        (job(4, done_steps=40, total_steps=90), "400 examples · goes on at step 40"),
        (job(4, JobState.FINISHED, last_loss=0.61), "last loss 0.610 · 400 examples"),
        (job(4, JobState.FAILED, reason="why"), "failed · why"),
        (job(4, JobState.SKIPPED, reason="`queue retry 4`", done_steps=3, total_steps=9), "skipped at step 3 of 9"),
        (job(4, JobState.QUARANTINED, reason="why"), "set aside · why"),
    ],
)
def test_detail_says_what_matters_in_a_state(one: JobView, told: str) -> None:
    assert detail(one) == told


def test_detail_estimates_what_waits_from_the_speed_of_what_runs() -> None:
    assert detail(job(4, total_steps=100), seconds_per_step=2.0) == "400 examples · 3 min"
    assert queue_text.eta_seconds(job(4, total_steps=100, done_steps=90), 2.0) == 20.0
    assert queue_text.eta_seconds(job(4, JobState.FINISHED, total_steps=100), 2.0) is None


def test_progress_is_none_when_there_is_no_telling() -> None:
    assert queue_text.progress(job(1, total_steps=10), None) is None
    assert queue_text.progress(job(1, JobState.CHECKING), 0.5) == 0.5
    assert queue_text.progress(job(1, JobState.CHECKING), None) is None
    assert queue_text.progress(job(1, JobState.TRAINING, total_steps=10, done_steps=20), None) == 1.0
    assert queue_text.progress(job(1, JobState.SKIPPED, total_steps=10, done_steps=5), None) == 0.5
    assert queue_text.progress(job(1, JobState.FINISHED, total_steps=10, done_steps=10), None) is None


def test_badge_counts_lines_that_were_set_aside() -> None:
    badges = [queue_text.badge(job(1, num_problems=number)) for number in (0, 1, 3)]
    assert badges == ["", "1 line set aside", "3 lines set aside"]


def test_every_state_and_group_has_words() -> None:
    assert all(queue_text.state_word(state) for state in JobState)
    assert all(queue_text.header(group) for group in Group)
    assert all(queue_text.spoken(job(1, state), detail(job(1, state))) for state in JobState)
