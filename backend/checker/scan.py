"""The first pass over a file: judge its format over all rows and pick those to hold out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from backend.checker.holdout import Candidate, HeldOutIndex, Picker, num_held_out
from backend.checker.problems import ProblemLog, RowError
from backend.checker.reading import records
from backend.checker.records import Record
from backend.checker.rows import canonical_bytes, canonical_row, row_sha256
from backend.checker.shapes import REFUSED, UNREADABLE, ShapeCount, shape_of
from backend.checker.source import Source
from backend.contract.datasets import CheckRequest, ValidationPlan

OnProgress = Callable[[int, int, int], None]
"""Called with bytes done, bytes in all and rows seen."""

_PROGRESS_SECONDS = 0.2
_CANONICAL_BYTES_PER_TOKEN = 64


class Scan:
    """What the first pass saw."""

    def __init__(self, plan: ValidationPlan) -> None:
        self.shapes = ShapeCount()
        self._plan = plan
        self._picker = Picker(plan.max_rows if plan.mode in ("pick", "exclude") else 0)
        self._num_usable: dict[str, int] = {}

    def count_usable(self, shape: str) -> None:
        """One more row that has a canonical form."""
        self._num_usable[shape] = self._num_usable.get(shape, 0) + 1

    def offer(self, candidate: Candidate) -> None:
        """A row that may be held out."""
        self._picker.offer(candidate)

    def picked(self, shape: str) -> list[Candidate]:
        """The rows to hold out of a file of this format."""
        wanted = num_held_out(self._plan, self._num_usable.get(shape, 0))
        return self._picker.lowest(wanted) if wanted else []


def progressing(source: Source, max_length: int, on_progress: OnProgress) -> Iterator[Record]:
    """Rows of a file, telling now and then how far it is read."""
    num_bytes = num_rows = 0
    told_at = time.monotonic()

    def read(count: int) -> None:
        nonlocal num_bytes
        num_bytes += count

    for record in records(source, max_length=max_length, read=read):
        num_rows += 1
        now = time.monotonic()
        if now - told_at >= _PROGRESS_SECONDS:
            told_at = now
            on_progress(num_bytes, source.size_bytes, num_rows)
        yield record
    on_progress(source.size_bytes, source.size_bytes, num_rows)


def protected_rows(plan: ValidationPlan) -> HeldOutIndex:
    """The frozen validation set, which no row of this file may repeat; empty when there is none."""
    index = HeldOutIndex()
    if plan.mode == "exclude" and plan.rows_path:
        for line in Path(plan.rows_path).read_bytes().split(b"\n"):
            if line:
                index.add(msgspec.json.decode(line), row_sha256(line))
    return index


def scan(
    source: Source, request: CheckRequest, protected: HeldOutIndex, problems: ProblemLog, on_progress: OnProgress
) -> Scan:
    """Read all rows once."""
    found = Scan(request.validation)
    largest = _CANONICAL_BYTES_PER_TOKEN * request.max_length
    for record in progressing(source, request.max_length, on_progress):
        shape = UNREADABLE if record.problem else shape_of(record.value)
        found.shapes.add(record.line, shape, record.problem)
        if record.problem:
            problems.drop(record.line, record.problem)
        if shape == UNREADABLE or shape in REFUSED:
            continue
        try:
            row = canonical_row(record.value, shape)
        except RowError:
            continue  # the second pass reports it
        found.count_usable(shape)
        canonical = canonical_bytes(row)
        sha256 = row_sha256(canonical)
        if len(canonical) <= largest and not protected.repeats(row, sha256):
            found.offer(Candidate(record.line, sha256, canonical))
    return found
