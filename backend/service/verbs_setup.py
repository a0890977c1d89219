"""The verbs that set things up: settings, base model, validation set, lineage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import msgspec
from msgspec import Struct

from backend.contract.arguments import BaseSetArgs, ConfigSetArgs, NoArgs, ValidationSetArgs
from backend.contract.datasets import CheckRequest, ValidationPlan
from backend.contract.errors import ConflictError, DatasetError, LockedError, ModelError, ReportedError, StorageError
from backend.contract.events import ConfigChanged
from backend.contract.models import BaseModelView
from backend.contract.results import BaseResult, ConfigResult, LineageNewResult, ValidationView
from backend.contract.settings import Config, describe
from backend.datasets import registry, staging, validation
from backend.queue import queue
from backend.service import intake
from backend.service.desk import Desk
from backend.store import durable
from backend.store.database import Transaction
from backend.versions import bases, lineages

_Commit = Callable[[Callable[[Transaction], Struct]], Awaitable[bytes]]


def show_config(desk: Desk, tx: Transaction, args: NoArgs) -> ConfigResult:
    return ConfigResult(settings=describe(desk.core.config.config))


async def set_config(desk: Desk, args: ConfigSetArgs, commit: _Commit) -> bytes:
    """Files added from now on are trained with it; those in the queue keep what they were added with."""
    config = desk.core.config
    changed, key, old, new = config.with_value(args.key, args.value)
    answer = ConfigResult(settings=[view for view in describe(changed) if view.key == key])

    def work(tx: Transaction) -> ConfigResult:
        _refuse_locked(tx, changed, key)
        if old != new:
            config.use(changed)
            tx.record(ConfigChanged(at=tx.now, key=key, old=old, new=new))
        return answer

    try:
        return await commit(work)
    except StorageError:
        if config.config is not changed:
            raise
        return msgspec.json.encode(answer)  # it holds: config.json decides, only the event found no room


def _refuse_locked(tx: Transaction, changed: Config, key: str) -> None:
    view = next(view for view in describe(changed) if view.key == key)
    lineage = lineages.current(tx)
    if view.locked and lineage is not None and lineages.has_checkpoint(tx, lineage.lineage_id):
        if queue.active(tx) is not None:
            raise LockedError(f"{key} gives the adapter its shape and cannot change while a file is trained.")
        raise LockedError(
            f"{key} gives the adapter its shape, which is fixed by the first checkpoint.",
            hint="`lineage new` starts again from the base model; there it is free until the first checkpoint.",
        )


def show_base(desk: Desk, tx: Transaction, args: NoArgs) -> BaseResult:
    return BaseResult(base=desk.bases.shown(bases.current(tx)), lineage=lineages.current(tx))


async def set_base(desk: Desk, args: BaseSetArgs, commit: _Commit) -> bytes:
    """Answers when a small model is ready, else with how far it is; `base show` tells the rest."""
    view: BaseModelView = await desk.bases.set(args.source, args.revision)
    if view.state == "failed":
        reason = view.reason.removeprefix(f"{ModelError.title}: ")  # the error says it itself
        raise ModelError(reason, hint="The base model before it stays in force.")
    return await commit(lambda tx: BaseResult(base=desk.bases.shown(bases.current(tx)), lineage=lineages.current(tx)))


def show_validation(desk: Desk, tx: Transaction, args: NoArgs) -> ValidationView:
    return validation.current(tx)


async def set_validation(desk: Desk, args: ValidationSetArgs, commit: _Commit) -> bytes:
    """The user's own rows, frozen; files that wait are checked again so that none of them is trained on."""
    core = desk.core
    base = await core.read(bases.current)
    if base is None or base.state != "ready":
        raise ConflictError("There is no base model yet.", hint="`base set` first: rows are read with its tokenizer.")
    staged = await core.with_files(staging.stage, core.workspace, staging.path_of(args.path))
    max_length = core.config.config.training.max_length
    with ExitStack() as stack:
        scratch = stack.enter_context(
            durable.scratch_folder(core.workspace.datasets / f"validation-{staged.dataset_id[:16]}")
        )
        request = CheckRequest(
            source=str(staged.folder / "source"),
            file_name=staged.file_name,
            out_folder=str(scratch / "out"),
            tokenizer_folder=base.folder,
            max_length=max_length,
            validation=ValidationPlan(mode="whole"),
        )
        report, reason = await intake.run_checker(core, request, scratch)
        if report is None:
            raise DatasetError(reason)
        if not report.ok:
            raise ReportedError(report.refusal) if report.refusal else DatasetError(reason)
        made = scratch / "out" / "validation"
        frozen = await core.run(lambda tx: validation.freeze(tx, core.workspace, made, source=staged.file_name))
        fingerprint = registry.tokens_fingerprint(base.tokenizer_sha256, max_length, frozen.validation_id)
        await core.with_files(validation.commit_tokens, core.workspace, frozen.validation_id, fingerprint, made)

    def work(tx: Transaction) -> ValidationView:
        intake.recheck_waiting(tx)
        return frozen

    return await commit(work)


async def new_lineage(desk: Desk, args: NoArgs, commit: _Commit) -> bytes:
    """From the base model again; blocked files get another chance."""

    def work(tx: Transaction) -> LineageNewResult:
        if queue.active(tx) is not None:
            raise ConflictError("A file is being trained.", hint="Let it finish, `skip` it or `stop --now` first.")
        lineage = lineages.new(tx)
        intake.recheck_waiting(tx, only_blocked=True)
        return LineageNewResult(lineage=lineage)

    return await commit(work)


SETUP_READS: dict[str, Callable[[Desk, Transaction, Any], Struct]] = {
    "config.show": show_config,
    "base.show": show_base,
    "validation.show": show_validation,
}
SETUP_CHANGES: dict[str, Callable[[Desk, Any, _Commit], Awaitable[bytes]]] = {
    "config.set": set_config,
    "base.set": set_base,
    "validation.set": set_validation,
    "lineage.new": new_lineage,
}
