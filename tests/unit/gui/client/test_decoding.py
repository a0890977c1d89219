"""Large answers are decoded without taking the interpreter away from the window."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QCoreApplication

from backend.contract.jobs import JobState, JobView, Priority
from backend.contract.results import Done, QueueResult
from gui.client import decoding
from gui.client.decoding import BackgroundDecoder, decode_in_pieces
from tests.unit.gui.client.conftest import wait_until


def many_jobs(number: int) -> QueueResult:
    jobs = [
        JobView(
            job_id=at,
            state=JobState.QUEUED,
            file_name=f"file_{at}.jsonl",
            priority=Priority.NORMAL,
            position=at,
            dataset_id=f"{at:064x}",
            size_bytes=1,
            added_at=1.0,
        )
        for at in range(number)
    ]
    return QueueResult(jobs=jobs, num_jobs=number)


def test_pieces_give_the_same_as_one_call_when_the_answer_is_large() -> None:
    queue = many_jobs(3000)
    body = msgspec.json.encode(queue)
    assert len(body) > decoding._BATCH_BYTES
    assert decode_in_pieces(body, QueueResult) == queue


def test_pieces_give_defaults_and_pass_over_unknown_fields_when_the_service_is_newer() -> None:
    assert decode_in_pieces(b'{"jobs": [], "news": {"a": [1]}}', QueueResult) == QueueResult(jobs=[])


@pytest.mark.parametrize("body", [b'{"num_jobs": 3}', b'{"jobs": 3}', b"[]", b"{", b'{"jobs": [{"job_id": 1}]}'])
def test_pieces_refuse_what_one_call_refuses(body: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, TypeError)):
        decode_in_pieces(body, QueueResult)


def test_small_answer_is_decoded_at_once() -> None:
    said: list[Any] = []
    BackgroundDecoder().decode(b'{"done": "x"}', Done, lambda value, problem: said.append((value, problem)))
    assert said == [(Done(done="x"), None)]


@pytest.mark.parametrize("body", [b"[" * 100_000, b"\xff", b"", b"{" * (1 << 20)])
def test_garbage_is_told_as_such_whatever_its_size(body: bytes) -> None:
    decoder = BackgroundDecoder()
    said: list[Any] = []
    decoder.decode(body, Done, lambda value, problem: said.append((value, problem)))
    wait_until(lambda: said)
    assert said[0][0] is None
    assert isinstance(said[0][1], Exception)


def longest_turn(body: bytes) -> float:
    """How long the event loop was held up at most while the body was decoded."""
    decoder = BackgroundDecoder()
    said: list[Any] = []
    turns = [time.perf_counter()]
    decoder.decode(body, QueueResult, lambda value, _problem: said.append(value))
    while not said:
        QCoreApplication.processEvents()
        turns.append(time.perf_counter())
    assert len(said[0].jobs) == 60_000
    return max(after - before for before, after in pairwise(turns))


def test_window_goes_on_while_a_large_answer_is_decoded() -> None:
    body = msgspec.json.encode(many_jobs(60_000))
    tries = []
    for _ in range(10):  # once is enough: another program's turn is not ours
        started = time.perf_counter()
        msgspec.json.decode(body, type=QueueResult)
        at_once = time.perf_counter() - started
        tries.append(longest_turn(body) / at_once)
        if tries[-1] < 0.5:
            return
    pytest.fail(f"held up for {min(tries):.2f} of the time that it takes in one piece")
