"""CSV and TSV with a first line that names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from backend.checker.json_rows import MAX_ROW_BYTES
from backend.checker.problems import RowError
from backend.checker.records import OnRead, Record, is_conversation, value_or_none
from backend.checker.source import Source
from backend.contract.errors import DatasetError


class _ChunkReader(io.RawIOBase):
    """Chunks as a readable file, for the csv module."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def csv_rows(source: Source, read: OnRead) -> Iterator[Record]:
    """Every row as an object with the header's names; raises DatasetError for an unusable header."""
    head = next(iter(source.chunks()), b"").decode(errors="replace").lstrip().split("\n", 1)[0]
    delimiter = max(",;\t|", key=head.count)
    csv.field_size_limit(MAX_ROW_BYTES)
    raw = io.BufferedReader(_ChunkReader(source.chunks(read)), buffer_size=1 << 20)
    text = io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="")
    rows = csv.reader(text, delimiter=delimiter)
    header: list[str] | None = None
    while True:
        line = rows.line_num + 1
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as problem:
            yield Record(line, None, RowError("broken_csv", f"Not valid CSV: {problem}."))
            continue
        if not any(field.strip() for field in fields):
            continue
        if header is None:
            header = [name.strip() for name in fields]
            _check_header(source.name, header)
            continue
        yield _csv_record(line, header, fields)


def _check_header(name: str, header: list[str]) -> None:
    if len(set(header)) != len(header) or not all(header):
        raise DatasetError(
            f"The first line of {name} must name its columns, each once and none empty.",
            hint="For example: instruction,input,output",
            code="csv_header",
        )


def _csv_record(line: int, header: list[str], fields: list[str]) -> Record:
    if len(fields) != len(header):
        wrong = RowError("broken_csv", f"The row has {len(fields)} fields, the first line names {len(header)}.")
        return Record(line, None, wrong)
    row = dict(zip(header, fields, strict=True))
    for name, field in row.items():
        if "\0" in field:
            return Record(line, None, RowError("bad_unicode", "The row holds a NUL character."))
        try:
            field.encode()
        except UnicodeEncodeError:
            wrong = RowError("wrong_encoding", f"Column {name} is not UTF-8. Save the file as UTF-8.")
            return Record(line, None, wrong)
    return Record(line, {name: _cell(field) for name, field in row.items()})


def _cell(field: str) -> Any:
    """A list of messages written into one cell as JSON is a list again."""
    if field.startswith("[{"):
        value = value_or_none(field.encode())
        if is_conversation(value):
            return value
    return field
