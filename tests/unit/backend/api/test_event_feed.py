"""The event stream: replay, reset, heartbeat, slow clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from backend.api import event_feed
from backend.api.event_feed import EventFeed
from backend.contract.events import Notice, ServiceEvent, StepDone
from backend.contract.status import Activity, RunState, StatusView


def notice(number: int) -> Notice:
    return Notice(at=float(number), level="info", title=f"n{number}", message="")


def step(number: int) -> StepDone:
    return StepDone(at=0, job_id=1, global_step=number, loss=1, learning_rate=1, grad_norm=1, tokens_per_second=1)


class Log:
    """The stored events 1..newest, of which those after `oldest` are kept."""

    def __init__(self, newest: int, *, oldest: int = 0) -> None:
        self.newest, self.oldest = newest, oldest

    async def replay(self, after: int, limit: int) -> list[tuple[int, ServiceEvent]]:
        first = max(after, self.oldest) + 1
        return [(number, notice(number)) for number in range(first, self.newest + 1)][:limit]

    async def snapshot(self) -> tuple[int, StatusView]:
        view = StatusView(workspace="w", activity=Activity.IDLE, run_state=RunState.RUNNING)
        return self.newest, view


def make_feed(log: Log, heartbeat: float = 10.0) -> EventFeed:
    return EventFeed(epoch="e1", replay=log.replay, snapshot=log.snapshot, heartbeat=heartbeat)


async def take(stream: AsyncIterator[bytes], count: int) -> list[dict[str, Any]]:
    """The next frames, decoded."""
    frames = []
    async with asyncio.timeout(5):
        while len(frames) < count:
            frames.append(decode(await anext(stream)))
    return frames


def decode(frame: bytes) -> dict[str, Any]:
    assert frame.endswith(b"\n\n")
    fields: dict[str, Any] = {}
    for line in frame.decode().strip().split("\n"):
        name, _, value = line.partition(":")
        fields[name or "comment"] = value.strip()
    if "data" in fields:
        fields["data"] = json.loads(fields["data"])
    return fields


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_stream_begins_with_the_status_and_the_id_it_is_true_at() -> None:
    async def work() -> None:
        (first,) = await take(make_feed(Log(7)).stream(None), 1)
        assert (first["id"], first["event"]) == ("e1-7", "status_changed")
        assert first["data"]["kind"] == "status_changed"

    run(work())


def test_stream_replays_what_was_missed_when_a_client_comes_back() -> None:
    async def work() -> None:
        frames = await take(make_feed(Log(1205)).stream("e1-3"), 1203)
        assert [frame["id"] for frame in frames[:-1]] == [f"e1-{number}" for number in range(4, 1206)]
        assert frames[-1]["event"] == "status_changed"
        assert "id" not in frames[-1], "the last id already stands"

    run(work())


@pytest.mark.parametrize(
    "last_id",
    ["e0-3", "e1-99", "e1-x", "e1-", "-3", "nonsense", "e1--3", "e1-²"],
)
def test_stream_says_reset_when_the_id_is_not_of_this_log(last_id: str) -> None:
    async def work() -> None:
        first, second = await take(make_feed(Log(7)).stream(last_id), 2)
        assert first["event"] == "reset"
        assert second["id"] == "e1-7"

    run(work())


def test_stream_says_reset_when_the_log_does_not_reach_back() -> None:
    async def work() -> None:
        (first,) = await take(make_feed(Log(7, oldest=4)).stream("e1-3"), 1)
        assert first["event"] == "reset"

    run(work())


def test_stream_goes_on_with_what_happens_and_tells_nothing_twice() -> None:
    async def work() -> None:
        log = Log(2)
        feed = make_feed(log)
        stream = feed.stream(None)
        await take(stream, 1)
        feed.publish(2, notice(2))  # was on its way while the snapshot was taken
        feed.publish(3, notice(3))
        feed.publish_gauge(step(5))
        feed.publish_gauge(step(6))
        frames = await take(stream, 2)
        assert frames[0]["id"] == "e1-3"
        assert frames[1]["data"]["global_step"] == 6, "only the newest value of a gauge counts"
        assert "id" not in frames[1]

    run(work())


def test_stream_sends_a_heartbeat_when_nothing_happens() -> None:
    async def work() -> None:
        stream = make_feed(Log(1), heartbeat=0.01).stream(None)
        frames = await take(stream, 3)
        assert [set(frame) for frame in frames[1:]] == [{"comment"}, {"comment"}]

    run(work())


def test_stream_ends_when_a_client_is_too_slow_and_no_other_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "_MAX_WAITING", 10)

    async def work() -> None:
        feed = make_feed(Log(0))
        slow, quick = feed.stream(None), feed.stream(None)
        await take(slow, 1)
        await take(quick, 1)
        for number in range(1, 13):
            feed.publish(number, notice(number))
            assert (await take(quick, 1))[0]["id"] == f"e1-{number}"
        with pytest.raises(StopAsyncIteration):
            await take(slow, 1)
        assert feed.num_listeners == 1

    run(work())


def test_streams_end_when_the_feed_is_closed() -> None:
    async def work() -> None:
        feed = make_feed(Log(0))
        stream = feed.stream(None)
        await take(stream, 1)
        feed.close()
        with pytest.raises(StopAsyncIteration):
            await take(stream, 1)
        assert feed.num_listeners == 0

    run(work())


def test_nothing_is_made_ready_when_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = make_feed(Log(3))

    def refuse(*_arguments: Any) -> bytes:
        raise AssertionError("encoded for nobody")

    monkeypatch.setattr(feed, "_frame", refuse)
    feed.publish(4, notice(4))
    feed.publish_gauge(step(1))
