"""One row of JSON text to one value, refusing what JSON readers usually let through.

Deep nesting is refused before parsing (it ends in a stack overflow), duplicate keys (the last would win
silently), NaN and infinities, lone surrogates and NUL characters (they break tokenizers and databases later).
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from backend.checker.problems import RowError

MAX_ROW_BYTES = 16 * 2**20
MAX_DEPTH = 64
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_SUSPICIOUS = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")


def parse_row(data: bytes) -> Any:
    """The value of one row; raises RowError with a sentence that fits after the line number."""
    if len(data) > MAX_ROW_BYTES:
        raise RowError("line_too_long", f"The row is {len(data) >> 20} MB long; the limit is {MAX_ROW_BYTES >> 20} MB.")
    if depth_of(data) > MAX_DEPTH:
        raise RowError("too_deep", f"The row is nested more than {MAX_DEPTH} levels deep.")
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        raise RowError(
            "wrong_encoding", f"Byte {problem.start + 1} of the row is not UTF-8. Save the file as UTF-8."
        ) from None
    if "\0" in text:
        raise RowError("bad_unicode", "The row holds a NUL character.")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as problem:
        raise RowError("broken_json", _explain(problem)) from None
    except ValueError as problem:  # an integer with thousands of digits
        raise RowError("broken_json", f"A number cannot be read: {problem}.") from None
    if _SUSPICIOUS.search(data):
        _refuse_bad_text(value)
    return value


def depth_of(data: bytes) -> int:
    """How deep brackets are nested outside strings; never less, and nothing is counted beyond the limit."""
    bound = data.count(b"{") + data.count(b"[")
    if bound <= MAX_DEPTH:
        return bound
    depth = deepest = 0
    for match in _STRING_OR_BRACKET.finditer(data):
        first = match[0][:1]
        if first in b"{[":
            depth += 1
            deepest = max(deepest, depth)
            if depth > MAX_DEPTH:
                break
        elif first in b"}]":
            depth -= 1
    return deepest


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RowError("duplicate_key", f"The key {shown(twice)} stands twice in one object; remove one of them.")
    return found


def _constant(name: str) -> Any:
    raise RowError("not_finite", f"{name} is not a JSON value; use null or a number.")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise RowError("not_finite", f"The number {text[:20]} is too large.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)


def _refuse_bad_text(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise RowError("bad_unicode", "The row holds a NUL character.")
        try:
            value.encode()
        except UnicodeEncodeError as problem:
            code = ord(value[problem.start])
            raise RowError("bad_unicode", f"The row holds half a character (\\u{code:04x}) without its pair.") from None
    elif isinstance(value, dict):
        for name, item in value.items():
            _refuse_bad_text(name)
            _refuse_bad_text(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_bad_text(item)


def _explain(problem: json.JSONDecodeError) -> str:
    place = f"at column {problem.pos + 1}"
    rest = problem.doc[problem.pos : problem.pos + 1]
    before = problem.doc[: problem.pos].rstrip()[-1:]
    if problem.msg.startswith("Extra data"):
        return f"Not valid JSON: there is more text after the end of the object {place}."
    if problem.msg.startswith("Unterminated string"):
        return f"Not valid JSON: the text that begins {place} has no closing quotation mark."
    if problem.msg.startswith("Invalid control character"):
        return f"Not valid JSON: a line break or control character stands inside a text {place}; write it as \\n."
    if rest == "'":
        return f"Not valid JSON: single quotation marks {place}; JSON takes double ones."
    if rest in ("“", "”"):
        return f"Not valid JSON: curly quotation marks {place}; JSON takes straight ones."
    if rest in ("}", "]") and before == ",":
        return f"Not valid JSON: a comma before the closing bracket {place}; remove it."
    if not rest:
        return "Not valid JSON: the row ends too early."
    return f"Not valid JSON: {problem.msg[0].lower()}{problem.msg[1:]} {place}."


def shown(name: str) -> str:
    """A name out of a file, safe and short enough for a sentence."""
    return json.dumps(name if len(name) <= 40 else name[:37] + "...", ensure_ascii=True)
