"""One row of JSON: what is read and what is refused, each with its word."""

from __future__ import annotations

import time

import pytest

from backend.checker.json_rows import MAX_DEPTH, depth_of, parse_row
from backend.checker.problems import RowError


def refusal(data: bytes) -> RowError:
    with pytest.raises(RowError) as caught:
        parse_row(data)
    return caught.value


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b'{"a": 1,}', "broken_json", "comma"),
        (b"{'a': 1}", "broken_json", "single quotation"),
        ("{“a”: 1}".encode(), "broken_json", "curly"),
        (b'{"a": 1', "broken_json", "ends too early"),
        (b'{"a": "x', "broken_json", "no closing"),
        (b'{"a": "x\ty"}', "broken_json", "control character"),
        (b'{"a": 1} x', "broken_json", "more text"),
        (b'{"a": ' + b"1" * 5000 + b"}", "broken_json", "number"),
        (b'{"a": NaN}', "not_finite", "NaN"),
        (b'{"a": -Infinity}', "not_finite", "Infinity"),
        (b'{"a": 1e999}', "not_finite", "1e999"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "duplicate_key", '"c"'),
        (b'{"a": "\\ud800"}', "bad_unicode", "d800"),
        (b'{"\\udc00": 1}', "bad_unicode", "dc00"),
        (b'{"a": ["x", "\\u0000"]}', "bad_unicode", "NUL"),
        (b'{"a": "x\0y"}', "bad_unicode", "NUL"),
        (b'{"a": "\xff"}', "wrong_encoding", "Byte 8"),
    ],
)
def test_parse_row_refuses_with_the_reason(data: bytes, kind: str, words: str) -> None:
    problem = refusal(data)
    assert problem.kind == kind
    assert words in problem.message


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a": "\\\\ud800 \\\\u0000"}', {"a": "\\ud800 \\u0000"}),
        ('{"a": "one\u2028two\u0085"}'.encode(), {"a": "one\u2028two\u0085"}),
        (b'{"__class__": 1, "": 2}', {"__class__": 1, "": 2}),
        (b"[1.5, -0.0, null]", [1.5, -0.0, None]),
    ],
)
def test_parse_row_reads_what_is_allowed(data: bytes, value: object) -> None:
    assert parse_row(data) == value


def test_parse_row_takes_64_levels_and_refuses_65() -> None:
    parse_row(nested(MAX_DEPTH))
    assert refusal(nested(MAX_DEPTH + 1)).kind == "too_deep"


def test_parse_row_refuses_eight_million_levels_in_a_moment() -> None:
    begun = time.process_time()
    assert refusal(b"[" * 8_000_000).kind == "too_deep"
    assert time.process_time() - begun < 1


def test_depth_of_counts_no_brackets_inside_strings() -> None:
    assert depth_of(b'{"a": "' + b"[{" * 100 + b'\\"[["}') == 1
    assert parse_row(b'{"a": "' + b"[" * 100 + b'"}')["a"] == "[" * 100
