"""The demo, against a fake engine that trains in no time: what it asks for, shows, and leaves behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.cli import demo
from backend.contract.errors import ConflictError
from backend.contract.jobs import JobState, JobView
from backend.contract.models import BaseModelView, CheckpointView
from backend.contract.results import (
    AddResult,
    BaseResult,
    CheckpointsResult,
    ConfigResult,
    Done,
    EvaluationsResult,
    MetricsResult,
    QueueResult,
    SamplesResult,
    ValidationView,
)
from backend.contract.settings import Config, describe, with_value
from backend.contract.status import EvaluationRow, MetricRow, ProcessView, RunState, SampleRow, TrainerView
from tests.fakes.fake_service import FakeService, job, status
from tests.unit.backend.cli.conftest import Prompt


class FakeEngine:
    """Answers as a service whose trainer takes one step each time it is looked at."""

    def __init__(self, fake: FakeService) -> None:
        self.fake = fake
        self.config = Config()
        self.base: BaseModelView | None = None
        self.validation = ValidationView()
        self.jobs: list[JobView] = []
        self.global_step = 0
        self.run_state = RunState.RUNNING
        self.ends_as = JobState.FINISHED
        self.metrics: list[MetricRow] = []
        self.evaluations: list[EvaluationRow] = []
        self.samples: list[SampleRow] = []
        self.added_rows: list[int] = []
        for name in ("status", "config_show", "config_set", "base_show", "base_set", "validation_show"):
            fake.answers[name.replace("_", ".")] = getattr(self, name)
        for name in ("validation_set", "add", "queue_list", "checkpoints_list", "resume", "shutdown"):
            fake.answers[name.replace("_", ".")] = getattr(self, name)
        fake.answers["metrics"] = lambda _: MetricsResult(rows=self.metrics)
        fake.answers["evaluations"] = lambda _: EvaluationsResult(rows=self.evaluations)
        fake.answers["samples"] = lambda _: SamplesResult(rows=self.samples)

    def status(self, _args: Any) -> Any:
        running = next((each for each in self.jobs if each.state is JobState.TRAINING), None)
        if running is not None:
            self._step(running)
        trainer = TrainerView(pid=1, attempt_id="A", attempt_seq=1, phase="training", started_at=1.0)
        service = ProcessView(pid=1, started_at=1.0)
        return status(
            run_state=self.run_state,
            service=service,
            trainer=trainer,
            loss=2.0,
            tokens_per_second=90.0,
            checkpoint_step=self.global_step,
        )

    def _step(self, running: JobView) -> None:
        done = running.done_steps + 1
        if done == 1:
            self._measure(running)
        self.global_step += 1
        state = self.ends_as if done == running.total_steps else JobState.TRAINING
        self.jobs[-1] = job(
            running.job_id,
            state,
            file_name=running.file_name,
            done_steps=done,
            total_steps=running.total_steps,
            reason="" if state is JobState.FINISHED else "The disk is full.",
            started_at=time.time(),
        )
        row = MetricRow(
            step=self.global_step,
            loss=3.0 / self.global_step,
            loss_hex="0x1p+1",
            file=running.file_name,
            lr=1e-4,
            tokens=600,
            grad_norm=1.0,
            seconds=6.0,
            attempt=1,
            job_id=running.job_id,
        )
        self.metrics.append(row)
        if state is JobState.FINISHED:
            self._measure(running)

    def _measure(self, running: JobView) -> None:
        step, at = self.global_step, float(self.global_step)
        loss = 3.0 - 0.1 * step
        self.evaluations.append(
            EvaluationRow(
                step=step,
                job_id=running.job_id,
                validation_id="v",
                validation_loss=loss,
                train_loss=None,
                gap=None,
                heldout_loss=None,
                at=at,
            )
        )
        self.samples += [
            SampleRow(step=step, job_id=running.job_id, prompt=p, text=f"{p} at {step}", has_think_tag=False, at=at)
            for p in ("one", "two")
        ]

    def config_show(self, _args: Any) -> ConfigResult:
        return ConfigResult(settings=describe(self.config))

    def config_set(self, args: Any) -> ConfigResult:
        self.config = with_value(self.config, args.key, args.value)
        return self.config_show(args)

    def base_show(self, _args: Any) -> BaseResult:
        return BaseResult(base=self.base)

    def base_set(self, args: Any) -> BaseResult:
        self.base = BaseModelView(base_id="smollm2", source=args.source, folder="/f")
        return BaseResult(base=self.base)

    def validation_show(self, _args: Any) -> ValidationView:
        return self.validation

    def validation_set(self, args: Any) -> ValidationView:
        self.validation = ValidationView(validation_id="v", num_rows=24, source=args.path)
        return self.validation

    def add(self, args: Any) -> AddResult:
        path = Path(args.paths[0])
        num_rows = len(path.read_bytes().splitlines())
        self.added_rows.append(num_rows)
        steps = num_rows // 8
        self.jobs.append(job(len(self.jobs) + 1, JobState.TRAINING, file_name=path.name, total_steps=steps))
        return AddResult(jobs=self.jobs[-1:])

    def queue_list(self, _args: Any) -> QueueResult:
        return QueueResult(jobs=self.jobs)

    def checkpoints_list(self, _args: Any) -> CheckpointsResult:
        view = CheckpointView(
            checkpoint_id=1,
            path="/ws/current_model/step-9",
            manifest_sha256="m",
            lineage_id=1,
            branch=1,
            attempt_seq=1,
            global_step=self.global_step,
            job_id=1,
            job_step=1,
            size_bytes=1,
            created_at=1.0,
        )
        return CheckpointsResult(checkpoints=[view])

    def resume(self, args: Any) -> Any:
        self.run_state = RunState.RUNNING
        return self.status(args)

    def shutdown(self, _args: Any) -> Done:
        return Done(done="Saved.")


@pytest.fixture
def engine(fake: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeEngine]:
    monkeypatch.setattr(demo, "_POLL_SECONDS", 0.0)
    yield FakeEngine(fake)


def test_demo_ends_with_one_object_when_json_was_asked(engine: FakeEngine, prompt: Prompt) -> None:
    answer = prompt("demo", "--headless", "--steps", 5, "--json")
    assert answer.code == 0, answer.err
    (found,) = answer.objects
    assert engine.added_rows == [40]
    assert found["steps"] == 5
    assert (found["loss_first"], found["loss_last"]) == (3.0, 0.6)
    assert found["validation_loss_before"] == pytest.approx(3.0)
    assert found["validation_loss_after"] == pytest.approx(2.5)
    assert found["tokens_per_second"] == 100.0
    assert found["seconds"] > 0
    assert found["adapter"] == "/ws/current_model/step-9"
    assert found["samples"][0] == {"prompt": "one", "before": "one at 0", "after": "one at 5"}


def test_demo_tells_what_was_learned_and_what_to_do_next(engine: FakeEngine, prompt: Prompt) -> None:
    answer = prompt("demo", "--headless", "--steps", 5)
    assert answer.code == 0, answer.err
    for told in ("one at 0", "one at 5", "3.0000 before, 2.5000 after (-17 %)", "add FILE.jsonl --workspace"):
        assert told in answer.out
    assert "Training" in answer.err


def test_demo_sets_what_a_small_machine_needs(engine: FakeEngine, prompt: Prompt) -> None:
    prompt("demo", "--headless", "--steps", 1)
    training = engine.config.training
    assert (training.lora_r, training.quantization, training.max_length) == (16, "none", 512)
    assert training.examples_per_step == 8
    assert engine.validation.source == str(demo.HELD_OUT_FILE)


def test_demo_goes_on_when_it_is_run_again(engine: FakeEngine, prompt: Prompt) -> None:
    prompt("demo", "--headless", "--steps", 2)
    num_changes = engine.fake.names().count("config.set")
    answer = prompt("demo", "--headless", "--steps", 3, "--json")
    (found,) = answer.objects
    assert (found["steps"], found["global_step"]) == (3, 5)
    assert found["validation_loss_before"] == pytest.approx(2.8)
    assert found["samples"][0]["before"] == "one at 2"
    assert engine.fake.names().count("base.set") == engine.fake.names().count("validation.set") == 1
    assert engine.fake.names().count("config.set") == num_changes
    assert "training goes on where it was" in answer.err


def test_demo_leaves_the_adapters_shape_alone_when_an_older_demo_chose_it(engine: FakeEngine, prompt: Prompt) -> None:
    prompt("demo", "--headless", "--steps", 1)
    engine.config = with_value(with_value(engine.config, "lora_alpha", "8"), "num_samples", "9")
    assert prompt("demo", "--headless", "--steps", 1).code == 0
    assert engine.config.training.lora_alpha == 8
    assert engine.config.training.num_samples == 2


def test_demo_finishes_the_file_of_a_demo_that_was_interrupted(engine: FakeEngine, prompt: Prompt) -> None:
    left = job(1, JobState.TRAINING, file_name="training_9_steps.jsonl", done_steps=5, total_steps=9)
    engine.jobs = [left]
    answer = prompt("demo", "--headless", "--steps", 9, "--json")
    assert answer.code == 0, answer.err
    assert "interrupted at step 7 of 9" in answer.err
    assert engine.added_rows == []


def test_demo_trains_all_of_the_sample_when_no_number_is_given(engine: FakeEngine, prompt: Prompt) -> None:
    assert prompt("demo", "--headless", "--json").objects[0]["steps"] == engine.added_rows[0] // 8 >= 30


def test_demo_begins_the_sample_again_when_it_has_too_few_rows(engine: FakeEngine, prompt: Prompt) -> None:
    assert prompt("demo", "--headless", "--steps", 40, "--json").objects[0]["steps"] == 40


def test_demo_resumes_a_workspace_that_was_stopped(engine: FakeEngine, prompt: Prompt) -> None:
    engine.run_state = RunState.STOPPED
    answer = prompt("demo", "--headless", "--steps", 1)
    assert answer.code == 0, answer.err
    assert "was stopped; the demo goes on" in answer.err


def test_demo_ends_with_1_and_the_reason_when_the_file_fails(engine: FakeEngine, prompt: Prompt) -> None:
    engine.ends_as = JobState.FAILED
    answer = prompt("demo", "--headless", "--steps", 1, "--json")
    assert answer.code == 1
    assert "The disk is full." in answer.err
    assert answer.objects[0]["error"]["code"] == ConflictError.code


def test_demo_refuses_a_workspace_that_trains_another_model(engine: FakeEngine, prompt: Prompt) -> None:
    engine.base = BaseModelView(base_id="qwen", source="Qwen/Qwen3", folder="/f")
    answer = prompt("demo", "--headless")
    assert answer.code == 1
    assert "another folder with --workspace" in answer.err
    assert "config.set" not in engine.fake.names()


def test_demo_refuses_while_the_stop_file_is_in_force(engine: FakeEngine, prompt: Prompt) -> None:
    engine.fake.answers["status"] = status(stop_file=True)
    answer = prompt("demo", "--headless")
    assert answer.code == 1
    assert ".stop" in answer.err


def test_demo_leaves_a_service_alone_that_was_there_before(engine: FakeEngine, prompt: Prompt) -> None:
    prompt("demo", "--headless", "--steps", 1)
    assert "shutdown" not in engine.fake.names()


def test_demo_ends_the_service_that_it_started(
    engine: FakeEngine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    fake_wait = lambda endpoint, _seconds: waited.append(endpoint.pid) or True  # noqa: E731
    answers = iter([False])
    monkeypatch.setattr("backend.cli.session.Session.has_service", property(lambda _self: next(answers, True)))
    monkeypatch.setattr("backend.cli.service_process.wait_until_gone", fake_wait)
    prompt("demo", "--headless", "--steps", 1)
    assert engine.fake.names()[-1] == "shutdown"
    assert len(waited) == 1


def test_demo_says_in_one_line_why_there_is_no_window(
    engine: FakeEngine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    answer = prompt("demo", "--steps", 1)
    assert answer.code == 0
    assert "no display" in answer.err.splitlines()[0]


@pytest.mark.parametrize("words", [[], ["--headless"], ["--json"]])
def test_demo_opens_the_window_of_its_workspace_when_a_person_looks_on(
    words: list[str], engine: FakeEngine, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    class Started:
        returncode: int | None = None

        def __init__(self, command: list[str], **_options: object) -> None:
            started.append(command)

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("backend.cli.demo.subprocess.Popen", Started)
    assert prompt("demo", "--steps", 1, *words).code == 0
    opened = [command[-4:] for command in started]
    assert [words[1:3] for words in opened] == ([] if words else [["gui", "--workspace"]])
    assert "shutdown" not in engine.fake.names() or words
