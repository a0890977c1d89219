"""What is killed comes back: trainer, service, both; what is trained is what an unbroken run trains."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path

import psutil
import pytest

from backend.store.database import Database
from backend.supervisor import attempts
from tests.fakes.fake_model import make_model
from tests.integration.conftest import RunningService, kill_process


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Losses of a.jsonl trained without any trouble."""
    tmp = tmp_path_factory.mktemp("unbroken")
    service = RunningService(tmp / "workspace")
    try:
        service.configure(validation_max_rows=0)
        service.start()
        service.base(tmp)
        (job_id,) = service.add(service.file("a.jsonl", rows=40))
        service.until_state(job_id, "finished")
        return service.losses()
    finally:
        service.close()


def log_of(service: RunningService) -> str:
    return "".join(path.read_text() for path in sorted(service.workspace.logs.glob("*.log")))


def test_trainer_comes_back_when_it_is_killed(running_service: RunningService, unbroken: list[str]) -> None:
    running_service.behave(die_at={"8": "SIGKILL", "13": "SIGKILL"})
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    job = running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken
    assert job["restarts"] == 2
    rows = running_service.call("metrics", superseded=True)["rows"]
    assert len(rows) == 20 + 2 + 2, "steps 6, 7 and 11, 12 were trained twice, by two attempts each"
    marks = running_service.call("history.marks")
    assert [(mark["step"], mark["num_replayed"]) for mark in marks["resumes"]] == [(6, 2), (11, 2)]
    assert all("SIGKILL" in mark["reason"] for mark in marks["resumes"])
    assert [(span["job_id"], span["first_step"], span["last_step"]) for span in marks["files"]] == [(job_id, 1, 20)]
    curve = running_service.call("history", buckets=7)
    assert (curve["first_step"], curve["last_step"], curve["steps_per_point"]) == (1, 20, 4)
    whole = running_service.call("history")
    newest = running_service.call("metrics")["rows"]
    assert whole["loss"] == whole["loss_min"] == [row["loss"] for row in newest]
    assert whole["tokens"][-1] == curve["tokens"][-1] == sum(row["tokens"] for row in newest)


def test_new_trainer_is_started_within_a_second_when_one_dies(running_service: RunningService) -> None:
    running_service.behave(step_seconds=0.05)
    running_service.add(running_service.file("a.jsonl", rows=60))
    running_service.until(lambda: len(running_service.losses()) > 6)
    pid = running_service.trainer_pid()
    kill_process(pid)
    running_service.until(lambda: running_service.trainer_pid() != pid, seconds=1.0)


def test_service_adopts_the_living_trainer_when_it_was_killed(
    running_service: RunningService, unbroken: list[str]
) -> None:
    running_service.behave(step_seconds=0.05)
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until(lambda: len(running_service.losses()) > 3)
    pid = running_service.trainer_pid()
    running_service.kill()
    running_service.start()
    assert running_service.trainer_pid() == pid
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken
    assert running_service.call("status")["trainer"]["attempt_seq"] == 1


def test_service_sees_what_happened_while_it_was_away(running_service: RunningService, unbroken: list[str]) -> None:
    running_service.behave(step_seconds=0.03)
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until(lambda: len(running_service.losses()) > 1)
    pid = running_service.trainer_pid()
    running_service.kill()
    kill_process(pid)
    running_service.start()
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken


def test_checkpoint_counts_whose_event_was_lost(running_service: RunningService, unbroken: list[str]) -> None:
    """The folder is the commit: trainer and service may both die before anybody spoke of it."""
    running_service.behave(step_seconds=0.05)
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until(lambda: len(running_service.losses()) > 1)
    pid = running_service.trainer_pid()
    running_service.kill()
    running_service.until(lambda: list(running_service.workspace.current_model.glob("step-00000005-*")))
    kill_process(pid)
    (events,) = running_service.workspace.spool.glob("*/events.jsonl")
    lines = events.read_bytes().splitlines(keepends=True)
    before = [line for line in lines[: next((i for i, at in enumerate(lines) if b'"checkpoint"' in at), len(lines))]]
    events.write_bytes(b"".join(before))
    running_service.start()
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken


def test_training_goes_on_from_the_checkpoint_before_when_one_is_damaged(
    running_service: RunningService, unbroken: list[str]
) -> None:
    running_service.behave(step_seconds=0.05, hang_at=[13])
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until(lambda: len(running_service.losses()) == 12)
    pid = running_service.trainer_pid()
    running_service.kill()
    kill_process(pid)
    newest = sorted(running_service.workspace.current_model.glob("step-*"))[-1]
    (newest / "model.json").write_text('{"digest": "00"}')
    running_service.start()
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken
    assert "step 10 was damaged" in log_of(running_service)
    assert "goes on from step 5" in log_of(running_service)
    assert list(running_service.workspace.quarantine.iterdir())


def test_checkpoint_that_cannot_be_read_back_does_not_count(
    running_service: RunningService, unbroken: list[str], tmp_path: Path
) -> None:
    running_service.behave(corrupt_save_at=[20])
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken
    assert running_service.call("status")["checkpoint_step"] == 20


def test_queue_goes_on_when_the_trainer_says_a_file_cannot(running_service: RunningService) -> None:
    running_service.behave(fail_job_at=[3])
    bad, good = running_service.add(running_service.file("a.jsonl"), running_service.file("b.jsonl"))
    assert "planted failure" in running_service.until_state(bad, "failed")["reason"]
    running_service.until_state(good, "finished")


@pytest.mark.parametrize(
    ("reason", "state"),
    [("out_of_memory", "blocked"), ("bad_model", "blocked"), ("bad_assignment", "failed")],
)
def test_queue_goes_on_when_the_trainer_ends_for_good(running_service: RunningService, reason: str, state: str) -> None:
    running_service.behave(exit_at={"3": reason})
    bad, good = running_service.add(running_service.file("a.jsonl"), running_service.file("b.jsonl"))
    job = running_service.until_state(bad, state)
    assert f"planted {reason}" in job["reason"]
    running_service.until_state(good, "finished")


def test_loss_that_is_no_number_is_tried_once_more_then_waits_for_a_person(running_service: RunningService) -> None:
    running_service.behave(exit_at={"8": "non_finite"}, always=True)
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    job = running_service.until_state(job_id, "blocked")
    assert "happened again" in job["reason"]
    assert job["restarts"] == 1
    assert running_service.call("status")["num_needs_you"] == 1


def test_loss_that_is_no_number_once_does_not_stop_training(
    running_service: RunningService, unbroken: list[str]
) -> None:
    running_service.behave(exit_at={"8": "non_finite"})
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken


def test_garbage_in_the_spool_is_skipped(running_service: RunningService, unbroken: list[str]) -> None:
    running_service.behave(garbage_at=[4, 9])
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken
    assert "is not an event and was skipped" in log_of(running_service)


def test_file_that_crashes_the_trainer_again_and_again_is_set_aside(running_service: RunningService) -> None:
    running_service.behave(die_at={"2": "SIGSEGV"}, always=True)
    (bad,) = running_service.add(running_service.file("a.jsonl"))
    job = running_service.until_state(bad, "quarantined")
    assert "native code (SIGSEGV)" in job["reason"]
    running_service.behave()
    (good,) = running_service.add(running_service.file("b.jsonl"))
    running_service.until_state(good, "finished")


def test_trainer_is_left_at_work_when_the_service_is_asked_to_end(running_service: RunningService) -> None:
    running_service.behave(step_seconds=0.05)
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until(lambda: len(running_service.losses()) > 2)
    pid = running_service.trainer_pid()
    assert running_service.terminate() == 0
    assert psutil.pid_exists(pid)
    assert not running_service.workspace.endpoint_file.exists()
    running_service.start()
    assert running_service.trainer_pid() == pid
    running_service.until_state(job_id, "finished")


def test_shutdown_saves_and_ends_the_trainer_too(running_service: RunningService, unbroken: list[str]) -> None:
    running_service.behave(step_seconds=0.05)
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until(lambda: len(running_service.losses()) > 6)
    pid = running_service.trainer_pid()
    running_service.call("shutdown")
    assert running_service.wait() == 0
    assert not psutil.pid_exists(pid)
    last = json.loads(running_service.workspace.last_status_file.read_bytes())
    assert last["trainer"] is None
    running_service.start()
    running_service.until_state(job_id, "finished")
    assert running_service.losses() == unbroken
    assert len(running_service.call("metrics", superseded=True)["rows"]) == 20, "not one step was trained twice"


def test_training_stops_and_no_file_is_blamed_when_trainers_do_not_start(running_service: RunningService) -> None:
    running_service.behave(is_broken=True)
    (job_id,) = running_service.add(running_service.file("a.jsonl"))
    running_service.until(lambda: running_service.call("status")["run_state"] == "stopped")
    job = running_service.job(job_id)
    assert job["state"] == "queued"
    assert "does not start: The trainer ended with code 1: ModuleNotFoundError: No module" in job["reason"]
    running_service.behave()
    running_service.call("resume")
    running_service.until_state(job_id, "finished")


def test_file_is_checked_again_when_its_rows_were_read_for_another_model(
    running_service: RunningService, tmp_path: Path
) -> None:
    running_service.behave(step_seconds=0.03)
    (job_id,) = running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.until(lambda: len(running_service.losses()) > 6)
    running_service.call("stop", now=True)
    running_service.until(lambda: running_service.call("status")["trainer"] is None)
    other = make_model(tmp_path / "other", values=8)
    (other / "tokenizer.json").write_text('{"another": 1}')
    running_service.call("base.set", source=str(other))
    assert running_service.job(job_id)["done_steps"] > 0
    running_service.call("lineage.new")
    running_service.call("resume")
    job = running_service.until_state(job_id, "finished")
    assert (job["first_global_step"], job["done_steps"]) == (1, 20)
    assert len(list(running_service.workspace.datasets.glob("*/tokens-*"))) == 2


def test_spools_of_trainers_that_ended_long_ago_go_and_no_others(service: RunningService, tmp_path: Path) -> None:
    service.start()
    service.base(tmp_path)
    service.terminate()
    database = Database.open(service.workspace.database, service.workspace.journal)
    begun = [database.run(attempts.begin) for _ in range(26)]
    for number, attempt in enumerate(begun):
        spool = attempt.spool(service.workspace)
        spool.mkdir(parents=True)
        line = b'{"type": "exiting", "n": 1, "at": 1.0, "reason": "stop"}\n'
        (spool / "events.jsonl").write_bytes(line + b'{"type": "exi')
        offset = 0 if number == 1 else len(line)
        database.run(
            lambda tx, seq=attempt.attempt_seq, offset=offset: attempts.note_read(
                tx, seq, last_n=1, events_offset=offset
            )
        )
        database.run(lambda tx, seq=attempt.attempt_seq: attempts.end(tx, seq, "orderly: It ended."))
    database.close()
    (service.workspace.spool / ".tmp-purge-A000000-00000000").mkdir()
    lock = begun[2].spool(service.workspace) / "trainer.lock"
    lock.touch()
    with open(lock) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        service.start()
    there = sorted(path.name for path in service.workspace.spool.iterdir())
    assert there == sorted(
        attempt.attempt_id for number, attempt in enumerate(begun) if number >= 6 or number in (1, 2)
    )


def test_log_limits_hold_at_once_when_they_are_set(service: RunningService) -> None:
    service.start()
    old = service.workspace.logs / f"everstep_{time.strftime('%Y%m%d', time.localtime(time.time() - 9 * 86400))}.log"
    old.write_text("old\n")
    service.call("config.set", key="service.log_keep_days", value="5")
    assert not old.exists()
