"""Before a job's turn its token stores are compared with their manifests: what changed on disk is not learned.

A damaged store goes to quarantine/ and is made again from the staged copy by the check. A job that was begun must get
the very rows it had, so what they were is remembered and compared.
"""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from pathlib import Path

from backend.contract.events import Notice
from backend.contract.jobs import JobState
from backend.datasets import registry, validation
from backend.formats.workspace import Workspace
from backend.queue import queue
from backend.service.core import Core
from backend.store import durable, meta
from backend.store.database import Transaction
from backend.versions import bases

log = logging.getLogger(__name__)

_ROWS = ("tokens/tokens.u32", "tokens/supervised.u8", "tokens/offsets.u64", "tokens/rows.sha256")


async def are_sound(core: Core, job_id: int) -> bool:
    """Whether what the job is trained and measured on is what was written; else the job is checked again."""
    stores = await core.read(lambda tx: _stores(tx, core.workspace, job_id))
    for store in stores:
        problems = await core.with_files(durable.verify_folder, store)
        if problems:
            rows = await core.with_files(_set_aside, core.workspace, store)
            await core.run(partial(_check_again, job_id=job_id, store=store, why=problems[0], rows=rows))
            return False
    return True


def _stores(tx: Transaction, workspace: Workspace, job_id: int) -> list[Path]:
    """The committed folders the job needs."""
    tokens, base = queue.tokens_folder(tx, job_id), bases.current(tx)
    stores = [Path(tokens)] if tokens else []
    validation_id = validation.current(tx).validation_id
    if base is not None and validation_id:
        max_length = queue.settings_of(tx, job_id).max_length
        fingerprint = registry.tokens_fingerprint(base.tokenizer_sha256, max_length, validation_id)
        measured = validation.tokens_path(workspace, validation_id, fingerprint)
        stores += [measured] if measured.exists() else []
    return stores


def _set_aside(workspace: Workspace, store: Path) -> dict[str, str]:
    """Move a damaged store away; sha256 of its rows as they were, {} where its manifest does not say."""
    try:
        files = durable.read_manifest(store).files
    except (OSError, ValueError):
        files = {}
    if store.exists():
        durable.move(store, workspace.quarantine / f"{store.parent.name}-{store.name}-{time.time_ns()}")
    return {name: files[name][1] for name in _ROWS if name in files}


def _check_again(tx: Transaction, *, job_id: int, store: Path, why: str, rows: dict[str, str]) -> None:
    job = queue.get(tx, job_id)
    if rows and queue.cursor(tx, job_id):
        meta.set(tx, _key(job_id), json.dumps(rows))
    if job.state is not JobState.QUEUED:
        queue.interrupt(tx, job_id, "checked again: its rows were damaged on disk")
    queue.recheck(tx, job_id)
    log.warning("%s is damaged: %s", store, why)
    tx.record(
        Notice(
            at=tx.now,
            level="warning",
            title=f"The rows of {job.file_name} were damaged on disk",
            message=f"{store.name}/{why}. They are made again from the copy that was added; nothing of them was "
            "learned, and the damaged ones lie in quarantine/. If it happens again, the disk may be failing.",
            job_id=job_id,
        )
    )


def differs(tx: Transaction, job_id: int, store: Path) -> bool:
    """Whether a job that was begun got other rows than it had."""
    expected = json.loads(meta.get(tx, _key(job_id)) or "{}")
    if not expected or not queue.cursor(tx, job_id):
        return False
    try:
        files = durable.read_manifest(store).files
    except (OSError, ValueError):
        return True
    return any(name not in files or files[name][1] != sha256 for name, sha256 in expected.items())


def forget(tx: Transaction, job_id: int) -> None:
    """The job has its rows again."""
    if meta.get(tx, _key(job_id)):
        meta.set(tx, _key(job_id), "")


def _key(job_id: int) -> str:
    return f"rows_before_damage:{job_id}"
