"""From a path to a job that can be trained: staged copy, check in a child, token store, queue."""

from __future__ import annotations

import asyncio
import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from backend.contract.arguments import AddArgs
from backend.contract.datasets import CheckReport, CheckRequest, ValidationPlan
from backend.contract.errors import EverstepError
from backend.contract.jobs import JobState, JobView, Priority
from backend.contract.models import BaseModelView
from backend.contract.results import AddResult, RefusedFile, ValidationView
from backend.contract.settings import TrainingSettings
from backend.datasets import registry, staging, validation
from backend.datasets.staging import Staged
from backend.formats.order import num_steps
from backend.machine.clock import until_set
from backend.queue import queue
from backend.service import base_damage, children, token_guard
from backend.service.assignments import NO_BASE
from backend.service.core import Core
from backend.store import durable
from backend.store.database import Transaction
from backend.versions import bases

log = logging.getLogger(__name__)

_CHECK_SECONDS = 4 * 3600
_TICK_SECONDS = 5.0
_AFTER_ERROR_SECONDS = 2.0
_LONGEST_REASON = 600
_OTHER_ROWS = (
    "Its rows were damaged on disk and could not be made again exactly as they were, because settings or the "
    "validation set changed since it was begun. What was trained of it stays; add the file again to train it anew."
)


def stage_all(core: Core, args: AddArgs) -> tuple[list[Staged], list[RefusedFile], list[str]]:
    """Copy everything named into the workspace; what was staged, what refused, what is to be said. Slow."""
    expanded = staging.expand(args.paths, takes_many=args.yes)
    staged, refused = [], list(expanded.refused)
    for path in expanded.files:
        try:
            staged.append(staging.stage(core.workspace, path))
        except EverstepError as problem:
            body = problem.body()
            refused.append(RefusedFile(path=staging.clean_path(path), code=body.code, message=body.sentence()))
    return staged, refused, expanded.notes


def queue_staged(
    tx: Transaction, core: Core, staged: list[Staged], priority: Priority, refused: list[RefusedFile]
) -> AddResult:
    """A job for each staged file, with the settings of this moment."""
    jobs = []
    for one in staged:
        registry.add(tx, one)
        jobs.append(
            queue.add(
                tx,
                file_name=one.file_name,
                dataset_id=one.dataset_id,
                size_bytes=one.size_bytes,
                priority=priority,
                settings=core.config.config.training,
            )
        )
    return AddResult(jobs=jobs, refused=refused)


@dataclass(frozen=True, kw_only=True)
class _Task:
    """One check to be made."""

    job: JobView
    settings: TrainingSettings
    base: BaseModelView
    validation: ValidationView
    picks_again: bool
    """The job is under way and the validation set was picked out of its rows: they are made the same way again."""


class Checking:
    """One child at a time; a job that leaves CHECKING meanwhile takes its child with it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._job_id: int | None = None
        self._child: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """For as long as the service lives."""
        await self._core.with_files(durable.remove_stale, self._core.workspace.datasets)
        while True:
            self._core.check_wanted.clear()
            try:
                task = await self._next()
                if task is not None:
                    await self._check_cancellable(task)
                    continue
            except (EverstepError, OSError) as problem:
                log.error("A file could not be checked: %s", problem)
                self._core.live.error = str(problem)
                await asyncio.sleep(_AFTER_ERROR_SECONDS)
            await until_set(self._core.check_wanted, _TICK_SECONDS)

    async def _next(self) -> _Task | None:
        def find(tx: Transaction) -> _Task | None:
            job = queue.first_in(tx, [JobState.CHECKING])
            base = bases.current(tx)
            hindrance = base_damage.hindrance(base)
            if base is None or base_damage.needs_person(base):
                while job is not None:
                    queue.block(tx, job.job_id, hindrance or NO_BASE)
                    job = queue.first_in(tx, [JobState.CHECKING])
                return None
            if job is None or hindrance:
                return None
            settings = queue.settings_of(tx, job.job_id)
            report = registry.get(tx, job.dataset_id).report
            picked = report is not None and report.num_validation > 0
            return _Task(
                job=job,
                settings=settings,
                base=base,
                validation=validation.current(tx),
                picks_again=picked and queue.cursor(tx, job.job_id) > 0,
            )

        return await self._core.run(find)

    async def _check_cancellable(self, task: _Task) -> None:
        live = self._core.live
        live.checking, live.checking_job, live.check_share = task.job.file_name, task.job.job_id, None
        checking = asyncio.create_task(self._check(task), name=f"check of job {task.job.job_id}")
        try:
            while not checking.done():
                waiting = asyncio.create_task(self._core.check_wanted.wait())
                await asyncio.wait({checking, waiting}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                self._core.check_wanted.clear()
                if not checking.done() and not await self._is_wanted(task):
                    log.info("The check of %s is not wanted any more.", task.job.file_name)
                    break
        finally:
            checking.cancel()
            await asyncio.wait({checking})  # not awaited itself: its cancellation must not be taken for ours
            live.checking, live.checking_job, live.check_share = "", None, None
            self._core.wake()
        if not checking.cancelled():
            checking.result()

    async def _is_wanted(self, task: _Task) -> bool:
        """Still there, still to be checked, still with this base model."""

        def ask(tx: Transaction) -> bool:
            base = bases.current(tx)
            is_same_base = base is not None and base.base_id == task.base.base_id
            state = queue.state(tx, task.job.job_id)
            return is_same_base and state in (JobState.CHECKING, JobState.HELD)

        return await self._core.read(ask)

    async def _check(self, task: _Task) -> None:
        core, job = self._core, task.job
        with ExitStack() as stack:
            scratch = stack.enter_context(durable.scratch_folder(core.workspace.datasets / f"check-{job.job_id}"))
            if damage := await core.with_files(staging.damage, core.workspace, job.dataset_id, job.file_name):
                await core.run(lambda tx: _refuse(tx, job, None, damage))
                return
            await self._ensure_validation_tokens(task, scratch / "validation")
            report, reason = await self._run_checker(task, scratch / "file", _plan(core, task))
            if report is None or not report.ok:
                await core.run(lambda tx: _refuse(tx, job, report, reason))
                return
            out = scratch / "file" / "out"
            is_new = report.num_validation and not task.picks_again
            frozen = await self._freeze(task, out) if is_new else task.validation
            fingerprint = registry.tokens_fingerprint(
                task.base.tokenizer_sha256, task.settings.max_length, frozen.validation_id
            )
            tokens = await core.with_files(registry.commit_tokens, core.workspace, job.dataset_id, fingerprint, out)
            await core.run(lambda tx: _accept(tx, task, report, str(tokens)))

    async def _run_checker(
        self, task: _Task, scratch: Path, plan: ValidationPlan, *, source: Path | None = None
    ) -> tuple[CheckReport | None, str]:
        core = self._core
        request = CheckRequest(
            source=str(source or registry.source_path(core.workspace, task.job.dataset_id)),
            file_name=task.job.file_name if source is None else source.name,
            out_folder=str(scratch / "out"),
            tokenizer_folder=task.base.folder,
            max_length=task.settings.max_length,
            validation=plan,
        )
        return await run_checker(core, request, scratch)

    async def _ensure_validation_tokens(self, task: _Task, scratch: Path) -> None:
        """The frozen rows, tokenised for this base model and length; made once."""
        core, validation_id = self._core, task.validation.validation_id
        if not validation_id:
            return
        fingerprint = registry.tokens_fingerprint(task.base.tokenizer_sha256, task.settings.max_length, validation_id)
        if validation.tokens_path(core.workspace, validation_id, fingerprint).exists():
            return
        rows = validation.rows_path(core.workspace, validation_id)
        report, reason = await self._run_checker(task, scratch, ValidationPlan(mode="whole"), source=rows)
        if report is None or not report.ok:
            log.warning("The validation set could not be read for this base model: %s", reason)
            return
        made = scratch / "out" / "validation"
        await core.with_files(validation.commit_tokens, core.workspace, validation_id, fingerprint, made)

    async def _freeze(self, task: _Task, out: Path) -> ValidationView:
        """What the checker picked out of the first file becomes the validation set."""
        core = self._core
        frozen = await core.run(
            lambda tx: validation.freeze(tx, core.workspace, out / "validation", source=task.job.file_name)
        )
        fingerprint = registry.tokens_fingerprint(
            task.base.tokenizer_sha256, task.settings.max_length, frozen.validation_id
        )
        await core.with_files(
            validation.commit_tokens, core.workspace, frozen.validation_id, fingerprint, out / "validation"
        )
        return frozen


async def run_checker(core: Core, request: CheckRequest, scratch: Path) -> tuple[CheckReport | None, str]:
    """One checker child; the report, or None and why there is none."""

    def show(progress: dict[str, object]) -> None:
        core.live.check_share = children.share(progress)

    end = await _run_checker_child(core, request, scratch, show)
    if end.was_killed:  # from outside: by a person, or by a system short of memory; the file may be fine
        log.warning("The check of %s was killed; it is made once more.", request.file_name)
        await core.with_files(durable.remove_tree, scratch)
        end = await _run_checker_child(core, request, scratch, show)
        if end.was_killed:
            again = "It was tried twice. Is there too little memory? `queue retry` checks it again."
            return None, f"{end.sentence('The check of this file')} {again}"
    try:
        report = msgspec.json.decode((scratch / "out" / "report.json").read_bytes(), type=CheckReport)
    except (OSError, msgspec.MsgspecError):
        return None, end.sentence("The check of this file")
    if end.code != 0 and report.ok:
        return None, end.sentence("The check of this file")
    return report, report.refusal.sentence() if report.refusal else ""


async def _run_checker_child(
    core: Core, request: CheckRequest, scratch: Path, show: children.Progress
) -> children.ChildEnd:
    program = core.programs.checker
    return await children.run_child(program, request, scratch, timeout_seconds=_CHECK_SECONDS, on_progress=show)


def _plan(core: Core, task: _Task) -> ValidationPlan:
    service = core.config.config.service
    if task.validation.validation_id and not task.picks_again:
        return ValidationPlan(
            mode="exclude",
            heldout_max_share=service.heldout_max_share,
            rows_path=str(validation.rows_path(core.workspace, task.validation.validation_id)),
        )
    if service.validation_max_rows > 0 and service.validation_max_share > 0:
        return ValidationPlan(mode="pick", max_rows=service.validation_max_rows, max_share=service.validation_max_share)
    return ValidationPlan(mode="none")


def _refuse(tx: Transaction, job: JobView, report: CheckReport | None, reason: str) -> None:
    if report is not None:
        registry.set_report(tx, job.dataset_id, report)
    if queue.state(tx, job.job_id) in (JobState.CHECKING, JobState.HELD):
        queue.fail(tx, job.job_id, (reason or "The file cannot be used.")[:_LONGEST_REASON])


def _accept(tx: Transaction, task: _Task, report: CheckReport, tokens_folder: str) -> None:
    job_id, settings = task.job.job_id, task.settings
    registry.set_report(tx, task.job.dataset_id, report)
    if queue.state(tx, job_id) not in (JobState.CHECKING, JobState.HELD):
        return
    if token_guard.differs(tx, job_id, Path(tokens_folder)):
        queue.fail(tx, job_id, _OTHER_ROWS)
        return
    token_guard.forget(tx, job_id)
    total = num_steps(report.num_train, num_epochs=settings.num_train_epochs, per_step=settings.examples_per_step)
    queue.checked(tx, job_id, report, tokens_folder=tokens_folder, total_steps=total)


def recheck_waiting(tx: Transaction, *, only_blocked: bool = False) -> int:
    """Check the jobs again that were not begun; how many. For another base model or another validation set."""
    states = {JobState.BLOCKED} if only_blocked else {JobState.BLOCKED, JobState.QUEUED, JobState.HELD}
    again = [
        job for job in queue.list_jobs(tx, every=False) if job.state in states and queue.cursor(tx, job.job_id) == 0
    ]
    for job in again:
        queue.recheck(tx, job.job_id)
    return len(again)
