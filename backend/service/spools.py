"""The spool folders of trainers that ended: read once more after a repair, removed when nothing needs them any more."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from backend.contract.errors import EverstepError
from backend.service import trainer_events
from backend.service.core import Core
from backend.store import durable
from backend.supervisor import adoption, attempts, outcome
from backend.supervisor.attempts import Attempt
from backend.supervisor.spool_reader import SpoolReader, is_read_to_its_end, read_exit

log = logging.getLogger(__name__)

KEPT_SPOOLS = 20
"""Of trainers that ended, for whoever wants to know what they said last."""


async def know_again(core: Core) -> set[str]:
    """Spool folders the database knows nothing of, because it was lost: their attempts are written down again.
    Returns the names of those."""
    known = {attempt.attempt_id for attempt in await core.read(attempts.every)}
    found = set()
    for spool in await core.with_files(_spools, core):
        if spool.name in known:
            continue
        lives = adoption.lock_is_held(spool) or adoption.find_living(spool, None) is not None
        end = None if lives else outcome.judge(code=None, signal_number=None, record=read_exit(spool)).as_text()
        started_at = spool.stat().st_ctime
        if await core.run(partial(attempts.restore, attempt_id=spool.name, started_at=started_at, outcome=end)):
            found.add(spool.name)
    return found


def _spools(core: Core) -> list[Path]:
    folders = core.workspace.spool.iterdir()
    return sorted(path for path in folders if path.is_dir() and attempts.number_of(path.name) is not None)


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
