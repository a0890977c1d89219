"""Answers of the model to its fixed prompts, the newest and the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from backend.contract.spool import Sampled
from backend.contract.status import SampleRow

_KEPT = 50


class SampleStore(QObject):
    """By prompt, oldest first, at most so many each."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._by_prompt: dict[str, deque[SampleRow]] = {}
        self._prompt = ""

    def load(self, rows: Iterable[SampleRow]) -> None:
        """Take all samples anew, in order of step."""
        self._by_prompt.clear()
        for row in rows:
            self._add(row)
        self._choose_first()
        self.changed.emit()

    def add(self, sampled: Sampled) -> None:
        """Take the samples of one step."""
        for sample in sampled.samples:
            self._add(
                SampleRow(
                    step=sampled.global_step,
                    job_id=sampled.job_id,
                    prompt=sample.prompt,
                    text=sample.text,
                    has_think_tag=sample.has_think_tag,
                    at=sampled.at,
                )
            )
        self._choose_first()
        self.changed.emit()

    @property
    def prompts(self) -> list[str]:
        """Prompts that were answered, in the order they came first."""
        return list(self._by_prompt)

    @property
    def prompt(self) -> str:
        """The prompt whose answers are shown."""
        return self._prompt

    def choose(self, prompt: str) -> None:
        """Show the answers to this prompt."""
        if prompt in self._by_prompt and prompt != self._prompt:
            self._prompt = prompt
            self.changed.emit()

    @property
    def latest(self) -> SampleRow | None:
        """The newest answer to the prompt shown."""
        return self._from_end(1)

    @property
    def previous(self) -> SampleRow | None:
        """The answer to the same prompt before the newest."""
        return self._from_end(2)

    def _from_end(self, number: int) -> SampleRow | None:
        rows = self._by_prompt.get(self._prompt, ())
        return rows[-number] if len(rows) >= number else None

    def _add(self, row: SampleRow) -> None:
        rows = self._by_prompt.setdefault(row.prompt, deque(maxlen=_KEPT))
        if rows and rows[-1].step == row.step:
            rows.pop()  # trained again, or told again after a reconnect
        rows.append(row)

    def _choose_first(self) -> None:
        if self._prompt not in self._by_prompt:
            self._prompt = next(iter(self._by_prompt), "")
