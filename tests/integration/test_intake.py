"""Ways in: files by verb and by inbox, their check, base models, the validation set, settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.fake_model import make_model
from tests.integration.conftest import RunningService, VerbError


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A stopped service with a base model and no validation set, for tests that leave the rest alone."""
    tmp = tmp_path_factory.mktemp("intake")
    service = RunningService(tmp / "workspace")
    service.configure(validation_max_rows=0, poll_interval=1.0)
    try:
        service.start()
        service.base(tmp)
        service.call("stop", now=True)
        yield service
    finally:
        service.close()


def test_refused_file_fails_with_the_reason_and_the_queue_goes_on(shared: RunningService) -> None:
    bad, good = shared.add(shared.file("bad.jsonl", text="REFUSE"), shared.file("good.jsonl"))
    assert "planted refusal" in shared.until_state(bad, "failed")["reason"]
    shared.until_state(good, "queued")
    assert shared.call("dataset.show", job_id=bad)["report"]["ok"] is False
    assert shared.call("dataset.show", job_id=good)["report"]["num_train"] == 20


def test_file_fails_with_a_sentence_when_its_check_dies(shared: RunningService) -> None:
    (job_id,) = shared.add(shared.file("crash.jsonl", text="CRASH"))
    reason = shared.until_state(job_id, "failed")["reason"]
    assert "The check of this file was ended by the system (SIGSEGV)." in reason


def test_check_is_made_again_by_itself_when_it_was_killed_and_fails_with_a_hint_the_second_time(
    shared: RunningService,
) -> None:
    once, twice = shared.add(
        shared.file("once.jsonl", text="KILLED ONCE"), shared.file("twice.jsonl", text="KILLED TWICE")
    )
    shared.until_state(once, "queued")
    reason = shared.until_state(twice, "failed")["reason"]
    assert "SIGKILL" in reason
    assert "queue retry" in reason


def test_retry_takes_the_settings_of_today_when_the_check_had_refused(shared: RunningService) -> None:
    (job_id,) = shared.add(shared.file("long.jsonl", text="REFUSE"))
    shared.until_state(job_id, "failed")
    before = shared.call("config.show")["settings"]
    shared.call("config.set", key="max_length", value="384")
    answer = shared.call("queue.retry", job_ids=[job_id])
    assert answer["done"] == f"Queued again job {job_id}. It takes the settings of today."
    assert [job["job_id"] for job in answer["jobs"]] == [job_id]
    shared.until_state(job_id, "failed")
    assert "keeps" not in shared.call("queue.retry", job_ids=[job_id])["done"]
    value = next(view["value"] for view in before if view["key"] == "training.max_length")
    shared.call("config.set", key="max_length", value=str(value))
    shared.until_state(job_id, "failed")


def test_check_of_a_cleared_file_is_no_error(shared: RunningService) -> None:
    shared.add(shared.file("cleared.jsonl", text="HANG"))
    shared.until(lambda: shared.call("status")["checking"] == ["cleared.jsonl"])
    shared.call("queue.clear", what="waiting")
    shared.until(lambda: not shared.call("status")["checking"])
    assert not [line for line in shared.call("logs", lines=200)["lines"] if " ERROR " in line and "no job" in line]


def test_check_ends_when_its_job_is_removed(shared: RunningService) -> None:
    hanging, waiting = shared.add(shared.file("hang.jsonl", text="HANG"), shared.file("after.jsonl"))
    shared.until(lambda: shared.call("status")["checking"] == ["hang.jsonl"])
    shared.call("queue.remove", job_ids=[hanging])
    shared.until_state(waiting, "queued")
    shared.call("queue.undo")
    assert shared.job(hanging)["state"] == "checking", "brought back, and checked again"
    shared.call("queue.remove", job_ids=[hanging])


def test_check_runs_again_when_the_service_was_killed_meanwhile(shared: RunningService) -> None:
    (job_id,) = shared.add(shared.file("again.jsonl", text="HANG"))
    shared.until(lambda: shared.call("status")["checking"] == ["again.jsonl"])
    shared.kill()
    shared.start()
    shared.until(lambda: shared.call("status")["checking"] == ["again.jsonl"])
    shared.call("queue.remove", job_ids=[job_id])
    shared.until(lambda: not shared.call("status")["checking"])
    assert not list(shared.workspace.datasets.glob(".tmp-*"))


def test_paths_that_cannot_be_used_are_refused_each_with_a_sentence(shared: RunningService, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    answer = shared.call("add", paths=[str(tmp_path / "none.jsonl"), str(tmp_path / "empty.jsonl")])
    assert answer["jobs"] == []
    assert [refused["path"] for refused in answer["refused"]] == [
        str(tmp_path / "none.jsonl"),
        str(tmp_path / "empty.jsonl"),
    ]
    assert all(refused["message"] for refused in answer["refused"])


def test_inbox_takes_in_files_that_stand_still(shared: RunningService) -> None:
    """With the two seconds of the product."""
    shared.kill()
    shared.environment = {}
    shared.start()
    inbox = shared.workspace.inbox
    (inbox / "left.jsonl").write_text('{"text": "one"}\n')
    (inbox / "notes.docx").write_text("x")
    (inbox / ".hidden.jsonl").write_text("x")
    (inbox / "half.jsonl.part").write_text("x")
    with open(inbox / "growing.jsonl", "w") as growing:

        def left_is_taken() -> bool:
            growing.write("\n")
            growing.flush()
            return (shared.workspace.inbox_done / "left.jsonl").exists()

        shared.until(left_is_taken)
        growing.write('{"text": "one"}\n{"text": "two"}\n')
    shared.until(lambda: (shared.workspace.inbox_refused / "notes.docx").exists())
    reason = shared.workspace.inbox_refused / "notes.docx.reason.txt"
    shared.until(reason.exists)
    assert "not a training file" in reason.read_text()
    shared.until(lambda: (shared.workspace.inbox_done / "growing.jsonl").exists())
    assert sorted(path.name for path in inbox.iterdir() if path.is_file()) == [".hidden.jsonl", "half.jsonl.part"]
    names = [job["file_name"] for job in shared.call("queue.list")["jobs"]]
    assert names.count("left.jsonl") == names.count("growing.jsonl") == 1
    job = next(job for job in shared.call("queue.list")["jobs"] if job["file_name"] == "growing.jsonl")
    shared.until(lambda: shared.job(job["job_id"])["num_rows"] == 2)


def test_second_file_of_a_name_gets_a_number_in_done(shared: RunningService) -> None:
    shared.kill()
    shared.environment = {"EVERSTEP_HASTE": "1"}
    shared.start()
    done = shared.workspace.inbox_done
    for text, name in (("first", "same.jsonl"), ("second", "same-2.jsonl")):
        (shared.workspace.inbox / "same.jsonl").write_text(f'{{"text": "{text}"}}\n')
        shared.until((done / name).exists)
    assert "first" in (done / "same.jsonl").read_text()
    assert "second" in (done / "same-2.jsonl").read_text()


def test_settings_hold_for_files_added_from_now_on(shared: RunningService) -> None:
    answer = shared.call("config.set", key="save_steps", value="7")
    assert answer["settings"][0]["value"] == 7
    saved = json.loads(shared.workspace.config_file.read_bytes())
    assert saved["training"]["save_steps"] == 7
    with pytest.raises(VerbError, match="learning_rate cannot be"):
        shared.call("config.set", key="learning_rate", value="fast")
    shown = {view["key"]: view["value"] for view in shared.call("config.show")["settings"]}
    assert (shown["training.save_steps"], shown["training.learning_rate"]) == (7, 2e-4)


def test_logs_are_told_newest_last(shared: RunningService) -> None:
    lines = shared.call("logs", lines=5)["lines"]
    assert len(lines) == 5
    assert [line[:23] for line in lines] == sorted(line[:23] for line in lines)


def test_files_wait_for_a_base_model_and_go_on_when_it_is_set(service: RunningService, tmp_path: Path) -> None:
    service.start()
    (job_id,) = service.add(service.file("a.jsonl"))
    assert service.until_state(job_id, "blocked")["reason"] == "no base model yet: `base set`"
    assert service.call("base.show")["base"] is None
    service.base(tmp_path)
    service.until_state(job_id, "finished")


def test_sample_is_fetched_and_converted_once(service: RunningService, tmp_path: Path) -> None:
    service.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    service.start()
    base = service.call("base.set", source="sample")["base"]
    assert (base["state"], base["source"]) == ("ready", "sample")
    assert base["base_id"].startswith("smollm2-135m-instruct-")
    assert (tmp_path / "cache" / "everstep" / "demo" / "sample.gguf").exists()
    shutil.rmtree(tmp_path / "cache")
    service.base(tmp_path)
    assert service.call("base.set", source="sample")["base"] == base, "what was prepared before is taken again"
    assert not (tmp_path / "cache").exists()
    assert not [path for path in service.workspace.base_models.iterdir() if path.name.startswith(".tmp-")]


def test_base_model_comes_from_a_gguf_file_or_the_hub(service: RunningService, tmp_path: Path) -> None:
    service.start()
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    service.call("base.set", source=str(tmp_path / "model.gguf"))
    shown = service.until(lambda: (b := service.call("base.show")["base"]) and b["state"] == "ready" and b)
    assert shown["model_type"] == "llama"
    assert (Path(shown["folder"]) / "MANIFEST.json").exists()
    with pytest.raises(VerbError, match="Planted failure"):
        service.call("base.set", source=str(tmp_path / "broken.gguf"))
    service.call("base.set", source="org/name")
    hub = service.until(lambda: (b := service.call("base.show")["base"]) and b["source"] == "org/name" and b)
    service.until(lambda: service.call("base.show")["base"]["state"] == "ready")
    assert hub["base_id"].startswith("name-")
    with pytest.raises(VerbError, match="Planted failure"):
        service.call("base.set", source="org/missing")
    assert service.call("status")["base_id"] == hub["base_id"], "the one before stays in force"
    assert not list(service.workspace.base_models.glob(".tmp-*"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("no such thing", "neither a folder, nor a .gguf file, nor a Hub id"),
        ("/nowhere/at/all", "There is no folder"),
        ("../etc/passwd", "neither a folder"),
    ],
)
def test_base_model_that_is_nothing_is_refused(shared: RunningService, source: str, words: str) -> None:
    with pytest.raises(VerbError, match=words) as refused:
        shared.call("base.set", source=source)
    assert refused.value.body["code"] == "model"


def test_refusal_of_a_base_model_says_so_once(shared: RunningService, tmp_path: Path) -> None:
    with pytest.raises(VerbError) as refused:
        shared.call("base.set", source=str(tmp_path))
    assert refused.value.body["title"] == "This base model cannot be used"
    assert "cannot be used" not in refused.value.body["message"]


def test_first_file_gives_the_validation_set_and_later_ones_leave_its_rows_out(
    service: RunningService, tmp_path: Path
) -> None:
    service.configure()
    service.start()
    service.base(tmp_path)
    service.call("stop", now=True)
    path = service.file("first.jsonl", rows=100)
    (first,), (second,) = service.add(path), service.add(path)
    assert service.until_state(first, "queued")["num_rows"] == 90
    assert service.until_state(second, "queued")["num_rows"] == 90
    frozen = service.call("validation.show")
    assert (frozen["num_rows"], frozen["source"]) == (10, "first.jsonl")
    service.call("resume")
    service.until_state(second, "finished")
    rows = service.call("evaluations")["rows"]
    assert rows
    assert all(row["validation_id"] == frozen["validation_id"] and row["validation_loss"] == 1.5 for row in rows)


def test_own_validation_file_is_kept_out_of_what_waits(service: RunningService, tmp_path: Path) -> None:
    service.start()
    service.base(tmp_path)
    service.call("stop", now=True)
    path = service.file("data.jsonl", rows=30)
    (job_id,) = service.add(path)
    assert service.until_state(job_id, "queued")["num_rows"] == 30
    own = tmp_path / "own.jsonl"
    own.write_text("".join(line + "\n" for line in Path(path).read_text().splitlines()[:5]))
    assert service.call("validation.set", path=str(own))["num_rows"] == 5
    service.until(lambda: service.job(job_id)["num_rows"] == 25)


def test_shape_is_locked_by_the_first_checkpoint_until_a_new_lineage(
    running_service: RunningService, tmp_path: Path
) -> None:
    service = running_service
    service.call("config.set", key="lora_r", value="8")
    (first,) = service.add(service.file("a.jsonl"))
    service.until_state(first, "finished")
    with pytest.raises(VerbError, match="lineage new"):
        service.call("config.set", key="lora_r", value="4")
    service.call("base.set", source=str(make_model(tmp_path / "other", values=8)))
    (second,) = service.add(service.file("b.jsonl"))
    assert "lineage new" in service.until_state(second, "blocked")["reason"]
    lineage = service.call("lineage.new")["lineage"]
    job = service.until_state(second, "finished")
    assert job["lineage_id"] == lineage["lineage_id"]
    assert job["first_global_step"] == 1
    service.call("config.set", key="save_steps", value="9")


def test_base_model_is_not_changed_under_a_running_file(running_service: RunningService, tmp_path: Path) -> None:
    running_service.behave(step_seconds=0.05)
    running_service.add(running_service.file("a.jsonl"))
    running_service.until(running_service.losses)
    with pytest.raises(VerbError, match="being trained"):
        running_service.call("base.set", source=str(make_model(tmp_path / "other", values=8)))


def test_inbox_takes_a_file_whose_name_is_not_utf8_and_refuses_another(shared: RunningService) -> None:
    folder = os.fsencode(shared.workspace.inbox)
    for name, content in ((b"caf\xe9.jsonl", b'{"text": "x"}\n'), (b"caf\xe9.bin", b"x")):
        with open(folder + b"/" + name, "wb") as file:
            file.write(content)
    shared.until(lambda: not list(shared.workspace.inbox.glob("caf*")))
    assert "caf .jsonl" in [job["file_name"] for job in shared.call("queue.list")["jobs"]]
    assert (shared.workspace.inbox_refused / os.fsdecode(b"caf\xe9.bin")).exists()
