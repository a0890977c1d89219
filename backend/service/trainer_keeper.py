"""Keeps the one trainer: starts it, adopts it, listens to it, notices its end and says what follows."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from backend.contract.errors import EverstepError
from backend.contract.events import StepDone
from backend.contract.spool import AnyTrainerEvent, CheckpointSaved, Desired, Step
from backend.machine.processes import ProcessIdentity
from backend.queue import again, queue
from backend.service import lost_steps, recovery, spools, trainer_events
from backend.service.core import Core
from backend.service.insistence import Insistence
from backend.service.recovery import Death
from backend.service.status import StatusBoard
from backend.service.trainer_events import Reading
from backend.store.database import Transaction
from backend.supervisor import adoption, attempts, outcome, trainer_process
from backend.supervisor.attempts import Attempt
from backend.supervisor.outcome import Outcome
from backend.supervisor.restarts import RestartBudget
from backend.supervisor.spool_reader import SpoolReader, earlier_events, read_exit, stderr_tail
from backend.supervisor.trainer_process import TrainerProcess, began_a_job
from backend.versions import retention

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_AFTER_ERROR_SECONDS = 1.0
_LOCK_SECONDS = 5.0
_RECORDED_END_SECONDS = 0.3
"""How long to wait for the guardian's word on how an adopted trainer ended."""


class TrainerKeeper:
    """At most one living trainer, `current`."""

    def __init__(self, core: Core, publish_step: Callable[[StepDone], None], board: StatusBoard) -> None:
        self._core = core
        self._board = board
        self._publish_step = publish_step
        self.current: TrainerProcess | None = None
        self.budget = RestartBudget()
        self.not_before = 0.0
        """time.monotonic() before which no trainer is started."""
        self.idle_since = time.monotonic()
        self._insistence = Insistence(core)
        self._retiring: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self.is_trusted = False
        """Whether head checkpoint and index were looked at since the last trainer ended."""

    # ---- starting and finding ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Start a trainer; its row is committed first. Raises OSError, EverstepError."""
        core = self._core
        attempt = await core.run(attempts.begin)
        try:
            process = trainer_process.start(core.programs.trainer, attempt, core.workspace)
        except OSError as problem:
            why = f"could not be started: {problem.strerror}"
            await core.run(lambda tx: attempts.end(tx, attempt.attempt_seq, why))
            raise
        self._take(process)
        await core.run(lambda tx: attempts.note_process(tx, attempt.attempt_seq, process.identity))
        log.info("Started trainer %s (process %d).", attempt.attempt_id, process.identity.pid)

    async def adopt_or_settle(self) -> None:
        """At start: take over the living trainer of a service before this one, write down the end of all others."""
        core = self._core
        unknown = await spools.know_again(core)
        if core.database.repaired or unknown:
            await spools.refill_history(core)
        for number, attempt in enumerate(await core.read(attempts.unended)):
            spool = attempt.spool(core.workspace)
            identity = await self._find(attempt)
            if identity is None:
                await self._settle_ended(attempt, is_newest=number == 0)
            elif self.current is None:
                process = TrainerProcess(attempt, spool, identity, None)
                self._take(process)
                if attempt.identity != identity:
                    await core.run(_noting(attempt.attempt_seq, identity))
                for event in earlier_events(spool, attempt.events_offset):
                    core.live.see(event)
                    process.saw(event)
                log.info("Adopted the living trainer %s (process %d).", attempt.attempt_id, identity.pid)
                if attempt.attempt_id in unknown:  # nobody knows its job any more: it saves, and its checkpoint counts
                    process.tell(Desired.STOP, None, [])
            else:
                log.error("A second trainer %s lives (process %d) and was left alone.", spool.name, identity.pid)
        # A trainer at work holds in memory what a damaged checkpoint lost; without one it is lost indeed.
        if self.current is None or await core.read(queue.active) is None:
            await core.run(lost_steps.train_again)
        await core.run(again.reserve_numbers)
        await spools.prune(core)

    async def _find(self, attempt: Attempt) -> ProcessIdentity | None:
        """The living trainer of an attempt. While its lock is held somebody is there, if only about to go."""
        spool = attempt.spool(self._core.workspace)
        give_up_at = time.monotonic() + _LOCK_SECONDS
        while spool.exists():
            identity = adoption.find_living(spool, attempt.identity)
            if identity is not None or not adoption.lock_is_held(spool):
                return identity
            if time.monotonic() > give_up_at:
                log.error("Somebody holds the lock of trainer %s and cannot be found.", attempt.attempt_id)
                return None
            await asyncio.sleep(_POLL_SECONDS)
        return None

    def _take(self, process: TrainerProcess) -> None:
        self.current = self._board.trainer = process
        self.idle_since = time.monotonic()
        self._arrived.set()

    async def _settle_ended(self, attempt: Attempt, *, is_newest: bool) -> None:
        """An attempt that ended while no service was there. Only the newest can have had the active job."""
        core = self._core
        spool = attempt.spool(core.workspace)
        reader = SpoolReader(spool, offset=attempt.events_offset, last_n=attempt.last_n)
        while events := reader.read():
            await self._apply(attempt, reader, events)
        pid = attempt.identity.pid if attempt.identity else 0
        code, signal_number = outcome.recorded_end(core.workspace.ended_file, pid, attempt.started_at) or (None, None)
        end = outcome.judge(code=code, signal_number=signal_number, record=read_exit(spool))
        if is_newest:
            await self._settle(attempt, end, has_begun=began_a_job(earlier_events(spool, reader.offset)))
        else:
            await core.run(lambda tx: attempts.end(tx, attempt.attempt_seq, end.as_text()))

    # ---- listening ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Listen to the present trainer, for as long as the service lives."""
        while True:
            process = self.current
            if process is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            try:
                if not await self._listen(process):
                    await asyncio.sleep(_POLL_SECONDS)
            except (EverstepError, OSError) as problem:  # the disk may be full: what was not stored is read again
                log.error("The trainer's news could not be stored: %s", problem)
                self._core.live.error = str(problem)
                if process is self.current:
                    await self._rewind(process)
                await asyncio.sleep(_AFTER_ERROR_SECONDS)

    async def _listen(self, process: TrainerProcess) -> bool:
        """Apply what came; deal with its end. True when there may be more at once."""
        ended = process.has_ended()  # asked first: what it wrote before its end is then all there
        events = process.reader.read()
        if events:
            await self._apply(process.attempt, process.reader, events)
            return True
        if ended:
            await self._on_ended(process)
        else:
            await self._insistence.look(process)
        return False

    async def _rewind(self, process: TrainerProcess) -> None:
        known = [a for a in await self._core.read(attempts.unended) if a.attempt_seq == process.attempt.attempt_seq]
        if known:
            process.reader = SpoolReader(process.spool, offset=known[0].events_offset, last_n=known[0].last_n)

    async def _apply(self, attempt: Attempt, reader: SpoolReader, events: list[AnyTrainerEvent]) -> None:
        """One transaction for all; before it, checkpoints among them are read back."""
        core = self._core
        saved = [event for event in events if isinstance(event, CheckpointSaved)]
        problems = {}
        for checkpoint in saved:
            problems[checkpoint.path] = await core.with_files(trainer_events.read_back, core.workspace, checkpoint)
        reading = Reading(
            workspace=core.workspace,
            attempt_seq=attempt.attempt_seq,
            events=events,
            last_n=reader.last_n,
            events_offset=reader.offset,
            problems=problems,
            is_exact=core.live.device == "cpu",
        )
        await core.run(lambda tx: trainer_events.apply(tx, reading))
        for event in events:
            if self.current is not None:
                self.current.saw(event)
            self._after_commit(event)
        if any(not isinstance(event, Step) for event in events):
            core.wake()
        if saved and (self._retiring is None or self._retiring.done()):
            self._retiring = asyncio.create_task(self._retire(), name="retention")

    async def wait_for_retention(self) -> None:
        """Until nothing is being removed: a trainer that begins a file clears what others left unfinished."""
        if self._retiring is not None:
            await asyncio.wait({self._retiring})

    async def _retire(self) -> None:
        """Remove the oldest checkpoints beyond what is kept; nothing waits for it."""
        keep = self._core.config.config.service.keep_checkpoints
        try:
            await self._core.with_files(retention.carry_out, self._core.database, keep)
        except (EverstepError, OSError) as problem:
            log.error("Old checkpoints could not be removed: %s", problem)

    def _after_commit(self, event: AnyTrainerEvent) -> None:
        self._core.live.see(event)
        self.idle_since = time.monotonic()
        if isinstance(event, Step):
            self.budget.saw_step(event.job_id, event.global_step)
            self._publish_step(
                StepDone(
                    at=event.at,
                    job_id=event.job_id,
                    global_step=event.global_step,
                    loss=event.loss,
                    learning_rate=event.learning_rate,
                    grad_norm=event.grad_norm,
                    tokens_per_second=event.num_tokens / event.seconds if event.seconds else 0.0,
                    num_tokens=event.num_tokens,
                    memory_bytes=event.memory_bytes,
                )
            )

    # ---- the end -----------------------------------------------------------------------------------------

    async def _on_ended(self, process: TrainerProcess) -> None:
        core = self._core
        record = read_exit(process.spool)
        code, signal_number = process.exit_status(core.workspace.ended_file)
        if process.is_adopted and code is None and signal_number is None and record is None:
            await asyncio.sleep(_RECORDED_END_SECONDS)
            code, signal_number = process.exit_status(core.workspace.ended_file)
        last_line = next((line for line in reversed(stderr_tail(process.spool)) if line.strip()), "")
        end = outcome.judge(code=code, signal_number=signal_number, record=record, last_line=last_line)
        end = self._insistence.explain(process, end)
        await self._settle(process.attempt, end, has_begun=process.has_begun)
        self.current = self._board.trainer = None
        self.is_trusted = False
        process.close()
        core.live.trainer_ended()
        core.wake()
        await spools.prune(core)

    async def _settle(self, attempt: Attempt, end: Outcome, *, has_begun: bool) -> None:
        core = self._core
        stop_file = core.workspace.stop_file.exists()

        def settle(tx: Transaction) -> recovery.Settled:
            attempts.end(tx, attempt.attempt_seq, end.as_text())
            death = Death(outcome=end, has_begun=has_begun, stop_file=stop_file)
            return recovery.settle(tx, core.workspace, death, self.budget)

        settled = await core.run(settle)
        core.live.error = settled.error
        self.not_before = time.monotonic() + settled.delay_seconds
        level = logging.INFO if end.kind is outcome.EndKind.ORDERLY else logging.WARNING
        log.log(level, "Trainer %s ended. %s", attempt.attempt_id, end.sentence)
        if end.is_own_fault:
            for line in stderr_tail(attempt.spool(core.workspace)):
                log.info("trainer: %s", line)


def _noting(attempt_seq: int, identity: ProcessIdentity) -> Callable[[Transaction], None]:
    return lambda tx: attempts.note_process(tx, attempt_seq, identity)
