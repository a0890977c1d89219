"""Events come out whole, in whatever pieces the bytes come in."""

from __future__ import annotations

import pytest

from gui.client.sse import Frame, SseParser

WIRE = (
    b'id: e-1\nevent: x\ndata: {"a": 1}\n\n'
    b": still here\n\n"
    b"data: first\ndata: second\n\n"
    b"id:e-2\r\ndata:crlf\r\n\r\n"
    b"id: e-3\n\n"
    b"nonsense\nretry: 5\n\n"
    b"data: \xc3\xa4\n\n"
    b"data: unfinished"
)
FRAMES = [
    Frame("e-1", b'{"a": 1}'),
    Frame("", b"first\nsecond"),
    Frame("e-2", b"crlf"),
    Frame("e-3", b""),
    Frame("", "ä".encode()),
]


def parse(parser: SseParser, wire: bytes, piece_bytes: int) -> list[Frame]:
    pieces = [wire[at : at + piece_bytes] for at in range(0, len(wire), piece_bytes)]
    return [frame for piece in pieces for frame in parser.feed(piece)]


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 16, 1000])
def test_frames_are_the_same_when_the_pieces_are_others(piece_bytes: int) -> None:
    assert parse(SseParser(), WIRE, piece_bytes) == FRAMES


def test_frame_is_finished_when_its_rest_comes_later() -> None:
    parser = SseParser()
    assert list(parser.feed(b"data: half a l")) == []
    assert list(parser.feed(b"ine\n")) == []
    assert list(parser.feed(b"\n")) == [Frame("", b"half a line")]


@pytest.mark.parametrize("piece_bytes", [1, 5, 64, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_frame_says_that_it_was_too_large_when_it_was_and_the_next_is_whole(piece_bytes: int, end: bytes) -> None:
    parser = SseParser(max_bytes=50)
    wire = b"id: e-7" + end + b"data: " + b"x" * 500 + end * 2 + b"data: small" + end * 2
    assert parse(parser, wire, piece_bytes) in (
        [Frame("e-7", None), Frame("", b"small")],
        [Frame("", None), Frame("", b"small")],  # all of it came at once
    )


def test_memory_stays_small_when_a_line_never_ends() -> None:
    parser = SseParser(max_bytes=1000)
    for _ in range(1000):
        assert list(parser.feed(b"y" * 1000)) == []
    assert sum(len(piece) for piece in parser._line) <= 1000
