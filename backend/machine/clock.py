"""Waiting with a limit, on the event loop."""

from __future__ import annotations

import asyncio


async def until_set(event: asyncio.Event, seconds: float) -> bool:
    """Wait until `event` is set, at most so long; True when it was.

    Not asyncio.wait_for: on Python 3.11 it swallows a cancellation that arrives in the same turn of the loop as
    the event, and whoever cancelled waits for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
