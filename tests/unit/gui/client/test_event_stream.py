"""Events come in order and once, whatever happens to the connection, and never all in one turn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QCoreApplication

from backend.contract.events import JobRemoved, Notice, Reset
from gui.client import event_stream
from gui.client.event_stream import EventStream
from gui.client.sse import SseParser
from tests.unit.gui.client.conftest import Heard, turn, wait_until
from tests.unit.gui.client.raw_service import RawService, answer, drop, hold, say, stream

SIGNALS = ("opened", "lost", "reset_received", "event_received")


def wire(event: Any, event_id: str = "") -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return head.encode() + b"event: x\ndata: " + msgspec.json.encode(event) + b"\n\n"


def removed(job_id: int) -> JobRemoved:
    return JobRemoved(at=1.0, job_id=job_id)


@pytest.fixture
def events(raw: RawService, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventStream]:
    monkeypatch.setattr(event_stream, "PAUSES_SECONDS", (0.02, 0.05))
    found = EventStream(raw.endpoint, silent_seconds=0.4)
    yield found
    found.close()


def test_events_come_in_order_after_the_stream_is_open(raw: RawService, events: EventStream) -> None:
    raw.paths["/v1/events"] = stream(wire(removed(1), "e-1"), b": still here\n\n", wire(removed(2), "e-2"))
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: len(heard.said) == 3)
    assert heard.said == [("opened",), ("event_received", removed(1)), ("event_received", removed(2))]
    assert events.is_open
    assert events.last_event_id == "e-2"
    assert raw.asked[0].headers["accept"] == "text/event-stream"
    assert "last-event-id" not in raw.asked[0].headers


def test_events_are_whole_when_they_come_in_half_lines(raw: RawService, events: EventStream) -> None:
    whole = b"".join(wire(Notice(at=1.0, level="info", title="ä", message="x"), f"e-{n}") for n in range(3))
    raw.paths["/v1/events"] = stream(*(whole[at : at + 7] for at in range(0, len(whole), 7)), pause_seconds=0.002)
    heard = Heard(events, "event_received")
    events.open()
    wait_until(lambda: len(heard.said) == 3)
    assert heard.values("event_received") == [Notice(at=1.0, level="info", title="ä", message="x")] * 3


def test_stream_is_taken_up_where_it_broke_off(raw: RawService, events: EventStream) -> None:
    broken = stream(wire(removed(1), "e-1"), b"id: e-2\ndata: {", then_hold=False)
    raw.paths["/v1/events"] = [broken, drop, stream(wire(removed(2), "e-2"))]
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: len(heard.values("event_received")) == 2)
    assert heard.names() == ["opened", "event_received", "lost", "opened", "event_received"]
    assert [asked.headers.get("last-event-id") for asked in raw.asked] == [None, "e-1", "e-1"]


def test_everything_is_to_be_fetched_anew_when_the_service_says_reset(raw: RawService, events: EventStream) -> None:
    again = (wire(Reset(at=1.0, reason="unknown id")), wire(removed(7), "f-3"))
    raw.paths["/v1/events"] = [stream(wire(removed(1), "e-1"), then_hold=False), stream(*again)]
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: len(heard.values("event_received")) == 2)
    assert heard.names()[-3:] == ["opened", "reset_received", "event_received"]
    assert heard.names().count("reset_received") == 1
    assert events.last_event_id == "f-3"


def test_everything_is_to_be_fetched_anew_when_the_database_is_another_one(
    raw: RawService, events: EventStream
) -> None:
    raw.paths["/v1/events"] = stream(wire(removed(1), "e-1"), wire(removed(2), "f-2"), wire(removed(3), "f-3"))
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: len(heard.values("event_received")) == 3)
    assert heard.names() == ["opened", "event_received", "reset_received", "event_received", "event_received"]


def test_events_of_a_newer_service_are_passed_over(raw: RawService, events: EventStream) -> None:
    news = b'id: e-1\ndata: {"kind": "telepathy", "at": 1}\n\nid: e-2\ndata: not json \xff\n\n'
    raw.paths["/v1/events"] = stream(news, wire(removed(3), "e-3"))
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: heard.values("event_received"))
    assert heard.said == [("opened",), ("event_received", removed(3))]


def test_everything_is_to_be_fetched_anew_when_an_event_is_too_large(
    raw: RawService, events: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "SseParser", lambda: SseParser(1000))
    raw.paths["/v1/events"] = stream(b"id: e-1\ndata: ", b"x" * 5000, b"\n\n", wire(removed(2), "e-2"))
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: heard.values("event_received"))
    assert heard.names() == ["opened", "reset_received", "event_received"]


def test_stream_is_lost_when_nothing_is_heard_for_long(raw: RawService, events: EventStream) -> None:
    raw.paths["/v1/events"] = stream(wire(removed(1), "e-1"))
    heard = Heard(events, *SIGNALS)
    started = time.monotonic()
    events.open()
    wait_until(lambda: "lost" in heard.names())
    assert 0.3 < time.monotonic() - started < 3
    wait_until(lambda: heard.names().count("opened") == 2)


def test_stream_stays_when_only_heartbeats_are_heard(raw: RawService, events: EventStream) -> None:
    raw.paths["/v1/events"] = stream(*[b": still here\n\n"] * 8, pause_seconds=0.1)
    heard = Heard(events, *SIGNALS)
    events.open()
    turn(0.75)
    assert heard.names() == ["opened"]


@pytest.mark.parametrize("other", [answer(b"{}"), answer(b"{}", 404), answer(b"x", 500), say(b"garbage\r\n\r\n"), drop])
def test_stream_does_not_open_when_the_answer_is_no_stream(raw: RawService, events: EventStream, other: Any) -> None:
    raw.paths["/v1/events"] = [other, other, stream(wire(removed(1), "e-1"))]
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: heard.values("event_received"))
    assert heard.names() == ["opened", "event_received"]


def test_service_that_never_answers_is_asked_again(raw: RawService, events: EventStream) -> None:
    raw.paths["/v1/events"] = [hold, stream(wire(removed(1), "e-1"))]
    heard = Heard(events, *SIGNALS)
    events.open()
    wait_until(lambda: heard.values("event_received"))
    assert heard.names() == ["opened", "event_received"]


def test_pauses_grow_while_nobody_is_there(tmp_path: Path) -> None:
    asked: list[float] = []

    def nobody() -> None:
        asked.append(time.monotonic())

    events = EventStream(nobody)
    events.open()
    wait_until(lambda: len(asked) == 4)
    events.close()
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses[0] < 0.2
    assert pauses[2] > 0.35
    num_asked = len(asked)
    events.open()
    assert len(asked) == num_asked + 1, "a service that is said to be there is not waited for"
    events.close()


def test_nothing_is_said_after_the_stream_was_closed_even_from_within_a_slot(
    raw: RawService, events: EventStream
) -> None:
    raw.paths["/v1/events"] = stream(*(wire(removed(number), f"e-{number}") for number in range(50)))
    heard = Heard(events, *SIGNALS)
    events.event_received.connect(lambda event: events.close() if event.job_id == 3 else None)
    events.open()
    wait_until(lambda: len(heard.values("event_received")) == 4)
    turn(0.3)
    assert heard.names() == ["opened"] + ["event_received"] * 4
    assert not events.is_open


def test_flood_is_delivered_in_many_short_turns_when_each_event_is_work(raw: RawService, events: EventStream) -> None:
    number = 2000
    flood = b"".join(wire(removed(at), f"e-{at}") for at in range(number))
    raw.paths["/v1/events"] = stream(flood)
    seen: list[Any] = []

    def work(event: Any) -> None:
        seen.append(event)
        end = time.thread_time() + 0.0005
        while time.thread_time() < end:
            pass

    events.event_received.connect(work)
    events.open()
    longest, num_turns = 0.0, 0
    while len(seen) < number:
        started = time.thread_time()  # what other programs take in between is not ours
        QCoreApplication.processEvents()
        longest, num_turns = max(longest, time.thread_time() - started), num_turns + 1
    assert [event.job_id for event in seen] == list(range(number))
    assert num_turns > 50
    assert longest < 0.1, f"a turn of {longest:.3f} s; all of it takes a second"
