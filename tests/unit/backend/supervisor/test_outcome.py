"""Ends of trainers as values with sentences."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from backend.contract.errors import ErrorBody
from backend.contract.spool import ExitRecord
from backend.supervisor.outcome import EndKind, judge, recorded_end


@pytest.mark.parametrize(
    ("code", "number", "kind", "words"),
    [
        (0, None, EndKind.ORDERLY, "by itself"),
        (1, None, EndKind.CRASHED, "code 1 and no last words"),
        (None, None, EndKind.UNKNOWN, "while the service was away"),
        (None, signal.SIGKILL, EndKind.KILLED, "Something outside ended the trainer (SIGKILL)"),
        (None, signal.SIGTERM, EndKind.KILLED, "SIGTERM"),
        (None, signal.SIGSEGV, EndKind.CRASHED, "native code (SIGSEGV)"),
        (None, signal.SIGABRT, EndKind.CRASHED, "SIGABRT"),
        (None, 62, EndKind.CRASHED, "signal 62"),
    ],
)
def test_judge_goes_by_the_kernel_when_there_are_no_last_words(
    code: int | None, number: int | None, kind: EndKind, words: str
) -> None:
    outcome = judge(code=code, signal_number=number, record=None)
    assert outcome.kind is kind
    assert words in outcome.sentence
    assert outcome.as_text().startswith(f"{kind.value}: ")


def test_judge_quotes_what_was_printed_last() -> None:
    outcome = judge(code=1, signal_number=None, record=None, last_line="ImportError: no torch\n")
    assert outcome.sentence == "The trainer ended with code 1: ImportError: no torch"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("stopped", EndKind.ORDERLY),
        ("out_of_memory", EndKind.OUT_OF_MEMORY),
        ("non_finite", EndKind.NON_FINITE),
        ("disk_full", EndKind.STORAGE),
        ("storage", EndKind.STORAGE),
        ("bad_checkpoint", EndKind.BAD_CHECKPOINT),
        ("bad_model", EndKind.BAD_MODEL),
        ("bad_assignment", EndKind.BAD_ASSIGNMENT),
        ("internal", EndKind.CRASHED),
        ("something new", EndKind.CRASHED),
    ],
)
def test_judge_believes_last_words_before_the_kernel(reason: str, kind: EndKind) -> None:
    error = ErrorBody(code="x", title="Title", message="Message.")
    outcome = judge(code=None, signal_number=9, record=ExitRecord(reason=reason, error=error, global_step=7))
    assert (outcome.kind, outcome.sentence, outcome.global_step) == (kind, "Title: Message.", 7)
    assert judge(code=1, signal_number=None, record=ExitRecord(reason=reason)).sentence


def test_only_what_a_trainer_did_itself_is_its_own_fault() -> None:
    assert judge(code=None, signal_number=signal.SIGSEGV, record=None).is_own_fault
    assert judge(code=1, signal_number=None, record=ExitRecord(reason="internal")).is_own_fault
    assert not judge(code=None, signal_number=signal.SIGKILL, record=None).is_own_fault
    assert not judge(code=None, signal_number=None, record=None).is_own_fault


def test_recorded_end_is_the_newest_of_that_process(tmp_path: Path) -> None:
    path = tmp_path / "ended.json"
    assert recorded_end(path, 5, 0) is None
    entries = [
        {"pid": 5, "code": 1, "signal": None, "at": 100.0, "role": "orphan"},
        {"pid": 5, "code": None, "signal": 9, "at": 200.0, "role": "orphan"},
        {"pid": 6, "code": 0, "signal": None, "at": 300.0, "role": "orphan"},
    ]
    path.write_text(json.dumps({"ended": entries}))
    assert recorded_end(path, 5, 150.0) == (None, 9)
    assert recorded_end(path, 5, 250.0) is None, "an older process with that number"
    assert recorded_end(path, 7, 0) is None
    path.write_text("nonsense")
    assert recorded_end(path, 5, 0) is None
