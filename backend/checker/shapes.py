"""Which of the known shapes a row has, and which shape a whole file has.

Most specific first, and never a guess: a row that fits two shapes has the shape `ambiguous`, and a file is used
only when at least 95 % of all its rows agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.checker.problems import RowError
from backend.contract.errors import DatasetError

AGREEMENT = 0.95
UNREADABLE = "unreadable"
CONVERSATION_KEYS = ("messages", "conversations", "conversation", "dialogue", "texts")
PROMPT_KEYS = ("prompt",)
COMPLETION_KEYS = ("completion", "response", "generation", "answer", "output")
INSTRUCTION_ANSWER_KEYS = ("output", "response", "answer", "completion")
QUESTION_KEYS = ("question", "query", "problem")
QUESTION_ANSWER_KEYS = ("answer", "response", "solution", "output")

_PREFERENCE = {
    "chosen",
    "rejected",
    "chosen_response",
    "rejected_response",
    "preferred_output",
    "non_preferred_output",
    "rejected_text",
}
_MEDIA = ("images", "image", "videos", "video", "audios", "audio")

REFUSED: dict[str, tuple[str, str]] = {
    "preference": (
        "its rows are pairs of a chosen and a rejected answer (preference data for DPO)",
        "Everstep learns from good answers only: keep the chosen ones as `messages` rows.",
    ),
    "kto": (
        "its rows are answers marked good or bad (preference data for KTO)",
        "Everstep learns from good answers only: keep the rows marked good and remove the mark.",
    ),
    "stepwise": (
        "its rows are single steps with labels (data for a reward model)",
        "Give rows with whole answers, for example `messages`.",
    ),
    "embedding": (
        "its rows are pairs for an embedding model",
        "Give rows with questions and answers, for example `messages`.",
    ),
    "pretokenised": (
        "its rows are token numbers of some tokenizer",
        "Give the text itself, for example as `messages` or `text`.",
    ),
    "segments": (
        "its rows are text segments with labels",
        "Give prompt and completion, or `messages`.",
    ),
    "multimodal": (
        "its rows hold pictures, sound or video",
        "Everstep trains language models: give rows of text only.",
    ),
    "ambiguous": (
        "its rows fit more than one format at once",
        "Keep one of them and remove the other fields.",
    ),
    "unknown": (
        "its rows have none of the known formats",
        "Known are messages, conversations, instruction + output, prompt + completion, question + answer, text.",
    ),
}
NAMES = {
    "messages": "messages",
    "conversations": "conversations",
    "alpaca": "instruction + output",
    "prompt_completion": "prompt + completion",
    "question_answer": "question + answer",
    "text": "text",
    "preference": "chosen + rejected",
    "kto": "answers with a label",
    UNREADABLE: "unreadable",
}


def shape_of(value: Any) -> str:
    """Name of the shape of one row: a usable format, or a word of REFUSED."""
    if isinstance(value, list):
        return _turns_shape(value) or "unknown"
    if not isinstance(value, dict):
        return "unknown"
    row = lowered(value)
    keys = row.keys()
    refused = _refused_shape(row)
    if refused:
        return refused
    fits = [shape for key in conversation_keys(row) if (shape := _turns_shape(row[key]))]
    if "instruction" in keys and any(key in keys for key in INSTRUCTION_ANSWER_KEYS):
        fits.append("alpaca")
    if _is_prompt_completion(row):
        fits.append("prompt_completion")
    if any(key in keys for key in QUESTION_KEYS) and any(key in keys for key in QUESTION_ANSWER_KEYS):
        fits.append("question_answer")
    if len(fits) > 1:
        return "ambiguous"
    if fits:
        return fits[0]
    if isinstance(row.get("text"), str):
        return "text"  # the least specific: many formats carry a rendered `text` beside their own fields
    return _turns_shape(row.get("text")) or "unknown"


def lowered(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keys in lower case where that keeps them apart (INSTRUCTION, RESPONSE exist in the wild)."""
    if all(key.islower() for key in value):
        return value
    row = {key.strip().lower(): item for key, item in value.items()}
    return row if len(row) == len(value) else value


def conversation_keys(row: Mapping[str, Any]) -> list[str]:
    """Keys of a row that hold a list of turns."""
    return [key for key in row if (key in CONVERSATION_KEYS or key.endswith("_trace")) and isinstance(row[key], list)]


def _is_prompt_completion(row: Mapping[str, Any]) -> bool:
    if any(key in row for key in PROMPT_KEYS):
        return any(key in row for key in COMPLETION_KEYS)
    plain = "input" in row and "output" in row
    return plain and "instruction" not in row and not any(key in row for key in QUESTION_KEYS)


def _refused_shape(row: Mapping[str, Any]) -> str:
    keys = row.keys()
    if "input_ids" in keys:
        return "pretokenised"
    if isinstance(row.get("segments"), list):
        return "segments"
    if keys & _PREFERENCE:
        return "preference"
    if "completions" in keys and "labels" in keys:
        return "stepwise"
    has_answer = "completion" in keys or "text" in keys or bool(conversation_keys(row))
    if "kto_tag" in keys or (isinstance(row.get("label"), bool) and has_answer):
        return "kto"
    if "anchor" in keys and "positive" in keys:
        return "embedding"
    if any(row.get(key) for key in _MEDIA):
        return "multimodal"
    return ""


def _turns_shape(value: Any) -> str:
    if not isinstance(value, list) or not value or not all(isinstance(turn, dict) for turn in value):
        return ""
    first = value[0]
    if "role" in first:
        return "messages"
    if "from" in first:
        return "conversations"
    return ""


@dataclass
class ShapeCount:
    """Shapes of all rows of a file."""

    counts: dict[str, int] = field(default_factory=dict)
    first_lines: dict[str, list[int]] = field(default_factory=dict)
    first_error: RowError | None = None

    @property
    def total(self) -> int:
        """Rows counted."""
        return sum(self.counts.values())

    def add(self, line: int, shape: str, problem: RowError | None = None) -> None:
        """Count one row; unreadable rows come with their problem."""
        self.counts[shape] = self.counts.get(shape, 0) + 1
        lines = self.first_lines.setdefault(shape, [])
        if len(lines) < 5:
            lines.append(line)
        if problem is not None and self.first_error is None:
            self.first_error = problem

    def judge(self, name: str) -> str:
        """The format of the file; raises DatasetError naming counts and lines when it has none."""
        total = self.total
        if not total:
            raise DatasetError(f"{name} holds no rows.", hint="Give a file with rows.", code="empty_file")
        best = max(self.counts, key=lambda shape: self.counts[shape])
        if self.counts[best] < AGREEMENT * total:
            raise self._disagreement(name, total)
        if best == UNREADABLE:
            line = self.first_lines[best][0]
            raise DatasetError(
                f"{name}: no row can be read. Row {line}: {self._why()}",
                hint="Mend the file and add it again.",
                code="broken_rows",
            )
        if best in REFUSED:
            what, hint = REFUSED[best]
            line = self.first_lines[best][0]
            raise DatasetError(f"{name} cannot be used: {what} (first on line {line}).", hint=hint, code=f"{best}_rows")
        return best

    def _why(self) -> str:
        return self.first_error.message if self.first_error else ""

    def _disagreement(self, name: str, total: int) -> DatasetError:
        ranked = sorted(self.counts, key=lambda shape: -self.counts[shape])
        parts = []
        for place, shape in enumerate(ranked):
            lines = ", ".join(map(str, self.first_lines[shape]))
            where = f" (first on line {lines})" if place else ""
            parts.append(f"{self.counts[shape]} {NAMES.get(shape, shape)}{where}")
        why = f" Row {self.first_lines[UNREADABLE][0]}: {self._why()}" if UNREADABLE in self.counts else ""
        return DatasetError(
            f"{name}: less than 95 % of its {total} rows are of one format: {'; '.join(parts)}.{why}",
            hint="Mend or remove the odd rows, or split the file by format.",
            code="broken_rows" if UNREADABLE in ranked[:2] else "mixed_formats",
        )
