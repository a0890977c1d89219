"""The whole way of a file through the real service, with stand-ins for trainer and checker."""

from __future__ import annotations

from tests.integration.conftest import RunningService


def test_service_trains_an_added_file_to_its_end(running_service: RunningService) -> None:
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=20))
    job = running_service.until_state(job_id, "finished")
    assert (job["done_steps"], job["total_steps"]) == (10, 10)
    assert (job["first_global_step"], job["last_global_step"]) == (1, 10)
    assert [row["step"] for row in running_service.call("metrics")["rows"]] == list(range(1, 11))
    status = running_service.call("status")
    assert status["checkpoint_step"] == 10
    assert status["activity"] == "idle"


def test_service_goes_on_with_the_next_file_when_one_is_finished(running_service: RunningService) -> None:
    first, second = running_service.add(running_service.file("a.jsonl"), running_service.file("b.jsonl"))
    running_service.until_state(second, "finished")
    assert running_service.job(first)["state"] == "finished"
    assert running_service.job(second)["first_global_step"] == 11
    assert running_service.call("status")["trainer"]["attempt_seq"] == 1, "the trainer stayed warm"


def test_finished_file_is_trained_anew_when_it_is_retried(running_service: RunningService) -> None:
    (job_id,) = running_service.add(running_service.file("a.jsonl"))
    running_service.until_state(job_id, "finished")
    running_service.call("queue.retry", job_ids=[job_id])
    running_service.until(lambda: len(running_service.losses()) == 20)
    job = running_service.until_state(job_id, "finished")
    assert (job["done_steps"], job["last_global_step"]) == (10, 20)
    assert len(set(running_service.losses())) == 20
