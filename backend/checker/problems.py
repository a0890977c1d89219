"""What is wrong with single rows, collected for the report."""

from __future__ import annotations

from backend.contract.datasets import RowProblem

MAX_LISTED = 200


class RowError(Exception):
    """A row that cannot be used as it is. `kind` is the stable word, `message` the sentence."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class ProblemLog:
    """Counts every problem and keeps the first ones."""

    def __init__(self) -> None:
        self._kept: list[RowProblem] = []
        self.counts: dict[str, int] = {}
        self.num_dropped = 0

    @property
    def listed(self) -> list[RowProblem]:
        """The first ones in the order of the file; they may be found in another order."""
        return sorted(self._kept, key=lambda problem: problem.line)[:MAX_LISTED]

    def drop(self, line: int, error: RowError) -> None:
        """A row that is not trained on."""
        self.num_dropped += 1
        self._add(RowProblem(line=line, kind=error.kind, message=error.message))

    def exclude(self, line: int) -> None:
        """A row that is fine but repeats a held-out one; it does not count as dropped."""
        message = "The row repeats a row that is held out to measure with, so it is not trained on."
        self._add(RowProblem(line=line, kind="validation_duplicate", message=message))

    def note(self, line: int, kind: str, message: str) -> None:
        """Something to know about a row that is kept; line 0 is the whole file."""
        self._add(RowProblem(line=line, kind=kind, message=message, dropped=False))

    def sentence(self) -> str:
        """The counts in words: `3 broken_json, 1 empty_answer`."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items(), key=lambda item: -item[1]))

    def _add(self, problem: RowProblem) -> None:
        self.counts[problem.kind] = self.counts.get(problem.kind, 0) + 1
        self._kept.append(problem)
        if len(self._kept) >= 8 * MAX_LISTED:
            self._kept = self.listed
