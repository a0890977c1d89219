"""The first pass over a file: judge its format over all rows and pick those to hold out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from backend.checker.holdout import Candidate, HeldOutIndex, Picker, num_held_out
from backend.checker.problems import ProblemLog, RowError
from backend.checker.reading import Record, records
from backend.checker.rows import canonical_bytes, canonical_row, row_sha256
from backend.checker.shapes import REFUSED, UNREADABLE, ShapeCount, shape_of
from backend.checker.source import Source
from backend.contract.datasets import CheckRequest, ValidationPlan

OnProgress = Callable[[int, int, int], None]
"""Called with bytes done, bytes in all and rows seen."""

_PROGRESS_SECONDS = 0.2
_CANONICAL_BYTES_PER_TOKEN = 64


@dataclass(frozen=True)
class Scan:
    """What the first pass found."""

    format: str
    num_rows: int
    picked: list[Candidate]


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
    """Read all rows once. Raises DatasetError when the file is of no usable format."""
    plan = request.validation
    picker = Picker(plan.max_rows if plan.mode in ("pick", "exclude") else 0)
    count = ShapeCount()
    num_usable: dict[str, int] = {}
    for record in progressing(source, request.max_length, on_progress):
        shape = UNREADABLE if record.problem else shape_of(record.value)
        count.add(record.line, shape, record.problem)
        if record.problem:
            problems.drop(record.line, record.problem)
        if shape == UNREADABLE or shape in REFUSED:
            continue
        candidate = _candidate(record, shape)
        if candidate is None:
            continue
        num_usable[shape] = num_usable.get(shape, 0) + 1
        small = len(candidate.canonical) <= _CANONICAL_BYTES_PER_TOKEN * request.max_length
        if small and not protected.repeats(msgspec.json.decode(candidate.canonical), candidate.sha256):
            picker.offer(candidate)
    judged = count.judge(source.name)
    wanted = num_held_out(plan, num_usable.get(judged, 0))
    return Scan(judged, count.total, picker.lowest(wanted) if wanted else [])


def _candidate(record: Record, shape: str) -> Candidate | None:
    try:
        canonical = canonical_bytes(canonical_row(record.value, shape))
    except RowError:
        return None
    return Candidate(record.line, row_sha256(canonical), canonical)
