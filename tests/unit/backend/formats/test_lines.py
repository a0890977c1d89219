"""Tailing a file that grows: each whole line once, never half of one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from backend.formats.lines import LineTail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def append(path: Path, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)


def test_tail_of_a_missing_file_is_empty_until_it_appears(path: Path) -> None:
    tail = LineTail(path)
    assert tail.read() == []
    append(path, b"one\n")
    assert tail.read() == [b"one"]


def test_tail_holds_back_a_line_without_newline(path: Path) -> None:
    tail = LineTail(path)
    append(path, b"one\ntw")
    assert tail.read() == [b"one"]
    assert tail.read() == []
    append(path, b"o\n\nthree\n")
    assert tail.read() == [b"two", b"", b"three"]
    assert tail.read() == []


def test_tail_splits_at_newlines_only(path: Path) -> None:
    line = "a\u2028b\u0085c\x0bd\r".encode()
    append(path, line + b"\n")
    assert LineTail(path).read() == [line]


def test_tail_goes_on_from_a_stored_offset(path: Path) -> None:
    append(path, b"one\ntwo\nthree\n")
    first = LineTail(path)
    first.read(max_bytes=5)
    assert LineTail(path, first.offset).read() == [b"two", b"three"]


@pytest.mark.parametrize("max_bytes", [1, 2, 7, 100])
def test_tail_gives_every_line_once_whatever_the_window(path: Path, max_bytes: int) -> None:
    lines = [b"x" * length for length in (0, 1, 50, 3, 200, 0, 7)]
    append(path, b"".join(line + b"\n" for line in lines) + b"half")
    tail = LineTail(path)
    found: list[bytes] = []
    while got := tail.read(max_bytes):
        found += got
    assert found == lines


def test_tail_follows_a_writer_that_writes_in_pieces(path: Path) -> None:
    chance = random.Random(4)
    content = b"".join(b"%d:" % number + b"y" * chance.randint(0, 90) + b"\n" for number in range(300))
    tail = LineTail(path)
    found: list[bytes] = []
    place = 0
    while place < len(content):
        size = chance.randint(1, 200)
        append(path, content[place : place + size])
        place += size
        found += tail.read(64)
    while got := tail.read(64):
        found += got
    assert found == content.split(b"\n")[:-1]
