"""Plain text: one document, cut into rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backend.checker.problems import RowError
from backend.checker.records import OnRead, Record
from backend.checker.source import Source

_PARAGRAPH_END = re.compile(rb"\n[ \t\r]*\n")
_CHARS_PER_TOKEN = 3
_BROKEN = "The text holds bytes that are not UTF-8. Save the file as UTF-8."


def document_rows(source: Source, max_length: int, read: OnRead) -> Iterator[Record]:
    """The document as rows that mostly fit `max_length` tokens, cut at blank lines where there are any.

    All but the last row say `"end": false`: the document goes on, so no end-of-text token follows.
    """
    max_chars = max_length * _CHARS_PER_TOKEN
    held: Record | None = None
    for line, text in _packed(_paragraphs(source, max_chars, read), max_chars):
        if held is not None:
            yield held
        held = (
            Record(line, {"text": text, "end": False})
            if text
            else Record(line, None, RowError("wrong_encoding", _BROKEN))
        )
    if held is not None and held.problem is None:
        held = Record(held.line, {"text": held.value["text"].rstrip()})
    if held is not None:
        yield held


def _paragraphs(source: Source, max_chars: int, read: OnRead) -> Iterator[tuple[int, str]]:
    """(line, text) of each paragraph with the blank lines after it, long ones in pieces; no text for broken bytes."""
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
    try:
        text = data.decode()
    except UnicodeDecodeError:
        yield line, ""
        return
    if "\0" in text:
        yield line, ""
        return
    while len(text) > max_chars:
        cut = _good_cut(text, max_chars)
        yield line, text[:cut]
        line += text.count("\n", 0, cut)
        text = text[cut:]
    if text:
        yield line, text


def _good_cut(text: str, max_chars: int) -> int:
    for mark in ("\n", ". ", " "):
        place = text.rfind(mark, max_chars // 2, max_chars)
        if place >= 0:
            return place + len(mark)
    return max_chars


def _packed(paragraphs: Iterator[tuple[int, str]], max_chars: int) -> Iterator[tuple[int, str]]:
    """Neighbouring paragraphs together as long as they fit."""
    first_line = 0
    held = ""
    for line, text in paragraphs:
        if held and (not text or len(held) + len(text) > max_chars):
            if held.strip():
                yield first_line, held
            held = ""
        if not text:
            yield line, ""
            continue
        if not held:
            first_line = line
        held += text
    if held.strip():
        yield first_line, held
