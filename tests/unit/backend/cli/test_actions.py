"""The commands that do more than ask: waiting for a check, for a base model, following the log."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.cli import actions, service_process
from backend.contract.datasets import CheckReport, DatasetView, RowProblem
from backend.contract.jobs import JobState
from backend.contract.models import BaseModelView
from backend.contract.results import AddResult, BaseResult, Done, QueueResult, RefusedFile
from tests.fakes.fake_service import FakeService, job
from tests.unit.backend.cli.conftest import Prompt


def one_after_the_other(*results: Any) -> Callable[[Any], Any]:
    """Answers in turn; the last one stays."""
    left = list(results)
    return lambda _args: left.pop(0) if len(left) > 1 else left[0]


def base(state: str, reason: str = "") -> BaseResult:
    return BaseResult(base=BaseModelView(base_id="tiny", source="/t", folder="/f", state=state, reason=reason))


def test_add_waits_for_nothing_when_not_asked(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["add"] = AddResult(jobs=[job(4, JobState.CHECKING)])
    answer = prompt("add", "a.jsonl")
    assert answer.code == 0
    assert "Job 4" in answer.out
    assert fake.names() == ["add"]


def test_add_ends_with_1_and_names_the_file_when_one_was_refused(fake: FakeService, prompt: Prompt) -> None:
    refused = RefusedFile(path="/no.jsonl", code="dataset", message="There is no such file.")
    fake.answers["add"] = AddResult(jobs=[job(4)], refused=[refused])
    answer = prompt("add", "a.jsonl", "no.jsonl")
    assert answer.code == 1
    assert "Job 4" in answer.out
    assert "/no.jsonl: There is no such file." in answer.err


def test_add_waits_for_the_check_when_asked(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["add"] = AddResult(jobs=[job(4, JobState.CHECKING)])
    fake.answers["queue.list"] = one_after_the_other(
        QueueResult(jobs=[job(4, JobState.CHECKING)]), QueueResult(jobs=[job(4, JobState.QUEUED, total_steps=9)])
    )
    answer = prompt("add", "a.jsonl", "--wait", "--json")
    assert answer.code == 0
    assert answer.objects[0]["jobs"][0]["total_steps"] == 9


def test_add_names_the_line_when_a_row_was_set_aside(fake: FakeService, prompt: Prompt) -> None:
    problem = RowProblem(line=7, kind="broken_json", message="No JSON.")
    report = CheckReport(ok=True, problems=[problem])
    fake.answers["add"] = AddResult(jobs=[job(4, JobState.CHECKING)])
    fake.answers["queue.list"] = QueueResult(jobs=[job(4, num_problems=1)])
    fake.answers["dataset.show"] = DatasetView(dataset_id="d", file_name="f", size_bytes=1, added_at=1.0, report=report)
    answer = prompt("add", "a.jsonl", "--wait")
    assert answer.code == 0
    assert "line 7: No JSON." in answer.err


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.BLOCKED, JobState.QUARANTINED])
def test_add_ends_with_1_and_the_reason_when_the_check_fails(
    fake: FakeService, prompt: Prompt, state: JobState
) -> None:
    fake.answers["add"] = AddResult(jobs=[job(4, JobState.CHECKING)])
    fake.answers["queue.list"] = QueueResult(jobs=[job(4, state, reason="Line 3 is no JSON.")])
    answer = prompt("add", "a.jsonl", "--wait")
    assert answer.code == 1
    assert "Line 3 is no JSON." in answer.err


def test_base_set_waits_until_the_model_is_ready(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["base.set"] = base("converting")
    fake.answers["base.show"] = one_after_the_other(base("converting"), base("ready"))
    answer = prompt("base", "set", "model.gguf", "--json")
    assert answer.code == 0
    assert answer.objects[0]["base"]["state"] == "ready"
    assert "Converting" in answer.err


def test_base_set_ends_with_1_and_the_reason_when_it_fails(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["base.set"] = base("fetching")
    fake.answers["base.show"] = base("failed", "The model holds pickle weights.")
    answer = prompt("base", "set", "org/name")
    assert answer.code == 1
    assert "The model holds pickle weights." in answer.err


def test_base_set_ends_with_1_when_another_base_is_in_force_afterwards(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["base.set"] = base("fetching")
    fake.answers["base.show"] = BaseResult(base=BaseModelView(base_id="the one before", source="/o", folder="/f"))
    answer = prompt("base", "set", "org/name")
    assert answer.code == 1
    assert "not prepared to its end" in answer.err


def test_status_starts_no_service_when_none_runs(prompt: Prompt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.cli.service_process._start", pytest.fail)
    for words in (["status"], ["logs"], ["config", "show"], ["shutdown"]):
        assert prompt(*words).code == 0


def test_logs_follow_until_interrupted_with_130(fake: FakeService, prompt: Prompt, monkeypatch: Any) -> None:
    fake.workspace.logs.mkdir(parents=True)
    path = fake.workspace.logs / "everstep_20260101.log"
    path.write_text("first\n", encoding="utf-8")
    num_naps = 0

    def nap(_seconds: float) -> None:
        nonlocal num_naps
        num_naps += 1
        if num_naps == 2:
            raise KeyboardInterrupt
        with open(path, "a", encoding="utf-8") as file:
            file.write("second\n")

    monkeypatch.setattr(time, "sleep", nap)
    answer = prompt("logs", "--follow", "--json")
    assert answer.code == actions.EXIT_INTERRUPTED
    assert answer.objects == [{"line": "first"}, {"line": "second"}]


def test_shutdown_waits_until_the_service_has_ended(fake: FakeService, prompt: Prompt) -> None:
    def end(_args: Any) -> Done:
        fake.write_endpoint(pid=os.getpid(), create_time=1.0)
        return Done(done="Everything is saved.")

    with subprocess.Popen(["sleep", "0.2"]) as service:
        fake.write_endpoint(pid=service.pid, create_time=service_process.create_time(service.pid))
        fake.answers["shutdown"] = end
        answer = prompt("shutdown")
        assert service_process.create_time(service.pid) is None
    assert (answer.code, answer.out) == (0, "Everything is saved.\n")


def test_shutdown_says_so_when_it_does_not_end(
    fake: FakeService, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_GOODBYE_SECONDS", 0.0)
    monkeypatch.setattr(actions, "_FOLLOW_SECONDS", 0.0)
    fake.answers["shutdown"] = Done(done="It will end.")
    answer = prompt("shutdown")
    assert answer.code == 1
    assert "still lives" in answer.err


def test_shutdown_says_so_when_nothing_runs(prompt: Prompt) -> None:
    answer = prompt("shutdown")
    assert answer.code == 0
    assert "nothing to end" in answer.err


def test_add_sends_a_name_that_is_not_utf8_as_a_url(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["add"] = AddResult(jobs=[job(1)])
    assert prompt("add", "/data/caf\udce9.jsonl").code == 0
    assert fake.asked[0][1].paths == ["file:///data/caf%E9.jsonl"]


def test_add_refuses_an_empty_path_with_2(fake: FakeService, prompt: Prompt) -> None:
    answer = prompt("add", "")
    assert answer.code == 2
    assert "empty path" in answer.err
    assert fake.asked == []


def test_add_prints_nothing_but_the_reason_when_all_was_refused(fake: FakeService, prompt: Prompt) -> None:
    refused = RefusedFile(path="/no.jsonl", code="dataset", message="There is no such file.")
    fake.answers["add"] = AddResult(jobs=[], refused=[refused], notes=["/data holds 2 training files, 3 kB."])
    answer = prompt("add", "no.jsonl")
    assert (answer.code, answer.out) == (1, "")
    assert "2 training files" in answer.err


def test_add_says_how_many_rows_were_set_aside_and_first_that_the_file_was_cut_off(
    fake: FakeService, prompt: Prompt
) -> None:
    problems = [RowProblem(line=number, kind="empty_answer", message="Empty.") for number in range(1, 10)]
    problems.append(RowProblem(line=20, kind="cut_off", message="It was cut off."))
    report = CheckReport(ok=True, problems=problems, num_rows=20, num_rejected=10)
    fake.answers["add"] = AddResult(jobs=[job(4, JobState.CHECKING)])
    fake.answers["queue.list"] = QueueResult(jobs=[job(4, num_problems=10)])
    fake.answers["dataset.show"] = DatasetView(dataset_id="d", file_name="f", size_bytes=1, added_at=1.0, report=report)
    answer = prompt("add", "a.json", "--wait")
    assert "10 of 20 rows set aside" in answer.err
    assert "line 20: It was cut off." in answer.err
    assert "10 rows set aside or cut" in prompt("queue", "list").out


def test_queue_list_asks_for_the_first_jobs_at_a_terminal_only(
    fake: FakeService, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["queue.list"] = QueueResult(jobs=[job(1), job(2)], num_jobs=60)
    prompt("queue", "list")
    assert fake.asked[-1][1].limit is None
    monkeypatch.setattr(actions, "terminal", lambda: type("Terminal", (), {"is_terminal": True}))
    assert "58 more jobs" in prompt("queue", "list").out
    assert fake.asked[-1][1].limit == 50
    prompt("queue", "list", "--json")
    assert fake.asked[-1][1].limit is None


def test_change_of_the_queue_prints_what_was_changed(fake: FakeService, prompt: Prompt) -> None:
    fake.answers["queue.hold"] = QueueResult(jobs=[job(2, JobState.HELD)], num_jobs=9, done="Held job 2.")
    answer = prompt("queue", "hold", "2")
    assert answer.out.splitlines()[0] == "Held job 2."
    assert len(answer.out.splitlines()) == 3


def test_status_names_the_broken_setting_when_no_service_can_start(prompt: Prompt, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "config.json").write_text('{"training": {\n"lora_r": 8,,\n}}')
    answer = prompt("status")
    assert "config.json" in answer.out
    assert "line 2" in answer.out


def test_status_says_so_when_the_workspace_is_a_file(prompt: Prompt, tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("not a folder")
    assert "is a file, not a folder" in prompt("status").out
