"""From verb names to what is done: every verb of the contract has exactly one entry here.

A read is a function of a transaction. A change is a coroutine that prepares what is slow, then calls `commit` once
with the work for one transaction; its encoded answer is remembered there under the call's idempotency key.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from backend.contract.errors import StorageError
from backend.contract.verbs import Verb
from backend.machine.disk import free_bytes, size_words
from backend.service.desk import Desk
from backend.service.verbs_queue import QUEUE_CHANGES, QUEUE_READS
from backend.service.verbs_records import RECORD_READS
from backend.service.verbs_setup import SETUP_CHANGES, SETUP_READS
from backend.service.verbs_training import TRAINING_CHANGES, TRAINING_READS
from backend.store import idempotency
from backend.store.database import Transaction

log = logging.getLogger(__name__)

Read = Callable[[Desk, Transaction, Any], Struct]
Commit = Callable[[Callable[[Transaction], Struct]], Awaitable[bytes]]
Change = Callable[[Desk, Any, Commit], Awaitable[bytes]]

READS: dict[str, Read] = {**QUEUE_READS, **RECORD_READS, **SETUP_READS, **TRAINING_READS}
CHANGES: dict[str, Change] = {**QUEUE_CHANGES, **SETUP_CHANGES, **TRAINING_CHANGES}


class Verbs:
    """Carries out calls."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._under_way: dict[str, asyncio.Future[bytes]] = {}

    async def call(self, verb: Verb, args: Struct, *, key: str, is_minimal: bool = False) -> bytes:
        """One call; the same key again gets the same answer, also while the first is still under way.

        With `is_minimal` a change answers b"", and what only the answer would need is not gathered.
        """
        if not verb.changes:
            read = READS[verb.name]
            return await self._desk.core.read(lambda tx: msgspec.json.encode(read(self._desk, tx, args)))
        key = f"{verb.name}:{key}"
        known = await self._desk.core.read(lambda tx: idempotency.recall(tx, key))
        if known is not None:
            return known
        if key not in self._under_way:
            change = asyncio.ensure_future(self._change(verb, args, key, is_minimal=is_minimal))
            self._under_way[key] = change
            change.add_done_callback(lambda _done: self._under_way.pop(key, None))
        return await asyncio.shield(self._under_way[key])  # a client that hangs up does not undo it half-way

    async def _change(self, verb: Verb, args: Struct, key: str, *, is_minimal: bool) -> bytes:
        desk = dataclasses.replace(self._desk, is_minimal=is_minimal)

        async def commit(work: Callable[[Transaction], Struct]) -> bytes:
            def once(tx: Transaction) -> bytes:
                known = idempotency.recall(tx, key)
                if known is not None:
                    return known
                result = work(tx)
                answer = b"" if is_minimal else msgspec.json.encode(result)
                idempotency.remember(tx, key, answer)
                return answer

            return await self._desk.core.run(once)

        try:
            answer = await CHANGES[verb.name](desk, args, commit)
        except OSError as problem:
            raise _refused_by_the_disk(problem, self._desk.core.workspace.root) from problem
        log.info("Did %s.", verb.name)
        self._desk.core.wake()
        return answer


def _refused_by_the_disk(problem: OSError, root: Path) -> StorageError:
    where = str(problem.filename or root).encode("utf-8", "replace").decode()
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            f"The disk that holds {root} is full: {size_words(free_bytes(root))} are free.",
            hint="Nothing was changed. Free some space and try again; pause, stop and shutdown work all the same.",
            code="disk_full",
        )
    return StorageError(
        f"{where}: {problem.strerror or problem}.", hint="See that the disk is there, writable and healthy."
    )
