"""The status: database, live figures and processes put together into one view with one sentence."""

from __future__ import annotations

import os
import time

import msgspec

from backend.contract.jobs import ACTIVE_STATES, JobState, JobView
from backend.contract.models import BaseModelView
from backend.contract.results import QueueStatus
from backend.contract.status import (
    Activity,
    ProcessView,
    RunState,
    StatusView,
    TrainerView,
    TrainingStatusFile,
)
from backend.machine import processes
from backend.machine.load import LoadMeter
from backend.queue import queue
from backend.queue.jobs import WaitingTotals
from backend.service import base_damage, intent
from backend.service.assignments import RECOVERING
from backend.service.core import Core
from backend.store import history
from backend.store.database import Transaction
from backend.supervisor.trainer_process import TrainerProcess
from backend.versions import bases, checkpoints, lineages

DISK_FULL = "disk_full"
_STALLED_SECONDS = 60
_STALL_TOLD_EVERY_SECONDS = 10
_AT_WORK = (JobState.TRAINING, JobState.EVALUATING, JobState.SAVING)
_NEEDS_YOU = (JobState.BLOCKED, JobState.FAILED, JobState.QUARANTINED)


class StatusBoard:
    """Makes views; asks the database within the caller's transaction."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._started_at = time.time()
        guardian = os.getppid()
        is_guarded = os.environ.get("EVERSTEP_GUARDIAN") == str(guardian)
        self._meter = LoadMeter(core.workspace.root, companions=[guardian] if is_guarded else [])
        self.trainer: TrainerProcess | None = None
        """Kept up by the composition."""

    def jobs(self, tx: Transaction, *, every: bool = True) -> list[JobView]:
        """The queue, the running job with its time left."""
        return [self._with_eta(job) for job in queue.list_jobs(tx, every=every)]

    def page(self, tx: Transaction, *, every: bool, offset: int, limit: int) -> tuple[list[JobView], int]:
        """A part of the queue, and how many jobs there are in all."""
        jobs, num_jobs = queue.page(tx, every=every, offset=offset, limit=limit)
        return [self._with_eta(job) for job in jobs], num_jobs

    def view(self, tx: Transaction, *, looks_at_machine: bool = True) -> StatusView:
        """The whole status. What it costs does not grow with the queue."""
        core, live = self._core, self._core.live
        active, waiting, counts = self._active(tx), queue.waiting_totals(tx), queue.counts(tx)
        undo, redo = queue.undo_titles(tx)
        lineage, base = lineages.current(tx), bases.current(tx)
        head = checkpoints.newest(tx, lineage.lineage_id) if lineage else None
        evaluation, last = history.last_evaluation(tx), history.last_step(tx)
        eta = active.eta_seconds if active else None
        view = StatusView(
            workspace=str(core.workspace.root),
            activity=Activity.IDLE,
            run_state=core.unstored_run_state or intent.run_state(tx),
            stop_file=core.workspace.stop_file.exists(),
            stop_after_file=intent.stops_after_file(tx),
            service=self._service(),
            trainer=self._trainer(),
            base_id=base.base_id if base else "",
            lineage_id=lineage.lineage_id if lineage else None,
            global_step=max(last.step if last else 0, head.global_step if head else 0),
            checkpoint_step=head.global_step if head else 0,
            checkpoint_at=head.created_at if head else None,
            job=active,
            num_waiting=waiting.num_jobs,
            num_needs_you=sum(counts.get(state, 0) for state in _NEEDS_YOU),
            loss=last.loss if last else None,
            validation_loss=evaluation.validation_loss if evaluation else None,
            gap=evaluation.gap if evaluation else None,
            think_tag_percent=history.last_think_tag_percent(tx),
            tokens_per_second=live.tokens_per_second if active else None,
            eta_seconds=eta,
            queue_eta_seconds=self._queue_eta(eta, waiting, has_active=active is not None),
            checking=[live.checking] if live.checking else [],
            check_progress={live.checking_job: live.check_share or 0.0} if live.checking_job is not None else {},
            learning_rate=last.lr if last else None,
            memory_bytes=self._trainer_memory(),
            can_undo=undo,
            can_redo=redo,
            machine=self._meter.view() if looks_at_machine else None,
            error=live.error,
            safe_mode=core.options.safe_mode,
            updated_at=time.time(),
        )
        return self._in_words(tx, view, base, is_checking=JobState.CHECKING in counts)

    def _in_words(
        self, tx: Transaction, view: StatusView, base: BaseModelView | None, *, is_checking: bool
    ) -> StatusView:
        """With its activity and its sentence."""
        holds = self.trainer is not None and self._core.live.paused_because == DISK_FULL
        activity = _activity(view, is_checking=is_checking, holds_by_itself=holds)
        troubled = queue.first_in(tx, _NEEDS_YOU) if activity is Activity.NEEDS_YOU else None
        sentence = self._sentence(view, activity, troubled)
        if stall := self._stall(view):
            if activity is Activity.TRAINING and view.job is not None and view.job.state in _AT_WORK:
                activity = Activity.NEEDS_YOU
            sentence = f"{sentence} {stall}"
        hindrance = base_damage.hindrance(base)
        if hindrance and activity in (Activity.IDLE, Activity.CHECKING, Activity.NEEDS_YOU):
            activity = Activity.NEEDS_YOU if base_damage.needs_person(base) else activity
            sentence = hindrance
        return msgspec.structs.replace(view, activity=activity, sentence=sentence)

    def queue_status(self, tx: Transaction) -> QueueStatus:
        """The queue in numbers."""
        active, waiting = self._active(tx), queue.waiting_totals(tx, checking=False)
        undo, redo = queue.undo_titles(tx)
        return QueueStatus(
            counts=queue.counts(tx),
            waiting_steps=waiting.num_steps,
            eta_seconds=self._queue_eta(active.eta_seconds if active else None, waiting, has_active=active is not None),
            next_job=queue.next_runnable(tx),
            can_undo=undo,
            can_redo=redo,
        )

    def _with_eta(self, job: JobView) -> JobView:
        if job.state not in ACTIVE_STATES or self._core.live.job_id != job.job_id:
            return job
        return msgspec.structs.replace(job, eta_seconds=self._core.live.eta_seconds(job.total_steps - job.done_steps))

    def _active(self, tx: Transaction) -> JobView | None:
        job = queue.active(tx)
        return self._with_eta(job) if job is not None else None

    def _queue_eta(self, eta: float | None, waiting: WaitingTotals, *, has_active: bool) -> float | None:
        """Honest only when every part is known."""
        rest = self._core.live.eta_seconds(waiting.num_steps)
        is_known = rest is not None and waiting.num_unknown == 0 and (eta is not None or not has_active)
        return (eta or 0.0) + rest if is_known and rest is not None else None

    def _service(self) -> ProcessView:
        pid = os.getpid()
        return ProcessView(pid=pid, started_at=self._started_at, memory_bytes=processes.memory_bytes(pid))

    def _trainer(self) -> TrainerView | None:
        process = self.trainer
        if process is None:
            return None
        return TrainerView(
            pid=process.identity.pid,
            attempt_id=process.attempt.attempt_id,
            attempt_seq=process.attempt.attempt_seq,
            phase=self._core.live.phase,
            started_at=process.attempt.started_at,
            last_progress_seconds=process.seconds_since_progress(),
            device=self._core.live.device,
        )

    def _trainer_memory(self) -> int | None:
        process, step = self.trainer, self._core.live.last_step
        if process is None:
            return None
        return (step.memory_bytes if step else 0) or processes.memory_bytes(process.identity.pid) or None

    def _stall(self, view: StatusView) -> str:
        """That the trainer gets nowhere, as a sentence; '' while all is well."""
        process, job = self.trainer, view.job
        quiet = stalled_seconds(process) if process is not None and job is not None else 0
        if process is None or job is None or not quiet or job.state is JobState.PAUSED:
            return ""
        seen = f"No progress has been seen for {quiet} s."
        if processes.is_halted(process.identity.pid):
            how = f"its process {process.identity.pid} was halted (SIGSTOP)"
            return f"{seen} The trainer does nothing: {how}; `kill -CONT {process.identity.pid}` lets it go on."
        if job.state not in _AT_WORK:
            return seen
        safe = f"Step {view.checkpoint_step:,} is safe" if view.checkpoint_step else "No checkpoint was saved yet"
        return f"{seen} The trainer may hang. {safe}; `stop --now` and then `resume` start it anew."

    def _sentence(self, view: StatusView, activity: Activity, troubled: JobView | None) -> str:
        live, job = self._core.live, view.job
        if view.safe_mode:
            return "Safe mode: the service ended several times while starting, so nothing is trained. See `logs`."
        if view.stop_file:
            return _stop_file_sentence(view)
        match activity:
            case Activity.TRAINING if job is not None:
                after = " It is the last file before stopping." if view.stop_after_file else ""
                return _training_sentence(job, live.phase, live.waiting_for) + after
            case Activity.RECOVERING if job is not None:
                return f"{job.file_name}: {job.reason} {live.waiting_for}".strip()
            case Activity.PAUSED:
                return _pause_sentence(job, live.paused_because, holds=self.trainer is not None)
            case Activity.STOPPED:
                return "Stopped; `resume` goes on."
            case Activity.CHECKING:
                share = f", {live.check_share:.0%}" if live.check_share is not None else ""
                return f"Checking {live.checking or 'files'}{share}."
            case Activity.NEEDS_YOU if troubled is not None:
                return f"{troubled.file_name} needs you: {troubled.reason}"
        if live.waiting_for:
            return live.waiting_for
        if view.num_waiting:
            return f"{view.num_waiting:,} waiting; the first is about to start."
        if not view.base_id:
            return "No base model yet: `base set` chooses one."
        return "Nothing to do: `add` a file or put one into the inbox."


def _stop_file_sentence(view: StatusView) -> str:
    then = "then training goes on by itself" if view.run_state is RunState.RUNNING else "then `resume` goes on"
    return f"The .stop file is in force: nothing trains until it is removed; {then}."


def stalled_seconds(process: TrainerProcess) -> int:
    """For how long a trainer made no progress, in tens of seconds; 0 for less than a minute."""
    quiet, every = process.seconds_since_progress() or 0.0, _STALL_TOLD_EVERY_SECONDS
    return int(quiet) // every * every if quiet >= _STALLED_SECONDS else 0


def _pause_sentence(job: JobView | None, because: str, *, holds: bool) -> str:
    if job is None:
        return "Paused; `resume` goes on."
    at = f"{job.file_name} after step {job.done_steps:,} of {job.total_steps:,} of this file"
    if because == DISK_FULL:
        return f"Paused in {at}: the disk is nearly full. It goes on by itself when there is space."
    if job.state is JobState.STOPPING:
        return f"Saving and leaving {at}. What comes next is paused; `resume` goes on."
    if holds and job.state is not JobState.PAUSED:
        return f"Pausing {at}; `resume` goes on."
    return f"Paused in {at}; `resume` goes on."


def _training_sentence(job: JobView, phase: str, waiting_for: str) -> str:
    if job.state is JobState.STOPPING:
        return f"Saving and leaving {job.file_name} at step {job.done_steps:,} of {job.total_steps:,} of this file."
    if job.state is JobState.STARTING:
        return f"Starting {job.file_name}. {waiting_for or _phase_words(phase)}".strip()
    at = f"step {job.done_steps:,} of {job.total_steps:,} of this file"
    if job.state is JobState.PAUSED:
        return f"Going on with {job.file_name} after {at}."
    doing = {JobState.EVALUATING: "Evaluating", JobState.SAVING: "Saving"}.get(job.state, "Training")
    loss = f", loss {job.last_loss:.3f}" if job.last_loss is not None else ""
    return f"{doing} {job.file_name}, {at}{loss}."


def _phase_words(phase: str) -> str:
    return {"loading": "Loading the model.", "measuring": "Measuring the best portion size."}.get(phase, "")


def _activity(view: StatusView, *, is_checking: bool, holds_by_itself: bool) -> Activity:
    """The state pill. A job that still is PAUSED though nobody wants a pause is about to go on."""
    job = view.job
    if view.stop_file or (view.run_state is RunState.STOPPED and job is None):
        return Activity.STOPPED
    if view.run_state is RunState.PAUSED or (job is not None and job.state is JobState.PAUSED and holds_by_itself):
        return Activity.PAUSED
    if job is not None:
        recovering = job.state is JobState.STARTING and job.reason.startswith(RECOVERING)
        return Activity.RECOVERING if recovering else Activity.TRAINING
    if view.checking or is_checking:
        return Activity.CHECKING
    return Activity.NEEDS_YOU if view.num_needs_you else Activity.IDLE


def training_status(view: StatusView) -> TrainingStatusFile:
    """The same for the file that old `jq` lines read."""
    job = view.job
    return TrainingStatusFile(
        status=view.activity.value,
        current_step=view.global_step,
        step=view.global_step,
        total=job.total_steps if job else 0,
        loss=view.loss,
        validation_loss=view.validation_loss,
        val_loss=view.validation_loss,
        val_train_gap=view.gap,
        gap=view.gap,
        think_tag_percent=view.think_tag_percent,
        eta=view.eta_seconds,
        file=job.file_name if job else None,
        error=view.error,
        updated_at=view.updated_at,
    )
