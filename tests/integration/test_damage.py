"""What was changed on disk behind our back: noticed, said, mended where it can be, and no file is blamed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import RunningService, VerbError


@pytest.fixture
def damaged(running_service: RunningService) -> RunningService:
    """The trainer found the base model damaged at step 7 of job 1; job 2 waits."""
    running_service.behave(exit_at={"7": "bad_base"})
    running_service.call("pause")
    for job_id in running_service.add(
        running_service.file("a.jsonl", rows=40), running_service.file("b.jsonl", rows=10)
    ):
        running_service.until_state(job_id, "queued")
    running_service.call("resume")
    running_service.until(lambda: running_service.call("base.show")["base"]["state"] == "damaged")
    running_service.until(lambda: running_service.call("status")["trainer"] is None)
    return running_service


def test_a_damaged_base_model_holds_the_queue_and_blames_no_file(damaged: RunningService) -> None:
    late = damaged.file("late.jsonl")
    (third,) = damaged.add(late)
    damaged.until_state(third, "blocked")
    status = damaged.call("status")
    assert status["activity"] == "needs_you"
    assert "A planted bad_base." in status["sentence"]
    assert [damaged.job(job_id)["state"] for job_id in (1, 2)] == ["queued", "queued"]
    assert damaged.job(1)["done_steps"] == 5, "what was saved counts"
    damaged.kill()
    damaged.start()
    assert damaged.call("status")["activity"] == "needs_you", "also after a restart"


def test_the_queue_goes_on_when_the_base_model_was_set_again(damaged: RunningService, tmp_path: Path) -> None:
    (third,) = damaged.add(damaged.file("late.jsonl"))
    damaged.until_state(third, "blocked")
    folder = Path(damaged.call("base.show")["base"]["folder"])
    (folder / "model.safetensors").write_bytes(b"spoilt")
    answer = damaged.call("base.set", source=str(tmp_path / "model"))
    assert (answer["base"]["state"], answer["base"]["folder"]) == ("ready", str(folder))
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "model" / "model.safetensors").read_bytes()
    for job_id in (1, 2, third):
        damaged.until_state(job_id, "finished")
    assert [row["step"] for row in damaged.call("metrics")["rows"]] == list(range(1, 36))


def test_another_model_under_the_same_name_is_refused(damaged: RunningService, tmp_path: Path) -> None:
    folder = Path(damaged.call("base.show")["base"]["folder"])
    weights = tmp_path / "model" / "model.safetensors"
    (folder / "model.safetensors").write_bytes(b"spoilt")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")  # same header, other numbers
    with pytest.raises(VerbError, match="another model now"):
        damaged.call("base.set", source=str(tmp_path / "model"))
    assert damaged.call("status")["activity"] == "needs_you"


def test_a_base_model_that_cannot_be_set_again_stays_damaged(damaged: RunningService, tmp_path: Path) -> None:
    folder = Path(damaged.call("base.show")["base"]["folder"])
    (folder / "model.safetensors").write_bytes(b"spoilt")
    damaged.workspace.quarantine.chmod(0o500)
    damaged.workspace.quarantine.rmdir()
    damaged.workspace.quarantine.write_bytes(b"in the way")
    with pytest.raises(VerbError, match="model"):
        damaged.call("base.set", source=str(tmp_path / "model"))
    assert damaged.call("status")["activity"] == "needs_you"
    assert [damaged.job(job_id)["state"] for job_id in (1, 2)] == ["queued", "queued"]


def test_resume_looks_again_at_a_base_model_that_was_put_back(damaged: RunningService) -> None:
    damaged.call("resume")
    damaged.until_state(1, "finished")
    damaged.until_state(2, "finished")


def test_a_service_that_waits_for_nothing_else_ends_when_the_base_model_is_damaged(
    running_service: RunningService,
) -> None:
    running_service.add(running_service.file("a.jsonl", rows=40))
    running_service.behave(exit_at={"7": "bad_base"})
    running_service.call("shutdown")
    running_service.wait()
    running_service.start("--until-idle", wait=False)
    assert running_service.wait() == 1, "somebody has to do something"


def _spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)


def _store_of(service: RunningService, job_id: int) -> Path:
    dataset = service.workspace.datasets / service.job(job_id)["dataset_id"][:32]
    return next(dataset.glob("tokens-*"))


@pytest.mark.parametrize("validation_max_rows", [0, 8])
def test_damaged_rows_are_made_again_and_training_goes_on_exactly(
    service: RunningService, tmp_path: Path, validation_max_rows: int
) -> None:
    service.configure(validation_max_rows=validation_max_rows, validation_max_share=0.2)
    service.start()
    service.base(tmp_path)
    service.behave(step_seconds=0.03)
    (job_id,) = service.add(service.file("a.jsonl", rows=60))
    service.until(lambda: len(service.losses()) > 6)
    before = (_store_of(service, job_id) / "MANIFEST.json").read_bytes()
    service.call("stop", now=True)
    service.until(lambda: service.call("status")["trainer"] is None)
    _spoil(_store_of(service, job_id) / "tokens" / "tokens.u32")
    service.behave()
    service.call("resume")
    service.until_state(job_id, "finished")
    assert (_store_of(service, job_id) / "MANIFEST.json").read_bytes() == before
    steps = [row["step"] for row in service.call("metrics", superseded=True)["rows"]]
    assert steps == sorted(set(steps)), "no step was trained twice"
    assert list(service.workspace.quarantine.glob("*tokens-*")), "the damaged rows are kept"


def test_damaged_rows_of_the_validation_set_are_made_again(service: RunningService, tmp_path: Path) -> None:
    service.configure(validation_max_rows=8, validation_max_share=0.2)
    service.start()
    service.base(tmp_path)
    service.add(service.file("a.jsonl", rows=60))
    service.until_state(1, "finished")
    store = next(service.workspace.validation.glob("*/tokens-*"))
    _spoil(store / "tokens.u32")
    service.add(service.file("b.jsonl", rows=20))
    service.until_state(2, "finished")
    assert store.exists()
    assert list(service.workspace.quarantine.glob("*tokens-*"))


def test_a_file_whose_copy_is_damaged_too_is_set_aside_and_the_queue_goes_on(running_service: RunningService) -> None:
    running_service.call("pause")
    source = running_service.file("a.jsonl", rows=20)
    first, second = running_service.add(source, running_service.file("b.jsonl", rows=20))
    running_service.until_state(first, "queued")
    running_service.until_state(second, "queued")
    store = _store_of(running_service, first)
    _spoil(store / "tokens" / "tokens.u32")
    _spoil(store.parent / "source")
    running_service.call("resume")
    running_service.until_state(second, "finished")
    job = running_service.until_state(first, "failed")
    assert "is not what was added" in job["reason"]
    running_service.add(source)
    running_service.call("queue.retry", job_ids=[first])
    running_service.until_state(first, "finished")
