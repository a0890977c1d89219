"""The spool folders of trainers that ended: read once more after a repair, removed when nothing needs them any more."""

from __future__ import annotations

import logging
from functools import partial

from backend.contract.errors import EverstepError
from backend.service import trainer_events
from backend.service.core import Core
from backend.store import durable
from backend.supervisor import adoption, attempts
from backend.supervisor.attempts import Attempt
from backend.supervisor.spool_reader import SpoolReader, is_read_to_its_end

log = logging.getLogger(__name__)

KEPT_SPOOLS = 20
"""Of trainers that ended, for whoever wants to know what they said last."""


async def refill_history(core: Core) -> None:
    """A rebuilt database knows no steps and not how far the spools were read: all of it stands in them still."""
    ended = {attempt.attempt_seq for attempt in await core.read(attempts.ended)}
    for attempt in await core.read(attempts.every):
        reader = SpoolReader(attempt.spool(core.workspace))
        while events := reader.read():
            await core.run(partial(trainer_events.apply_history, attempt_seq=attempt.attempt_seq, events=events))
        if attempt.attempt_seq in ended:
            note = partial(attempts.note_read, last_n=reader.last_n, events_offset=reader.offset)
            await core.run(partial(note, attempt_seq=attempt.attempt_seq))
    log.warning("Steps, evaluations and samples were read again from the spools.")


async def prune(core: Core) -> None:
    """Remove the folders of all but the newest trainers that ended, once everything they said is in the database."""
    try:
        ended = await core.read(attempts.ended)
        await core.with_files(_remove, core, ended[KEPT_SPOOLS:])
    except (EverstepError, OSError) as problem:
        log.error("Old spool folders could not be removed: %s", problem)


def _remove(core: Core, old: list[Attempt]) -> None:
    durable.remove_stale(core.workspace.spool)  # a removal that a crash cut short
    for attempt in old:
        spool = attempt.spool(core.workspace)
        if spool.exists() and not _is_needed(core, attempt):
            durable.remove_tree(spool)


def _is_needed(core: Core, attempt: Attempt) -> bool:
    """Somebody lives in it, or it holds events that were not read."""
    spool = attempt.spool(core.workspace)
    lives = adoption.lock_is_held(spool) or adoption.find_living(spool, attempt.identity) is not None
    return lives or not is_read_to_its_end(spool, attempt.events_offset)
