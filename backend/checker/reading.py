"""A file as a stream of records: (line, value) or (line, what is wrong with it). Holds one row at a time.

JSONL is split at line ends only, never at the line separators Unicode knows, which may stand inside strings. What
lies in the file is told by its content; the name only tells CSV from plain text.
"""

from __future__ import annotations

from collections.abc import Iterator

from backend.checker.documents import document_rows
from backend.checker.elements import Elements, element_rows
from backend.checker.json_rows import MAX_ROW_BYTES
from backend.checker.records import OnRead, Record, is_conversation, over_the_cap, parsed, value_or_none
from backend.checker.source import Source
from backend.checker.tables import csv_rows
from backend.contract.errors import DatasetError

_SNIFF_BYTES = 1 << 20


def records(source: Source, *, max_length: int, read: OnRead = lambda num_bytes: None) -> Iterator[Record]:
    """Every row of the file in order; broken ones carry a problem. Raises DatasetError for what holds no rows."""
    match layout_of(source):
        case "csv":
            return csv_rows(source, read)
        case "text":
            return document_rows(source, max_length, read)
        case "array":
            return element_rows(source, read, in_array=True)
        case "objects":
            return element_rows(source, read, in_array=False)
        case _:
            return _line_rows(source, read)


def layout_of(source: Source) -> str:
    """lines, array, objects, csv or text: by the first bytes; the name only tells CSV from plain text."""
    head = next(iter(source.chunks()), b"")[:_SNIFF_BYTES]
    body = head.lstrip()
    suffix = source.name.lower().rpartition(".")[2]
    if not body:
        raise DatasetError(
            f"{source.name} holds nothing but blank space.", hint="Give a file with rows.", code="empty_file"
        )
    if body[:1] in (b"{", b"["):
        layout = _json_layout(body)
        if layout != "unclear":
            return layout
        if suffix not in ("csv", "tsv", "txt", "text", "md"):
            return "lines"
    if suffix in ("csv", "tsv"):
        return "csv"
    if suffix in ("json", "jsonl", "ndjson"):
        first = body.split(b"\n", 1)[0].strip()[:40].decode(errors="replace")
        raise DatasetError(
            f"{source.name} is not JSON: its first line begins with {first!r}, not with {{ or [.",
            hint="Each line of a .jsonl file is one object in braces; plain text goes into a .txt file.",
            code="not_json",
        )
    return "text"


def _json_layout(body: bytes) -> str:
    lines = body.replace(b"\r", b"\n").split(b"\n")
    first = lines[0].strip()
    more = any(line.strip() for line in lines[1:])
    value = value_or_none(first)
    if body[:1] == b"[":
        rows_in_lines = isinstance(value, list) and (more or is_conversation(value))
        return "lines" if rows_in_lines else "array"
    if value is not None:
        return "lines"
    if not more:
        return "unclear"
    for element in Elements(in_array=False).feed(body):  # does an object that spans lines parse?
        spans_lines = b"\n" in element.data or b"\r" in element.data
        return "objects" if spans_lines and value_or_none(element.data) is not None else "unclear"
    return "unclear" if len(first) > 2 else "objects"


# ---- JSON Lines --------------------------------------------------------------------------------------------


def _line_rows(source: Source, read: OnRead) -> Iterator[Record]:
    head = next(iter(source.chunks()), b"")
    newline = b"\r" if b"\n" not in head and b"\r" in head else b"\n"
    for line, data in _lines(source.chunks(read), newline):
        if data is None:
            yield Record(line, None, over_the_cap())
            continue
        stripped = data.strip(b" \t\r\n")
        if stripped:
            yield parsed(line, stripped)


def _lines(chunks: Iterator[bytes], newline: bytes) -> Iterator[tuple[int, bytes | None]]:
    """(1-based line, its bytes, or None when it is over the cap and was not kept)."""
    line = 1
    rest = b""
    skipping = False
    for chunk in chunks:
        pieces = chunk.split(newline)
        if len(pieces) == 1 and (skipping or len(rest) + len(chunk) > MAX_ROW_BYTES):
            skipping, rest = True, b""
            continue
        if len(pieces) == 1:
            rest += chunk
            continue
        yield line, None if skipping else rest + pieces[0]
        for piece in pieces[1:-1]:
            line += 1
            yield line, piece
        line += 1
        rest, skipping = pieces[-1], False
    if rest or skipping:
        yield line, None if skipping else rest
