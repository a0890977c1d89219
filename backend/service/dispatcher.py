"""From queue to control.json: gather facts, decide, carry out. Runs whenever something changed; for what nobody
announces (the `.stop` file, the disk, time) it looks twice a second."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass

from backend.contract.errors import EverstepError, StorageError
from backend.contract.events import Notice
from backend.contract.jobs import ACTIVE_STATES, JobState, JobView
from backend.contract.spool import Assignment, Desired, Request
from backend.contract.status import RunState
from backend.machine.clock import until_set
from backend.machine.disk import free_bytes, size_words
from backend.queue import queue
from backend.service import assignments, base_damage, intent, token_guard, trainer_events
from backend.service.core import Core
from backend.service.decision import Decision, Facts, decide
from backend.service.trainer_keeper import TrainerKeeper
from backend.store import durable
from backend.store.database import Transaction
from backend.versions import bases

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5
_LONGEST_REST_SECONDS = 5.0
_AFTER_ERROR_SECONDS = 2.0
_STARTED_WITH_THE_QUEUE = ACTIVE_STATES | {JobState.CHECKING, JobState.QUEUED}


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """What the database knows of the facts."""

    run_state: RunState
    frees_when_paused: bool
    active: JobView | None
    next_job: JobView | None
    leaving_job: int | None
    ended_turn: int
    requests: list[Request]
    trainer_fits: bool


class Dispatcher:
    """One loop, no memory of its own but what it said last about waiting."""

    def __init__(self, core: Core, keeper: TrainerKeeper) -> None:
        self._core = core
        self._keeper = keeper
        self._saw_stop_file = False

    async def run(self) -> None:
        """For as long as the service lives."""
        while True:
            self._core.dispatch_wanted.clear()
            try:
                again = await self.step()
            except (EverstepError, OSError) as problem:
                log.error("Nothing could be dispatched: %s", problem)
                self._core.live.error = str(problem)
                await asyncio.sleep(_AFTER_ERROR_SECONDS)
                continue
            if not again:
                await self._rest()

    async def _rest(self) -> None:
        """Until something changed; the database is not asked for what only time, disk and `.stop` file can tell."""
        before, until = self._unannounced(), time.monotonic() + _LONGEST_REST_SECONDS
        while not await until_set(self._core.dispatch_wanted, _TICK_SECONDS):
            if time.monotonic() > until or self._unannounced() != before:
                break

    def _unannounced(self) -> tuple[bool, bool, bool]:
        return self._core.workspace.stop_file.exists(), self._may_start(), self._is_idle_for_long()

    async def step(self) -> bool:
        """Decide once and do it; True when the next decision is due at once."""
        await self._store_wish()
        await self._watch_stop_file()
        if not self._core.config.config.service.auto_start:
            await self._rest_when_done()
        stored = await self._core.read(self._read)
        facts = self._facts(stored)
        if self._keeper.current is None and await self._tidy(stored):
            return True
        decision = decide(facts)
        if decision.starts_trainer and stored.next_job is not None:
            job_id = stored.next_job.job_id
            if await self._core.run(lambda tx: _mark_starting(tx, job_id)):
                await self._keeper.start()
            return True
        if self._keeper.current is not None and decision.desired is not None:
            return await self._tell(decision, stored)
        return False

    async def _store_wish(self) -> None:
        """What a full disk took no note of, once there is room."""
        wish = self._core.unstored_run_state
        if wish is None:
            return
        with suppress(StorageError):  # still full; it is carried out all the same
            await self._core.run(lambda tx: intent.set_run_state(tx, wish, "noted when there was room on the disk"))
            if self._core.unstored_run_state is wish:
                self._core.unstored_run_state = None

    async def _rest_when_done(self) -> None:
        """With `auto_start` off what was started is trained to the end of the queue; what comes later waits."""

        def is_done(tx: Transaction) -> bool:
            waits = not _STARTED_WITH_THE_QUEUE.isdisjoint(queue.counts(tx))
            return intent.run_state(tx) is RunState.RUNNING and not waits

        if await self._core.read(is_done):
            await self._core.run(lambda tx: intent.set_run_state(tx, RunState.STOPPED, "auto_start is off"))

    # ---- facts -------------------------------------------------------------------------------------------

    def _read(self, tx: Transaction) -> _Stored:
        active = queue.active(tx)
        upcoming = active or (None if base_damage.hindrance(bases.current(tx)) else queue.next_runnable(tx))
        process = self._keeper.current
        fits = process is None or upcoming is None or assignments.fits(tx, process, upcoming.job_id)
        return _Stored(
            run_state=self._core.unstored_run_state or intent.run_state(tx),
            frees_when_paused=intent.pause_frees(tx),
            active=active,
            next_job=upcoming,
            leaving_job=intent.leaving_job(tx),
            ended_turn=intent.ended_turn(tx),
            requests=intent.requests(tx),
            trainer_fits=fits,
        )

    def _facts(self, stored: _Stored) -> Facts:
        core, process = self._core, self._keeper.current
        assigned = self._assigned(stored)
        return Facts(
            run_state=stored.run_state,
            stop_file=self._saw_stop_file,
            is_shutting_down=core.is_shutting_down,
            is_safe_mode=core.options.safe_mode,
            frees_when_paused=stored.frees_when_paused,
            next_job=stored.next_job.job_id if stored.next_job else None,
            is_leaving=stored.active is not None and stored.leaving_job == stored.active.job_id,
            may_start=self._may_start(),
            has_trainer=process is not None,
            was_told_to_stop=process is not None and process.was_told_to_stop,
            assigned_job=assigned.job_id if assigned else None,
            trainer_fits=stored.trainer_fits,
            is_idle_for_long=assigned is None and self._is_idle_for_long(),
        )

    def _is_idle_for_long(self) -> bool:
        limit = self._core.config.config.service.idle_retire_minutes * 60
        return time.monotonic() - self._keeper.idle_since > limit

    def _assigned(self, stored: _Stored) -> Assignment | None:
        """The assignment the trainer has and did not end."""
        process = self._keeper.current
        told = process.control.assignment if process else None
        return told if told is not None and told.turn > stored.ended_turn else None

    def _may_start(self) -> bool:
        core = self._core
        wait = self._keeper.not_before - time.monotonic()
        floor = core.config.config.service.disk_floor_gigabytes * 1e9
        core.live.waiting_for = ""
        if wait > 0:
            core.live.waiting_for = f"The trainer is started again in {wait:.0f} s."
        elif (free := free_bytes(core.workspace.root)) < floor:
            core.live.waiting_for = (
                f"The disk is too full to train: {size_words(free)} are free, and below {size_words(floor)} "
                "(disk_floor_gigabytes) nothing is trained. It goes on by itself when there is space."
            )
        return not core.live.waiting_for

    async def _watch_stop_file(self) -> None:
        """Say it once when the file comes and once when it goes; the trainer looks for itself too."""
        exists = self._core.workspace.stop_file.exists()
        if exists == self._saw_stop_file:
            return
        self._saw_stop_file = exists

        def note(tx: Transaction) -> None:
            job = queue.active(tx)
            if exists and job is not None and self._keeper.current is not None:
                queue.set_state(tx, job.job_id, JobState.STOPPING, reason="the .stop file is in force")
            text = (
                "Training is saved and ended, and nothing trains until the file is removed."
                if exists
                else "Training may go on."
            )
            title = "The .stop file is in force" if exists else "The .stop file was removed"
            tx.record(Notice(at=tx.now, level="warning" if exists else "info", title=title, message=text))

        await self._core.run(note)

    # ---- doing -------------------------------------------------------------------------------------------

    async def _tidy(self, stored: _Stored) -> bool:
        """Without a trainer nobody will report the end of what the user asked for: finish it here."""
        job = stored.active
        if job is None:
            return False
        ends = stored.run_state is RunState.STOPPED or self._saw_stop_file or job.state is JobState.STOPPING
        pauses = stored.run_state is RunState.PAUSED and job.state is not JobState.PAUSED
        if stored.leaving_job == job.job_id or ends:
            reason = "stop_file" if self._saw_stop_file else "stop"
            await self._core.run(lambda tx: trainer_events.leave_job(tx, job, reason=reason))
        elif pauses:
            await self._core.run(lambda tx: queue.set_state(tx, job.job_id, JobState.PAUSED, reason="paused"))
        return ends or pauses or stored.leaving_job == job.job_id

    async def _tell(self, decision: Decision, stored: _Stored) -> bool:
        process = self._keeper.current
        if process is None or decision.desired is None:
            return False
        assigned = self._assigned(stored)
        assignment: Assignment | None = None
        if decision.job_id is not None:
            if assigned is not None and assigned.job_id == decision.job_id:
                assignment = assigned
            elif decision.desired is Desired.RUN:
                assignment = await self._assign(decision.job_id)
                if assignment is None:
                    return True  # the job waits for a person or its rows; another one may be next
        process.control.idle_retire_seconds = self._core.config.config.service.idle_retire_minutes * 60
        try:
            is_news = process.tell(decision.desired, assignment, stored.requests if assignment else [])
        except OSError as problem:
            if decision.desired is not Desired.STOP:
                raise
            process.signal_to_stop()
            log.warning("The trainer was told to stop by a signal: control.json could not be written (%s).", problem)
            return False
        if is_news:
            log.info("Told the trainer to %s: %s.", decision.desired.value, _words(assignment))
        return False

    async def _assign(self, job_id: int) -> Assignment | None:
        core, keeper = self._core, self._keeper
        process = keeper.current
        if process is None:
            return None
        await keeper.wait_for_retention()
        if not keeper.is_trusted:
            if process.last_job_id is None:  # nobody is writing there
                await core.with_files(durable.remove_stale, core.workspace.current_model)
            await assignments.look_at_checkpoints(core)
            keeper.is_trusted = True
        if not await token_guard.are_sound(core, job_id):
            return None
        attempt_seq = process.attempt.attempt_seq

        def make(tx: Transaction) -> Assignment | None:
            return assignments.make_assignment(tx, core, job_id, attempt_seq) if _is_next(tx, job_id) else None

        return await core.run(make)


def _is_next(tx: Transaction, job_id: int) -> bool:
    """Whether this is still the job to be trained: the user may have had another idea meanwhile."""
    job = queue.active(tx) or queue.next_runnable(tx)
    is_it = job is not None and job.job_id == job_id and job.state is not JobState.STOPPING
    return is_it and intent.run_state(tx) is RunState.RUNNING and intent.leaving_job(tx) != job_id


def _mark_starting(tx: Transaction, job_id: int) -> bool:
    """Show that the job is about to be trained; False when it is not the one any more."""
    if not _is_next(tx, job_id):
        return False
    job = queue.get(tx, job_id)
    if job.state is not JobState.STARTING:
        queue.set_state(tx, job_id, JobState.STARTING, reason="going on" if job.state is JobState.PAUSED else "")
    return True


def _words(assignment: Assignment | None) -> str:
    if assignment is None:
        return "no job"
    after = f" from its step {assignment.job_step:,} on" if assignment.job_step else ""
    return f"job {assignment.job_id}, {assignment.file_name}{after}"
