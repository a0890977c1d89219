"""A service whose workspace was moved away or replaced has no business any more: it says so and ends."""

from __future__ import annotations

import asyncio
import logging
import sys

from backend.contract.errors import WorkspaceMovedError
from backend.service.core import Core

log = logging.getLogger(__name__)

MOVED = 3
"""Exit code: the guardian does not start it again."""
_LOOK_SECONDS = 0.5


async def watch(core: Core) -> None:
    """Until the path of the workspace leads elsewhere; then the service ends, and its trainer by itself."""
    while core.home.is_here():
        await asyncio.sleep(_LOOK_SECONDS)
    say(core)
    core.end(MOVED, stops_trainer=False)
    await asyncio.Event().wait()


def say(core: Core) -> None:
    """The last word, for whoever watches; the log has moved along."""
    try:
        core.home.require_here()
    except WorkspaceMovedError as problem:
        log.error("%s The service ends.", problem)
        sys.stderr.write(f"{problem} The service ends.\n")
        sys.stderr.flush()
