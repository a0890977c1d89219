"""The disk refuses: nothing acknowledged is lost, and work goes on when it takes writes again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import RunningService, VerbError


def fail(service: RunningService, schedule: str, below: Path) -> None:
    """Plant failures in the service to be started."""
    service.environment |= {"EVERSTEP_FAILPOINTS": schedule, "EVERSTEP_FAILPOINTS_BELOW": str(below)}


@pytest.mark.parametrize(("place", "error"), [("durable.append_write", "ENOSPC"), ("durable.append_fsync", "EIO")])
def test_training_goes_on_when_the_journal_was_refused(
    service: RunningService, tmp_path: Path, place: str, error: str
) -> None:
    fail(service, ",".join(f"{place}:{hit}:{error}" for hit in (20, 30, 31, 32)), service.workspace.journal)
    service.start()
    service.base(tmp_path)
    service.behave(step_seconds=0.02)
    (job_id,) = service.add(service.file("a.jsonl", rows=40))
    service.until_state(job_id, "finished")
    assert [row["step"] for row in service.call("metrics", superseded=True)["rows"]] == list(range(1, 21))
    service.environment = {}
    service.kill()
    service.start()
    assert service.job(job_id)["state"] == "finished"
    lines = [json.loads(line) for line in service.workspace.journal.read_bytes().splitlines()]
    sequences = [line["seq"] for line in lines]
    assert sequences == sorted(set(sequences)), "every line once and in order"


def test_file_is_refused_with_a_sentence_when_it_cannot_be_copied(service: RunningService, tmp_path: Path) -> None:
    fail(service, "durable.copy_write:1:ENOSPC", service.workspace.datasets)
    service.start()
    path = service.file("a.jsonl")
    answer = service.call("add", paths=[path])
    assert answer["jobs"] == []
    assert answer["refused"][0]["code"] == "disk_full"
    assert service.add(path), "there is space again"


def test_inbox_keeps_a_file_until_there_is_space(service: RunningService) -> None:
    service.configure(validation_max_rows=0, poll_interval=1)
    fail(service, "durable.copy_write:1:ENOSPC", service.workspace.datasets)
    service.start()
    (service.workspace.inbox / "a.jsonl").write_text('{"text": "x"}\n')
    service.until(lambda: (service.workspace.inbox_done / "a.jsonl").exists(), seconds=30)
    assert len(service.call("queue.list")["jobs"]) == 1
    assert not list(service.workspace.inbox_refused.iterdir())


def test_base_model_that_does_not_fit_is_refused_and_the_one_before_stays(
    service: RunningService, tmp_path: Path
) -> None:
    fail(service, "durable.file_fsync:1:ENOSPC", service.workspace.base_models)
    service.start()
    with pytest.raises(VerbError, match="No space left"):
        service.base(tmp_path)
    assert service.call("status")["base_id"] == ""
    service.base(tmp_path)
    assert not list(service.workspace.base_models.glob(".tmp-*"))


def test_training_waits_while_the_disk_is_too_full(service: RunningService, tmp_path: Path) -> None:
    service.configure(validation_max_rows=0, disk_floor_gigabytes=10_000)
    service.start()
    service.base(tmp_path)
    (job_id,) = service.add(service.file("a.jsonl"))
    service.until_state(job_id, "queued")
    service.until(lambda: "disk is too full" in service.call("status")["sentence"])
    assert service.call("status")["trainer"] is None
    service.call("config.set", key="disk_floor_gigabytes", value="0")
    service.until_state(job_id, "finished")
