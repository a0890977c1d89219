"""The command line is the table of verbs; what only the prompt adds is written down here."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from backend.cli.commands import ELSEWHERE, build
from backend.contract.arguments import (
    ConfigSetArgs,
    LogsArgs,
    MoveArgs,
    PauseArgs,
    PriorityArgs,
    QueueListArgs,
    StopArgs,
)
from backend.contract.datasets import DatasetView
from backend.contract.errors import ConflictError
from backend.contract.events import JobChanged, Notice
from backend.contract.jobs import Priority
from backend.contract.models import BaseModelView, LineageView
from backend.contract.results import (
    AddResult,
    BaseResult,
    CheckpointsResult,
    Done,
    EvaluationsResult,
    EventsResult,
    HistoryMarksResult,
    HistoryResult,
    LineageNewResult,
    LogsResult,
    MetricsResult,
    QueueResult,
    QueueStatus,
    SamplesResult,
    UndoResult,
    ValidationView,
)
from backend.contract.status import FileSpan, ResumeMark
from backend.contract.verbs import VERBS, Verb
from tests.fakes.fake_service import FakeService, job, status
from tests.unit.backend.cli.conftest import Prompt

LINEAGE = LineageView(
    lineage_id=1,
    base_id="b",
    lora_r=8,
    lora_alpha=8.0,
    target_modules="all-linear",
    quantization="none",
    dtype="auto",
    created_at=1.0,
)
BASE = BaseModelView(base_id="tiny", source="/models/tiny", folder="/ws/tiny")
RESULTS = {
    AddResult: AddResult(jobs=[job(1)]),
    QueueResult: QueueResult(jobs=[job(1), job(2)]),
    QueueStatus: QueueStatus(counts={"queued": 2}, waiting_steps=9, eta_seconds=1.0, next_job=job(1)),
    UndoResult: UndoResult(done="Job 1 is back."),
    MetricsResult: MetricsResult(rows=[]),
    HistoryResult: HistoryResult(
        first_step=1,
        last_step=2,
        step=[1, 2],
        at=[1.0, 2.0],
        tokens=[8, 16],
        loss=[None, 2.0],
        loss_min=[None, 2.0],
        loss_max=[None, 2.0],
        learning_rate=[1e-4, 1e-4],
        grad_norm=[None, 1.0],
        tokens_per_second=[9.0, None],
        memory_bytes=[0, 0],
    ),
    HistoryMarksResult: HistoryMarksResult(
        files=[FileSpan(job_id=1, file_name="a.jsonl", first_step=1, last_step=2)],
        resumes=[ResumeMark(step=2, at=1.0, reason="Something outside ended the trainer (SIGKILL).")],
    ),
    EventsResult: EventsResult(
        events=[Notice(at=1.0, level="info", title="A title", message="And words."), JobChanged(at=1.0, job=job(1))]
    ),
    EvaluationsResult: EvaluationsResult(rows=[]),
    SamplesResult: SamplesResult(rows=[]),
    LogsResult: LogsResult(lines=["a", "b"]),
    BaseResult: BaseResult(base=BASE, lineage=LINEAGE),
    ValidationView: ValidationView(validation_id="v" * 64, num_rows=8, source="rows.jsonl", created_at=1.0),
    LineageNewResult: LineageNewResult(lineage=LINEAGE),
    CheckpointsResult: CheckpointsResult(checkpoints=[]),
    Done: Done(done="It will be done."),
    DatasetView: DatasetView(dataset_id="d", file_name="f", size_bytes=1, added_at=1.0),
}
WORDS = {
    "add": ["FILE"],
    "queue.move": ["2", "--before", "1"],
    "queue.set-priority": ["1", "--priority", "high"],
    "config.set": ["lora_r", "8"],
    "base.set": ["FOLDER"],
    "validation.set": ["FILE"],
    "dataset.show": ["1"],
    "lineage.new": ["--confirm"],
    **{f"queue.{word}": ["1"] for word in ("hold", "release", "retry", "remove")},
}


def answer_everything(fake: FakeService) -> None:
    from backend.cli import offline

    config = offline.config(fake.workspace)
    for verb in VERBS:
        fake.answers[verb.name] = status() if verb.result is type(status()) else RESULTS.get(verb.result, config)


@pytest.fixture(autouse=True)
def service_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.cli.service_process.wait_until_gone", lambda _endpoint, _seconds: True)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
def test_every_verb_can_be_typed_and_prints_its_answer(
    verb: Verb, as_json: bool, fake: FakeService, prompt: Prompt
) -> None:
    answer_everything(fake)
    answer = prompt(*verb.name.split("."), *WORDS.get(verb.name, []), *(["--json"] if as_json else []))
    assert answer.code == 0, answer.err
    assert verb.name in fake.names()
    assert answer.out.strip() or as_json
    if as_json:
        assert all(isinstance(each, dict) for each in answer.objects)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_explains_itself(verb: Verb, prompt: Prompt) -> None:
    answer = prompt(*verb.name.split("."), "--help")
    assert answer.code == 0
    told = " ".join(answer.out.split())
    assert verb.help in told
    assert "--json" in told
    assert "--workspace" in told
    for field in msgspec.structs.fields(verb.args):
        assert field.name.replace("_", "-") in told.replace("_", "-").lower()


@pytest.mark.parametrize(
    ("words", "name", "args"),
    [
        (["queue", "move", "3", "4", "--to", "1"], "queue.move", MoveArgs(job_ids=[3, 4], to=1)),
        (
            ["queue", "set-priority", "3", "--priority", "low"],
            "queue.set-priority",
            PriorityArgs(job_ids=[3], priority=Priority.LOW),
        ),
        (["queue", "list"], "queue.list", QueueListArgs()),
        (["queue", "list", "--no-every"], "queue.list", QueueListArgs(every=False)),
        (["config", "set", "weight_decay", "-1"], "config.set", ConfigSetArgs(key="weight_decay", value="-1")),
        (["stop", "--now"], "stop", StopArgs(now=True)),
        (["pause", "--free"], "pause", PauseArgs(free=True)),
        (["logs", "--lines", "5"], "logs", LogsArgs(lines=5)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_become_the_verbs_arguments(
    words: list[str], name: str, args: msgspec.Struct, fake: FakeService, prompt: Prompt
) -> None:
    answer_everything(fake)
    assert prompt(*words).code == 0
    assert (name, args) in fake.asked


def test_paths_are_absolute_when_they_were_typed_relative(
    fake: FakeService, prompt: Prompt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_everything(fake)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "mine").mkdir(parents=True)
    prompt("add", "a.jsonl", "/b.jsonl")
    prompt("base", "set", "models/mine")
    prompt("base", "set", "org/name")
    prompt("validation", "set", "v.jsonl")
    asked = [getattr(args, "paths", getattr(args, "source", getattr(args, "path", None))) for _, args in fake.asked]
    assert asked == [
        [str(tmp_path / "a.jsonl"), "/b.jsonl"],
        str(tmp_path / "models" / "mine"),
        "org/name",
        str(tmp_path / "v.jsonl"),
    ]


def test_protected_verb_does_nothing_and_ends_with_3_when_it_is_not_confirmed(
    fake: FakeService, prompt: Prompt
) -> None:
    answer = prompt("lineage", "new")
    assert answer.code == 3
    assert "Nothing was done" in answer.err
    assert fake.asked == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["quue", "list"], 'Did you mean "queue"'),
        (["queue", "mve", "1"], 'Did you mean "move"'),
        (["statsu"], 'Did you mean "status"'),
        (["add"], "requires an argument"),
        (["add", "x", "--priority", "urgent"], '"high", "normal", "low"'),
        (["queue", "hold", "seven"], "into int"),
        (["status", "--jsn"], "Did you mean --json"),
        (["demo", "--steps", "0"], "1 or more"),
        (["logs", "--lines", "-1"], "0 or more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words_end_with_2_and_say_what_was_meant(words: list[str], told: str, prompt: Prompt) -> None:
    answer = prompt(*words)
    assert answer.code == 2
    assert told in answer.err
    assert answer.out == "" or "--json" in words


def test_error_is_one_sentence_when_the_service_refuses(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["queue.undo"] = ConflictError("Nothing was changed yet.")
    answer = prompt("queue", "undo")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "Not possible right now. Nothing was changed yet.\n"


def test_error_is_an_object_too_when_json_was_asked(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["queue.undo"] = ConflictError("Nothing was changed yet.")
    answer = prompt("queue", "undo", "--json")
    assert answer.objects[0]["error"]["code"] == "conflict"


def test_main_prompt_knows_the_words_of_other_roles() -> None:
    app = build()
    assert {"serve", "test", "demo"} >= set(ELSEWHERE)
    assert all(word in app for word in ELSEWHERE)
