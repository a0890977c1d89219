"""A real file, a real trainer, the real prompt: train, hold, leave, kill, and carry on.

The tests share one running engine and stand in the order of a working day; each queues files of its own.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM

from backend.contract.jobs import ACTIVE_STATES
from benchmarks.proof import ROOT, Engine, kill, processes, services, trainers, write_rows
from tests.e2e.prompt import (
    SMALL_MODEL_SETTINGS,
    Prompt,
    add_long,
    newest_attempt,
    until,
    until_newer_trainer,
    until_steps,
    until_true,
)

SAMPLE = ROOT / "resources" / "sample" / "training.jsonl"


@pytest.fixture(scope="module")
def engine(folder: Path, tiny_model: Path) -> Iterator[Engine]:
    with Engine(folder / "workspace") as engine:
        engine.start()
        prompt = Prompt(engine.workspace.root)
        assert prompt("base", "set", tiny_model).code == 0
        engine.wait_for_base()
        for key, value in SMALL_MODEL_SETTINGS.items():
            engine.api.call("config.set", key=key, value=str(value))
        yield engine


@pytest.fixture
def prompt(engine: Engine) -> Prompt:
    return Prompt(engine.workspace.root)


def contiguous(prompt: Prompt) -> list[int]:
    """The steps as the prompt shows them; fails unless they are 1, 2, 3, ... each once."""
    steps = [row["step"] for row in prompt.lines("metrics", field="rows")]
    assert steps == list(range(1, len(steps) + 1))
    return steps


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers the old way
def test_file_becomes_an_adapter_when_added_at_the_prompt(engine: Engine, prompt: Prompt, tiny_model: Path) -> None:
    added = prompt.ask("add", SAMPLE)
    job = until(engine, SAMPLE.name, "finished", "failed")
    assert job["state"] == "finished", job["reason"]
    assert job["job_id"] == added["jobs"][0]["job_id"]
    rows = prompt.lines("metrics", field="rows")
    assert len(rows) == job["total_steps"] == contiguous(prompt)[-1]
    assert all(float.fromhex(row["loss_hex"]) == pytest.approx(row["loss"], rel=1e-6) for row in rows)
    assert {row["file"] for row in rows} == {SAMPLE.name}
    newest = engine.api.call("checkpoints.list")["checkpoints"][0]
    assert newest["global_step"] == job["total_steps"]
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), newest["path"])
    adapter = {name: values for name, values in model.named_parameters() if "lora_B" in name}
    assert adapter
    assert all(values.abs().sum() > 0 for values in adapter.values()), "a part of the adapter never learned"


def test_status_names_both_processes_when_a_file_was_trained(engine: Engine, prompt: Prompt) -> None:
    status = prompt.ask("status")
    assert status["service"]["pid"] in {process.pid for process in services(engine.workspace)}
    assert status["trainer"]["pid"] in {process.pid for process in trainers(engine.workspace)}


def test_old_status_file_is_kept_when_a_file_was_trained(engine: Engine) -> None:
    trained = engine.api.call("status")["global_step"]
    give_up_at = time.monotonic() + 5
    while (told := json.loads(engine.workspace.training_status_file.read_bytes()))["step"] != trained:
        assert time.monotonic() < give_up_at, told  # it is written at most once a second
        time.sleep(0.05)
    assert told["current_step"] == trained
    assert told["error"] is None


def test_inbox_file_is_trained_when_dropped(engine: Engine, prompt: Prompt, folder: Path) -> None:
    source = write_rows(folder / "dropped.jsonl", 24, seed=11)
    shutil.copy(source, engine.workspace.inbox / "dropped.jsonl")
    assert until(engine, "dropped.jsonl", "finished", "failed")["state"] == "finished"
    assert (engine.workspace.inbox_done / "dropped.jsonl").read_bytes() == source.read_bytes()
    assert not (engine.workspace.inbox / "dropped.jsonl").exists()


def test_inbox_file_is_refused_with_its_reason_beside_it_when_it_is_empty(engine: Engine) -> None:
    (engine.workspace.inbox / "void.jsonl").write_bytes(b"")
    reason = engine.workspace.inbox_refused / "void.jsonl.reason.txt"
    until_true(reason.exists, "the reason lies beside the refused file")
    assert "empty" in reason.read_text(encoding="utf-8")
    assert (engine.workspace.inbox_refused / "void.jsonl").exists()


def test_pause_holds_the_step_and_resume_goes_on(engine: Engine, prompt: Prompt, folder: Path) -> None:
    start = engine.api.call("status")["global_step"]
    add_long(engine, folder / "long.jsonl", seed=12)
    until_steps(engine, start)
    assert prompt("pause").code == 0
    until(engine, "long.jsonl", "paused")
    held_at = engine.api.call("status")["global_step"]
    assert prompt.ask("status")["activity"] == "paused"
    assert engine.api.call("status")["global_step"] == held_at, "went on while paused"
    assert prompt("resume").code == 0
    assert until_steps(engine, held_at) > held_at


def test_running_file_is_not_interrupted_when_a_higher_priority_is_added(
    engine: Engine, prompt: Prompt, folder: Path
) -> None:
    assert prompt("add", write_rows(folder / "low.jsonl", 24, seed=13), "--priority", "low", "--wait").code == 0
    assert prompt("add", write_rows(folder / "high.jsonl", 24, seed=14), "--priority", "high", "--wait").code == 0
    listed = [job["file_name"] for job in prompt.lines("queue", "list", field="jobs")]
    assert listed[:3] == ["long.jsonl", "high.jsonl", "low.jsonl"]
    assert prompt.jobs()["long.jsonl"]["state"] in ACTIVE_STATES, "was interrupted"
    until(engine, "long.jsonl", "training")


def test_skipped_file_continues_at_its_cursor_when_retried(engine: Engine, prompt: Prompt) -> None:
    assert prompt("skip").code == 0
    left = until(engine, "long.jsonl", "skipped")
    assert left["done_steps"] > 0
    until(engine, "low.jsonl", "finished")
    before = engine.api.call("status")["global_step"]
    assert prompt("queue", "retry", left["job_id"]).code == 0
    until_steps(engine, before)
    again = prompt.jobs()["long.jsonl"]
    assert again["done_steps"] > left["done_steps"], "began again instead of going on"
    contiguous(prompt)


def test_stop_now_saves_and_ends_the_trainer_and_resume_goes_on(engine: Engine, prompt: Prompt) -> None:
    assert prompt("stop", "--now").code == 0
    until_true(lambda: not trainers(engine.workspace), "the trainer ended")
    status = until_true(
        lambda: (found := engine.api.call("status"))["trainer"] is None and found, "the service knows it"
    )
    assert status["run_state"] == "stopped"
    assert status["global_step"] == status["checkpoint_step"], "steps were lost"
    assert prompt("resume").code == 0
    assert until_steps(engine, status["global_step"]) > status["global_step"]
    contiguous(prompt)


def test_second_serve_starts_no_second_service_when_one_runs(engine: Engine) -> None:
    before = {process.pid for process in services(engine.workspace)}
    second = Engine(engine.workspace.root)
    second.log = engine.log.with_name("second.log")
    second.launch()
    try:
        until_true(lambda: second.log.read_text(encoding="utf-8").strip(), "the second serve says something")
        assert {process.pid for process in services(engine.workspace)} == before
        assert "being served already" in second.log.read_text(encoding="utf-8")
    finally:
        second.interrupt()
    assert {process.pid for process in services(engine.workspace)} == before, "took the first one down with it"


def test_stop_file_saves_and_ends_training_when_the_service_is_dead(engine: Engine, prompt: Prompt) -> None:
    guardian_and_service = [p for p in processes(engine.workspace) if p not in trainers(engine.workspace)]
    for process in guardian_and_service:
        kill(process.pid)
    engine.wait(30)
    assert trainers(engine.workspace), "the trainer died with its service"
    engine.workspace.stop_file.touch()
    until_true(lambda: not trainers(engine.workspace), "the trainer ended")
    assert ".stop" in prompt("status").stdout
    engine.start()
    assert prompt.ask("status")["stop_file"] is True
    assert not trainers(engine.workspace), "trains although .stop lies there"
    before = engine.api.call("status")
    assert before["global_step"] == before["checkpoint_step"] == len(contiguous(prompt))
    engine.workspace.stop_file.unlink()
    assert until_steps(engine, before["global_step"]) > before["global_step"]


def test_start_resumes_and_says_from_which_step_when_everything_was_killed(engine: Engine, prompt: Prompt) -> None:
    attempt = newest_attempt(engine)
    engine.kill_everything()
    engine.start()
    saved = engine.api.call("status")["checkpoint_step"]
    assert saved > 0
    until_newer_trainer(engine, attempt)
    told = "\n".join(engine.api.call("logs", lines=20)["lines"])
    assert f"step {saved}" in told.replace(",", ""), told
    contiguous(prompt)


def test_serve_until_idle_ends_zero_when_nothing_is_left_and_one_when_a_file_failed(
    folder: Path, tiny_model: Path
) -> None:
    with Engine(folder / "idle") as engine:
        engine.start()
        engine.set_up(tiny_model, SMALL_MODEL_SETTINGS)
        engine.shut_down()
        engine.launch("--until-idle")
        assert engine.wait(60) == 0
        engine.workspace.inbox.joinpath("noise.jsonl").write_bytes(b"{]\n" * 20)
        engine.launch("--until-idle")
        assert engine.wait(60) == 1
        assert processes(engine.workspace) == []


def test_file_waits_for_resume_when_auto_start_is_off(folder: Path, tiny_model: Path) -> None:
    with Engine(folder / "by-hand") as engine:
        engine.start()
        engine.set_up(tiny_model, {**SMALL_MODEL_SETTINGS, "auto_start": False})
        prompt = Prompt(engine.workspace.root)
        assert prompt("add", write_rows(folder / "waits.jsonl", 24, seed=15), "--wait").code == 0
        assert "resume" in prompt.ask("status")["sentence"]
        assert trainers(engine.workspace) == []
        assert prompt("resume").code == 0
        until_true(lambda: trainers(engine.workspace), "the trainer is started")
