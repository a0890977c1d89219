"""A file as a stream of records: (line, value) or (line, what is wrong with it). Holds one row at a time.

JSONL is split at line ends only (never at the line separators Unicode knows, which may stand inside strings), JSON
arrays and pretty-printed objects by a scanner that counts brackets, CSV by the standard library, plain text
into paragraphs.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from backend.checker.json_rows import MAX_ROW_BYTES, parse_row
from backend.checker.problems import RowError
from backend.checker.source import Source
from backend.contract.errors import DatasetError

_SNIFF_BYTES = 1 << 20
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\[\]{},]', re.DOTALL)
_PARAGRAPH_END = re.compile(rb"\n[ \t\r]*\n")
_CHARS_PER_TOKEN = 3

OnRead = Callable[[int], None]


class Record(NamedTuple):
    """One row of a file."""

    line: int
    """1-based line, or element of an array."""
    value: Any
    problem: RowError | None = None


def records(source: Source, *, max_length: int, read: OnRead = lambda num_bytes: None) -> Iterator[Record]:
    """Every row of the file in order; broken ones carry a problem. Raises DatasetError for what holds no rows."""
    match layout_of(source):
        case "csv":
            return _csv_rows(source, read)
        case "text":
            return _paragraph_rows(source, max_length * _CHARS_PER_TOKEN, read)
        case "array":
            return _element_rows(source, read, in_array=True)
        case "objects":
            return _element_rows(source, read, in_array=False)
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
    if suffix in ("csv", "tsv"):
        return "csv"
    if body[:1] in (b"{", b"["):
        layout = _json_layout(body)
        if suffix not in ("txt", "text", "md") or layout != "unclear":
            return "lines" if layout == "unclear" else layout
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
    value = _value_or_none(first)
    if body[:1] == b"[":
        rows_in_lines = isinstance(value, list) and (more or _is_conversation(value))
        return "lines" if rows_in_lines else "array"
    if value is not None:
        return "lines"
    if not more:
        return "unclear"
    for element in _Elements(in_array=False).feed(body):  # does an object that spans lines parse?
        spans_lines = b"\n" in element.data or b"\r" in element.data
        return "objects" if spans_lines and _value_or_none(element.data) is not None else "unclear"
    return "unclear" if len(first) > 2 else "objects"


def _value_or_none(data: bytes) -> Any:
    try:
        return parse_row(data)
    except RowError:
        return None


def _is_conversation(value: list[Any]) -> bool:
    return bool(value) and all(
        isinstance(turn, dict) and ({"role", "content"} <= turn.keys() or {"from", "value"} <= turn.keys())
        for turn in value
    )


# ---- JSON Lines --------------------------------------------------------------------------------------------


def _line_rows(source: Source, read: OnRead) -> Iterator[Record]:
    head = next(iter(source.chunks()), b"")
    newline = b"\r" if b"\n" not in head and b"\r" in head else b"\n"
    for line, data in _lines(source.chunks(read), newline):
        if data is None:
            yield Record(line, None, _too_long())
            continue
        stripped = data.strip(b" \t\r\n")
        if stripped:
            yield _parsed(line, stripped)


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


def _parsed(line: int, data: bytes) -> Record:
    try:
        return Record(line, parse_row(data))
    except RowError as problem:
        return Record(line, None, problem)


def _too_long() -> RowError:
    return RowError("line_too_long", f"The row is longer than {MAX_ROW_BYTES >> 20} MB.")


# ---- arrays and objects that span lines --------------------------------------------------------------------


class _Element(NamedTuple):
    data: bytes
    """Empty when it was over the cap and not kept."""
    file_line: int
    complete: bool


class _Elements:
    """Cuts JSON text into top-level objects or into the elements of one array, without parsing them."""

    def __init__(self, *, in_array: bool) -> None:
        self._in_array = in_array
        self._base = 1 if in_array else 0
        self._depth = 0
        self._buffer = b""
        self._scanned = 0
        self._start: int | None = None
        self._skipping = False
        self._file_line = 1
        self._start_line = 1
        self.closed = False
        self.trailing = False

    def feed(self, chunk: bytes) -> Iterator[_Element]:
        """Elements that are complete now."""
        self._buffer += chunk
        for match in _STRUCTURE.finditer(self._buffer, self._scanned):
            token = match[0]
            if token == b'"':  # the string goes on in the next chunk
                self._scanned = match.start()
                break
            self._scanned = match.end()
            if self.closed:
                self.trailing = True
                continue
            element = self._take(token[:1], match.start(), match.end())
            if element is not None:
                yield element
        else:
            self._scanned = len(self._buffer)
        self._forget()

    def finish(self) -> _Element | None:
        """What was begun and never ended."""
        if self._start is not None or self._skipping:
            return _Element(self._buffer[self._start or 0 :].strip(), self._start_line, complete=False)
        return None

    def _take(self, token: bytes, start: int, end: int) -> _Element | None:
        if token in b"{[":
            if self._depth == self._base and self._start is None:
                self._begin(start)
            self._depth += 1
            return None
        if token in b"}]":
            self._depth -= 1
            if self._depth < self._base and self._in_array:
                self.closed = True
                return self._end(start)
            return self._end(end) if self._depth <= self._base else None
        if self._depth != self._base:
            return None
        if token == b",":
            return self._end(start)
        if self._start is None:  # a string that is itself an element
            self._begin(start)
        return None

    def _begin(self, start: int) -> None:
        self._start = start
        self._start_line = self._file_line + self._buffer.count(b"\n", 0, start)

    def _end(self, end: int) -> _Element | None:
        skipped, self._skipping = self._skipping, False
        begin, self._start = self._start, None
        if skipped:
            return _Element(b"", self._start_line, complete=True)
        if begin is None:
            return None
        return _Element(self._buffer[begin:end].strip(), self._start_line, complete=True)

    def _forget(self) -> None:
        keep = self._scanned if self._start is None else self._start
        if self._start is not None and len(self._buffer) - self._start > MAX_ROW_BYTES:
            self._skipping, self._start, keep = True, None, self._scanned
        if len(self._buffer) - keep > 4 * MAX_ROW_BYTES:  # one endless string outside any element
            keep = len(self._buffer)
        self._file_line += self._buffer.count(b"\n", 0, keep)
        self._buffer = self._buffer[keep:]
        self._scanned = max(0, self._scanned - keep)
        if self._start is not None:
            self._start -= keep


def _element_rows(source: Source, read: OnRead, *, in_array: bool) -> Iterator[Record]:
    elements = _Elements(in_array=in_array)
    number = 0
    for chunk in source.chunks(read):
        for element in elements.feed(chunk):
            number += 1
            yield _element_record(number, element)
    last = elements.finish()
    if last is not None:
        number += 1
        yield Record(number, None, RowError("broken_json", f"The file ends inside this row (line {last.file_line})."))
    elif in_array and not elements.closed:
        yield Record(number + 1, None, RowError("broken_json", "The file ends before the closing bracket of the list."))
    elif elements.trailing:
        yield Record(number + 1, None, RowError("broken_json", "There is more text after the end of the list."))


def _element_record(number: int, element: _Element) -> Record:
    if not element.data:
        return Record(number, None, _too_long())
    record = _parsed(number, element.data)
    if record.problem is None:
        return record
    problem = record.problem
    return Record(number, None, RowError(problem.kind, f"{problem.message} (It begins on line {element.file_line}.)"))


# ---- CSV ---------------------------------------------------------------------------------------------------


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


def _csv_rows(source: Source, read: OnRead) -> Iterator[Record]:
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
        value = _value_or_none(field.encode())
        if isinstance(value, list) and _is_conversation(value):
            return value
    return field


# ---- plain text --------------------------------------------------------------------------------------------


def _paragraph_rows(source: Source, max_chars: int, read: OnRead) -> Iterator[Record]:
    """One document as rows of about `max_chars`, cut at blank lines where there are any.

    All but the last row say `"end": false`: the document goes on, so no end-of-text token follows.
    """
    held: Record | None = None
    for line, text in _packed(_paragraphs(source, max_chars, read), max_chars):
        if held is not None:
            yield held
        if "�" in text or "\0" in text:
            problem = RowError("wrong_encoding", "The text holds bytes that are not UTF-8. Save the file as UTF-8.")
            yield Record(line, None, problem)
            held = None
        else:
            held = Record(line, {"text": text, "end": False})
    if held is not None:
        yield Record(held.line, {"text": held.value["text"]})


def _paragraphs(source: Source, max_chars: int, read: OnRead) -> Iterator[tuple[int, str]]:
    """(line, text) of each paragraph with the blank lines after it; long ones in pieces."""
    line = 1
    rest = b""
    limit = 4 * max_chars
    for chunk in source.chunks(read):
        rest = (rest + chunk).replace(b"\r\n", b"\n")
        start = 0
        for match in _PARAGRAPH_END.finditer(rest):
            yield from _pieces(line, rest[start : match.end()], max_chars)
            line += rest.count(b"\n", start, match.end())
            start = match.end()
        rest = rest[start:]
        while len(rest) > 2 * limit:  # a paragraph longer than any row
            cut = max(rest.rfind(b"\n", 0, limit), rest.rfind(b" ", 0, limit)) + 1 or _character_start(rest, limit)
            yield from _pieces(line, rest[:cut], max_chars)
            line += rest.count(b"\n", 0, cut)
            rest = rest[cut:]
    yield from _pieces(line, rest, max_chars)


def _character_start(data: bytes, place: int) -> int:
    while place > 1 and data[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _pieces(line: int, data: bytes, max_chars: int) -> Iterator[tuple[int, str]]:
    text = data.decode(errors="replace")
    while len(text) > max_chars:
        cut = -1
        for mark in ("\n", ". ", " "):
            cut = text.rfind(mark, max_chars // 2, max_chars)
            if cut >= 0:
                cut += len(mark)
                break
        piece, text = text[: cut if cut > 0 else max_chars], text[cut if cut > 0 else max_chars :]
        yield line, piece
        line += piece.count("\n")
    if text:
        yield line, text


def _packed(paragraphs: Iterator[tuple[int, str]], max_chars: int) -> Iterator[tuple[int, str]]:
    first_line = 0
    held = ""
    for line, text in paragraphs:
        if held and len(held) + len(text) > max_chars:
            if held.strip():
                yield first_line, held
            held = ""
        if not held:
            first_line = line
        held += text
    if held.strip():
        yield first_line, held
