"""Pause, resume, stop, skip, the .stop file: what a user can do to training, and that it lasts."""

from __future__ import annotations

import psutil
import pytest

from tests.integration.conftest import RunningService, VerbError


@pytest.fixture
def training(running_service: RunningService) -> RunningService:
    """Job 1 trains, 20 steps; job 2 waits."""
    running_service.behave(step_seconds=0.03)
    running_service.add(running_service.file("a.jsonl", rows=40), running_service.file("b.jsonl", rows=10))
    running_service.until(lambda: len(running_service.losses()) > 2)
    return running_service


def finish(service: RunningService) -> None:
    service.behave()
    service.until(lambda: all(job["state"] == "finished" for job in service.call("queue.list")["jobs"]))
    steps = [row["step"] for row in service.call("metrics", superseded=True)["rows"]]
    assert steps == list(range(1, 26)), "every step once"


def test_pause_holds_with_the_model_in_memory_and_resume_goes_on(training: RunningService) -> None:
    training.call("pause")
    training.until_state(1, "paused")
    pid, num_steps = training.trainer_pid(), len(training.losses())
    assert training.call("status")["activity"] == "paused"
    training.call("resume")
    training.until(lambda: len(training.losses()) > num_steps)
    assert training.trainer_pid() == pid
    finish(training)


def test_pause_lasts_when_the_service_is_killed_and_started_again(training: RunningService) -> None:
    training.call("pause")
    training.until_state(1, "paused")
    training.kill()
    training.start()
    assert training.call("status")["run_state"] == "paused"
    training.call("resume")
    finish(training)


def test_pause_that_frees_ends_the_trainer_and_keeps_the_file(training: RunningService) -> None:
    pid = training.trainer_pid()
    training.call("pause", free=True)
    training.until(lambda: training.call("status")["trainer"] is None)
    assert not psutil.pid_exists(pid)
    assert training.job(1)["state"] == "paused"
    training.call("resume")
    finish(training)


def test_stop_ends_after_the_present_file(training: RunningService) -> None:
    assert training.call("stop")["stop_after_file"] is True
    training.behave()
    training.until_state(1, "finished")
    training.until(lambda: training.call("status")["trainer"] is None)
    status = training.call("status")
    assert (status["run_state"], status["activity"], status["stop_after_file"]) == ("stopped", "stopped", False)
    assert training.job(2)["state"] == "queued"
    training.call("resume")
    finish(training)


def test_stop_now_saves_and_puts_the_file_back_first(training: RunningService) -> None:
    training.call("stop", now=True)
    training.until(lambda: training.call("status")["trainer"] is None)
    job = training.job(1)
    assert job["state"] == "queued"
    assert job["done_steps"] == len(training.losses()), "the last full step is in the checkpoint"
    assert training.call("queue.status")["next_job"]["job_id"] == 1
    with pytest.raises(VerbError) as refused:
        training.call("pause")
    assert refused.value.status == 409
    training.kill()
    training.start()
    assert training.call("status")["run_state"] == "stopped"
    training.call("resume")
    finish(training)


def test_resume_right_after_stop_now_goes_on(training: RunningService) -> None:
    training.call("stop", now=True)
    training.call("resume")
    finish(training)


def test_skip_saves_and_retry_continues_at_the_cursor(training: RunningService) -> None:
    training.call("skip")
    job = training.until_state(1, "skipped")
    assert "queue retry 1" in job["reason"]
    training.until_state(2, "finished")
    training.call("queue.retry", job_ids=[1])
    job = training.until_state(1, "finished")
    assert job["done_steps"] == 20
    finish(training)


def test_skip_of_a_paused_file_leaves_it(training: RunningService) -> None:
    training.call("pause")
    training.until_state(1, "paused")
    training.call("skip")
    training.until_state(1, "skipped")
    assert training.call("status")["run_state"] == "paused"
    training.call("resume")
    training.until_state(2, "finished")


def test_skip_is_refused_when_nothing_is_trained(running_service: RunningService) -> None:
    with pytest.raises(VerbError, match="No file is being trained"):
        running_service.call("skip")


def test_stop_file_saves_and_ends_training_until_it_is_removed(training: RunningService) -> None:
    training.workspace.stop_file.touch()
    training.until(lambda: training.call("status")["trainer"] is None)
    status = training.call("status")
    assert status["stop_file"] is True
    assert status["activity"] == "stopped"
    assert ".stop file is in force" in status["sentence"]
    with pytest.raises(VerbError, match="Remove it"):
        training.call("resume")
    training.kill()
    training.start()
    assert training.call("status")["stop_file"] is True
    assert training.call("status")["trainer"] is None
    training.workspace.stop_file.unlink()
    finish(training)


def test_evaluation_and_sample_are_made_when_asked(training: RunningService) -> None:
    training.call("evaluate")
    training.call("sample")
    training.until(lambda: training.call("evaluations")["rows"])
    training.until(lambda: training.call("samples")["rows"])
    finish(training)


def test_evaluation_is_refused_when_nothing_is_trained(running_service: RunningService) -> None:
    with pytest.raises(VerbError, match="No file is being trained"):
        running_service.call("evaluate")


def test_higher_priority_does_not_interrupt_the_running_file(training: RunningService) -> None:
    training.behave(step_seconds=0.5)
    (urgent,) = training.add(training.file("c.jsonl", rows=10), priority="high")
    training.until_state(urgent, "queued")
    assert training.job(1)["state"] in ("training", "saving", "evaluating")
    assert training.call("queue.status")["next_job"]["job_id"] == urgent
    training.behave()
    training.until_state(2, "finished")
    firsts = {job["job_id"]: job["first_global_step"] for job in training.call("queue.list")["jobs"]}
    assert firsts[1] < firsts[urgent] < firsts[2]


def test_file_waits_for_resume_when_auto_start_is_off(running_service: RunningService) -> None:
    running_service.call("config.set", key="auto_start", value="false")
    running_service.until(lambda: running_service.call("status")["run_state"] == "stopped")
    running_service.add(running_service.file("a.jsonl", rows=10), running_service.file("b.jsonl", rows=10))
    running_service.until_state(2, "queued")
    assert running_service.losses() == []

    running_service.call("resume")

    running_service.until_state(2, "finished")
    running_service.until(lambda: running_service.call("status")["run_state"] == "stopped")


def test_answers_say_what_was_asked_when_training_is_held_and_goes_on(training: RunningService) -> None:
    paused = training.call("pause")
    assert paused["activity"] == "paused"
    assert paused["sentence"].startswith(("Pausing a.jsonl", "Paused in a.jsonl"))
    training.until_state(1, "paused")
    assert training.call("status")["sentence"].startswith("Paused in a.jsonl")

    resumed = training.call("resume")

    assert resumed["activity"] == "training"
    assert "Paused" not in resumed["sentence"]
    assert "last file before stopping" in training.call("stop")["sentence"]
    training.call("resume")
    assert training.call("skip")["sentence"].startswith("Saving and leaving a.jsonl")
    training.until_state(1, "skipped")


def test_stop_file_says_what_goes_on_when_it_is_removed(training: RunningService) -> None:
    training.workspace.stop_file.touch()
    training.until(lambda: training.call("status")["trainer"] is None)
    assert "goes on by itself" in training.call("status")["sentence"]
    with pytest.raises(VerbError, match="goes on by itself"):
        training.call("resume")
    training.call("stop", now=True)
    assert "`resume` goes on" in training.call("status")["sentence"]
    with pytest.raises(VerbError, match="then `resume`"):
        training.call("resume")
