"""The job as the trainer gets it: which checkpoint it starts from, at which step, with what fixed for good.

The service names path and manifest hash of the checkpoint; the trainer never chooses. After any end of a trainer
the index is compared with the folder and the head is read back from disk before it is named again.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from backend.contract.errors import ConflictError, DamagedError, NotFoundError
from backend.contract.events import Notice
from backend.contract.jobs import ACTIVE_STATES, JobState, JobView
from backend.contract.models import BaseModelView, CheckpointRef, CheckpointView, LineageView
from backend.contract.spool import Assignment
from backend.datasets import registry, validation
from backend.formats.workspace import Workspace
from backend.machine.probe import physical_cores
from backend.queue import queue
from backend.service import intent, lost_steps
from backend.service.core import Core
from backend.store import history
from backend.store.database import Transaction
from backend.supervisor.trainer_process import TrainerProcess
from backend.versions import bases, checkpoints, lineages

log = logging.getLogger(__name__)

RECOVERING = "recovering"
"""How the reason of a job begins whose trainer died."""
NO_BASE = "no base model yet: `base set`"


async def look_at_checkpoints(core: Core) -> None:
    """Make index and folder agree and the cursors true; a damaged head goes to quarantine and the one before it is
    head. Costs reading the newest checkpoint from disk."""
    before = await core.read(_head)
    found = await core.with_files(checkpoints.reconcile, core.database, core.workspace)
    head = await core.read(_head)
    changed = (before.checkpoint_id if before else None) != (head.checkpoint_id if head else None)
    if changed or found.indexed or found.damaged:
        await core.run(lambda tx: _follow_head(tx, before, head))


def _head(tx: Transaction) -> CheckpointView | None:
    lineage = lineages.current(tx)
    return checkpoints.newest(tx, lineage.lineage_id) if lineage else None


def _follow_head(tx: Transaction, before: CheckpointView | None, head: CheckpointView | None) -> None:
    """Jobs that are under way go on where the head is."""
    steps = checkpoints.job_steps(tx, head)
    for job in queue.list_jobs(tx, every=False):
        under_way = job.state in ACTIVE_STATES or queue.cursor(tx, job.job_id) > 0
        if under_way and queue.cursor(tx, job.job_id) != steps.get(job.job_id, 0):
            queue.set_cursor(tx, job.job_id, steps.get(job.job_id, 0))
    if before is not None and (head is None or head.global_step < before.global_step):
        goes_on = f"step {head.global_step:,}" if head else "the base model"
        tx.record(
            Notice(
                at=tx.now,
                level="warning",
                title="A damaged checkpoint was set aside",
                message=f"Training goes on from {goes_on}; step {before.global_step:,} was damaged. "
                "It lies in quarantine/.",
            )
        )


def make_assignment(tx: Transaction, core: Core, job_id: int, attempt_seq: int) -> Assignment | None:
    """Give a job its turn; None when it has to wait for a person, which its reason then says."""
    job = queue.get(tx, job_id)
    base = bases.current(tx)
    if base is None or base.state != "ready":
        queue.block(tx, job_id, NO_BASE)
        return None
    settings = queue.settings_of(tx, job_id)
    if not queue.cursor(tx, job_id) and not _has_tokens_of(tx, core.workspace, job, base):
        queue.interrupt(tx, job_id, "checked again: base model or validation set changed")
        queue.recheck(tx, job_id)
        return None
    try:
        lineage = lineages.ensure(tx, base, settings)
    except ConflictError as problem:
        queue.block(tx, job_id, problem.body().sentence())
        return None
    head = checkpoints.newest(tx, lineage.lineage_id)
    lost_steps.train_again(tx)
    _trust_head(tx, job, head)
    if job.state is JobState.STARTING:  # keeps its reason
        queue.set_state(
            tx, job_id, JobState.STARTING, reason=job.reason, lineage_id=lineage.lineage_id, branch=_branch(tx, lineage)
        )
    else:
        queue.set_state(tx, job_id, JobState.STARTING, lineage_id=lineage.lineage_id, branch=_branch(tx, lineage))
    if job.reason.startswith(RECOVERING):
        tx.record(_recovered(tx, job, head))
    made = _assignment(tx, core, job, base=base, lineage=lineage, head=head)
    return msgspec.structs.replace(made, attempt_seq=attempt_seq)


def _recovered(tx: Transaction, job: JobView, head: CheckpointView | None) -> Notice:
    goes_on = f"step {head.global_step:,}, the newest checkpoint" if head else "the base model"
    why = job.reason.removeprefix(RECOVERING).strip(" :")
    return Notice(
        at=tx.now,
        level="info",
        title="Training recovered",
        message=f"{why} {job.file_name} goes on from {goes_on}; what came after is trained again.",
        job_id=job.job_id,
    )


def _trust_head(tx: Transaction, job: JobView, head: CheckpointView | None) -> None:
    """The head of the lineage knows best how much of its job is in it. One that was finished and is trained anew
    begins at 0, whatever its old end says."""
    if head is None or head.job_id != job.job_id or head.job_step >= job.total_steps:
        return
    if queue.cursor(tx, job.job_id) != head.job_step and _is_same_file(job, head):
        queue.set_cursor(tx, job.job_id, head.job_step)


def _is_same_file(job: JobView, head: CheckpointView) -> bool:
    """A number can have been another file's, in a list of jobs that was lost since."""
    try:
        dataset_id = checkpoints.read_meta(Path(head.path)).dataset_id
    except DamagedError:
        return False
    return dataset_id == job.dataset_id if dataset_id else head.created_at >= job.added_at


def _has_tokens_of(tx: Transaction, workspace: Workspace, job: JobView, base: BaseModelView) -> bool:
    """Whether the job's rows were tokenised for this base model, and without the rows held out now."""
    max_length = queue.settings_of(tx, job.job_id).max_length
    held_out = validation.current(tx).validation_id
    fingerprint = registry.tokens_fingerprint(base.tokenizer_sha256, max_length, held_out)
    folder = Path(queue.tokens_folder(tx, job.job_id))
    return folder == registry.tokens_path(workspace, job.dataset_id, fingerprint) and folder.exists()


def _branch(tx: Transaction, lineage: LineageView) -> int:
    return lineages.branch(tx, lineage.lineage_id)


def _assignment(
    tx: Transaction,
    core: Core,
    job: JobView,
    *,
    base: BaseModelView,
    lineage: LineageView,
    head: CheckpointView | None,
) -> Assignment:
    settings = queue.settings_of(tx, job.job_id)
    branch = _branch(tx, lineage)
    tokens = Path(queue.tokens_folder(tx, job.job_id))
    frozen = validation.current(tx)
    evaluated = history.last_evaluation(tx, branch)
    service = core.config.config.service
    heldout = tokens / "heldout"
    validation_folder = _validation_folder(core.workspace, base, settings.max_length, frozen.validation_id)
    return Assignment(
        job_id=job.job_id,
        turn=intent.next_turn(tx),
        file_name=job.file_name,
        dataset_id=job.dataset_id,
        lineage_id=lineage.lineage_id,
        branch=branch,
        attempt_seq=0,
        base=base,
        settings=settings,
        tokens_folder=str(tokens / "tokens"),
        heldout_folder=str(heldout) if heldout.exists() else "",
        validation_folder=validation_folder,
        validation_id=frozen.validation_id if validation_folder else "",
        start=CheckpointRef(path=head.path, manifest_sha256=head.manifest_sha256, global_step=head.global_step)
        if head
        else None,
        global_step=head.global_step if head else 0,
        job_step=queue.cursor(tx, job.job_id),
        checkpoint_root=str(core.workspace.current_model),
        evaluated_at_step=evaluated.step if evaluated else -1,
        sampled_at_step=history.last_sample_step(tx, branch),
        token_budget=queue.token_budget(tx, job.job_id) or settings.token_budget,
        num_threads=intent.num_threads(tx, job.job_id) or service.num_threads or physical_cores(),
        disk_floor_bytes=int(service.disk_floor_gigabytes * 1e9),
    )


def _validation_folder(workspace: Workspace, base: BaseModelView, max_length: int, validation_id: str) -> str:
    if not validation_id:
        return ""
    fingerprint = registry.tokens_fingerprint(base.tokenizer_sha256, max_length, validation_id)
    folder = validation.tokens_path(workspace, validation_id, fingerprint)
    return str(folder) if folder.exists() else ""


def fits(tx: Transaction, process: TrainerProcess, job_id: int) -> bool:
    """Whether the living trainer can take this job: what it holds in memory is of the same model and lineage."""
    if process.last_job_id is None:
        return True
    base, lineage = bases.current(tx), lineages.current(tx)
    try:
        held_by = queue.get(tx, process.last_job_id)
        held, settings = queue.settings_of(tx, held_by.job_id), queue.settings_of(tx, job_id)
    except NotFoundError:  # removed since
        return False
    return (
        base is not None
        and lineage is not None
        and held_by.lineage_id == lineage.lineage_id
        and lineage.base_id == base.base_id
        and (held.quantization, held.dtype) == (settings.quantization, settings.dtype)
    )
