"""JSON that is not one row a line: the elements of one array, or objects that span lines.

A scanner counts brackets outside strings and cuts the text into elements without parsing it, so that an array of any
size is read one element at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from backend.checker.json_rows import MAX_ROW_BYTES
from backend.checker.problems import RowError
from backend.checker.records import OnRead, Record, over_the_cap, parsed
from backend.checker.source import Source

_STRING_END = re.compile(rb'(?:[^"\\]|\\.)*+"', re.DOTALL)
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\[\]{},]', re.DOTALL)


_CUT_OFF = "It was cut off: rows after it are missing. If there were more, add the whole file."


class Element(NamedTuple):
    """One element as text."""

    data: bytes
    file_line: int
    too_long: bool = False
    """It was over the cap and not kept."""


class Elements:
    """Cuts JSON text into top-level objects, or into the elements of one array, without parsing them.

    In an array an element is all that stands between two commas, so nothing can be lost between them.
    """

    def __init__(self, *, in_array: bool) -> None:
        self._in_array = in_array
        self._base = 1 if in_array else 0
        self._depth = 0
        self._buffer = b""
        self._scanned = 0
        self._start = 0
        self._too_long = False
        self._in_dropped_string = False
        self._file_line = 1
        self.closed = False
        """The array's closing bracket was seen."""

    def feed(self, chunk: bytes) -> Iterator[Element]:
        """Elements that are complete now."""
        self._buffer += chunk
        if self._in_dropped_string and not self._reach_string_end():
            return
        for match in _STRUCTURE.finditer(self._buffer, self._scanned):
            token = match[0][:1]
            if match[0] == b'"':  # the string goes on in the next chunk
                self._scanned = match.start()
                break
            self._scanned = match.end()
            if token != b'"' and not self.closed:
                yield from self._take(token, match.start(), match.end())
        else:
            self._scanned = len(self._buffer)
        self._forget()

    def rest(self) -> Element | None:
        """What stands after the last complete element, if it is more than blank space."""
        return next(self._cut(len(self._buffer), len(self._buffer)), None)

    def _take(self, token: bytes, start: int, end: int) -> Iterator[Element]:
        if token in b"{[":
            if self._depth == 0:
                yield from self._cut(start, end if self._in_array else start, blank=b" \t\r\n,")
            self._depth += 1
        elif token in b"}]":
            self._depth = max(0, self._depth - 1)
            if self._depth == 0:
                yield from self._cut(start if self._in_array else end, end)
                self.closed = self._in_array
        elif self._depth == 1 and self._in_array:
            yield from self._cut(start, end)

    def _cut(self, end: int, next_start: int, *, blank: bytes = b" \t\r\n") -> Iterator[Element]:
        """The element that ends at `end`, if there is one; the next begins at `next_start`."""
        data = self._buffer[self._start : end]
        text = data.strip(blank)
        if self._too_long or text:
            skipped = data[: len(data) - len(data.lstrip())].count(b"\n")
            line = self._file_line + self._buffer.count(b"\n", 0, self._start) + skipped
            yield Element(b"" if self._too_long else text, line, self._too_long)
        self._start, self._too_long = next_start, False

    def _forget(self) -> None:
        """Drop what is done with, and an element that has grown over the cap."""
        if len(self._buffer) - self._start > MAX_ROW_BYTES:
            self._too_long = True
            self._start = self._scanned
        if len(self._buffer) - self._start > MAX_ROW_BYTES:  # what remains is one endless string
            self._in_dropped_string = True
            self._reach_string_end(begun=self._scanned + 1)
            return
        self._drop()

    def _reach_string_end(self, begun: int = 0) -> bool:
        """Go on to the end of a string that is not kept; False while it is not in sight."""
        match = _STRING_END.match(self._buffer, begun)
        if match is None:
            backslashes = len(self._buffer) - len(self._buffer.rstrip(b"\\"))
            self._start = self._scanned = len(self._buffer) - backslashes % 2
        else:
            self._in_dropped_string = False
            self._start = self._scanned = match.end()
        self._drop()
        return match is not None

    def _drop(self) -> None:
        self._file_line += self._buffer.count(b"\n", 0, self._start)
        self._buffer = self._buffer[self._start :]
        self._scanned -= self._start
        self._start = 0


def element_rows(source: Source, read: OnRead, *, in_array: bool) -> Iterator[Record]:
    """Every element of an array, or every top-level object, numbered from 1."""
    elements = Elements(in_array=in_array)
    number = 0
    for chunk in source.chunks(read):
        for element in elements.feed(chunk):
            number += 1
            yield _record(number, element)
    rest = elements.rest()
    if in_array and rest is not None and not elements.closed:
        whole = _record(number + 1, rest)  # only the bracket may be missing
        if whole.problem is None:
            number, rest = number + 1, None
            yield whole
    if elements.closed and rest is not None:
        problem = RowError("broken_json", f"More text follows after the end of the list (line {rest.file_line}).")
        yield Record(number + 1, None, problem)
    elif rest is not None:
        what = f"The file ends inside this row, which begins on line {rest.file_line}"
        problem = RowError("cut_off", f"{what}. {_CUT_OFF}")
        yield Record(number + 1, None, problem)
    elif in_array and not elements.closed:
        what = "The file ends before the closing bracket of the list"
        yield Record(number + 1, None, RowError("cut_off", f"{what}. {_CUT_OFF}"))


def _record(number: int, element: Element) -> Record:
    if element.too_long:
        return Record(number, None, over_the_cap())
    record = parsed(number, element.data)
    if record.problem is None:
        return record
    problem = record.problem
    return Record(number, None, RowError(problem.kind, f"{problem.message} (It begins on line {element.file_line}.)"))
