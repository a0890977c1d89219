"""The end of a trainer process as a value with a sentence."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backend.contract.errors import ErrorBody
from backend.contract.spool import ExitRecord


class EndKind(StrEnum):
    """What an end means for the job and for the next start."""

    ORDERLY = "orderly"
    """It was asked to end, and did."""
    KILLED = "killed"
    """Somebody else ended it; says nothing about file or model."""
    CRASHED = "crashed"
    """It fell over by itself: a fault in native code or one of ours."""
    OUT_OF_MEMORY = "out_of_memory"
    NON_FINITE = "non_finite"
    BAD_CHECKPOINT = "bad_checkpoint"
    BAD_BASE = "bad_base"
    """The base model on disk is damaged; no file would fare better."""
    BAD_MODEL = "bad_model"
    BAD_ASSIGNMENT = "bad_assignment"
    STORAGE = "storage"
    UNKNOWN = "unknown"
    """It ended while nobody looked."""


_REASONS = {
    "stopped": EndKind.ORDERLY,
    "out_of_memory": EndKind.OUT_OF_MEMORY,
    "non_finite": EndKind.NON_FINITE,
    "disk_full": EndKind.STORAGE,
    "storage": EndKind.STORAGE,
    "bad_checkpoint": EndKind.BAD_CHECKPOINT,
    "bad_base": EndKind.BAD_BASE,
    "bad_model": EndKind.BAD_MODEL,
    "bad_assignment": EndKind.BAD_ASSIGNMENT,
    "internal": EndKind.CRASHED,
}
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trainer ended."""

    kind: EndKind
    sentence: str
    code: int | None = None
    signal: int | None = None
    error: ErrorBody | None = None
    global_step: int | None = None

    @property
    def is_own_fault(self) -> bool:
        """Whether it died of what it did, so that doing the same again may not help."""
        return self.kind is EndKind.CRASHED

    def as_text(self) -> str:
        """For the attempt's row."""
        return f"{self.kind}: {self.sentence}"


def judge(*, code: int | None, signal_number: int | None, record: ExitRecord | None, last_line: str = "") -> Outcome:
    """The outcome from the evidence: its last words first, then how the kernel says it ended, then what it printed."""
    if record is not None:
        kind = _REASONS.get(record.reason, EndKind.CRASHED)
        sentence = record.error.sentence() if record.error else _plain_sentence(kind, record.reason)
        return Outcome(
            kind=kind,
            sentence=sentence,
            code=code,
            signal=signal_number,
            error=record.error,
            global_step=record.global_step,
        )
    if signal_number is not None:
        return _judge_signal(signal_number)
    if code is None:
        return Outcome(kind=EndKind.UNKNOWN, sentence="The trainer ended while the service was away.")
    if code == 0:
        return Outcome(kind=EndKind.ORDERLY, sentence="The trainer ended by itself.", code=0)
    said = f": {last_line.strip()[:300]}" if last_line.strip() else " and no last words."
    return Outcome(kind=EndKind.CRASHED, sentence=f"The trainer ended with code {code}{said}", code=code)


def _judge_signal(number: int) -> Outcome:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number in _FROM_OUTSIDE:
        return Outcome(kind=EndKind.KILLED, sentence=f"Something outside ended the trainer ({name}).", signal=number)
    return Outcome(kind=EndKind.CRASHED, sentence=f"The trainer crashed in native code ({name}).", signal=number)


def _plain_sentence(kind: EndKind, reason: str) -> str:
    if kind is EndKind.ORDERLY:
        return "The trainer saved and ended as it was asked to."
    return f"The trainer ended: {reason.replace('_', ' ')}."


def recorded_end(ended_file: Path, pid: int, started_at: float) -> tuple[int | None, int | None] | None:
    """(code, signal) of a process as the guardian wrote it down; None when it did not (yet)."""
    try:
        ended = json.loads(ended_file.read_bytes())["ended"]
        for entry in reversed(ended):
            if entry["pid"] == pid and entry["at"] >= started_at - 1:
                return entry["code"], entry["signal"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None
