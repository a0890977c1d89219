"""The trainer's life, top to bottom: wait for an assignment, load, train, finish, wait again with the model warm.

features   exact resume, pause within a micro-batch, due evaluations and samples, one-shot requests, warm files
failures   out of memory shrinks the step; a full disk holds; everything else ends here as an exception
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

from backend.contract.errors import BadInputError, ConflictError, DamagedError, EverstepError
from backend.contract.spool import (
    Assignment,
    BudgetChanged,
    CheckpointMeta,
    Exiting,
    JobFailed,
    JobFinished,
    JobLeft,
    JobStarted,
    Paused,
    PhaseChanged,
    RequestDone,
    Resumed,
    Step,
)
from backend.formats.order import StepPlan
from backend.formats.token_store import TokenStore
from backend.store.durable import make_folder, remove_stale
from backend.trainer.budget import measure_token_budget
from backend.trainer.checkpoint import folder_name
from backend.trainer.due import DueWork
from backend.trainer.failures import (
    BadAssignmentError,
    BadCheckpointError,
    DamagedBaseError,
    LeaveJob,
    NonFiniteError,
    storage_error,
)
from backend.trainer.gate import Gate
from backend.trainer.loop import train_step
from backend.trainer.memory import MemoryGauge, physical_cores
from backend.trainer.run import Run
from backend.trainer.saving import Saver
from backend.trainer.soundness import require_sound_base
from backend.trainer.spool import POLL_SECONDS, Commands, EventLog
from backend.trainer.warm import WarmModel, start_meta
from backend.trainer.world import World

_LONGER_THAN_THE_SERVICE_SECONDS = 30.0
"""A living service retires an idle trainer itself."""


class Recipe:
    """One trainer process. `run` returns why it ends."""

    def __init__(self, events: EventLog, commands: Commands, device: torch.device, versions: dict[str, str]) -> None:
        self.events = events
        self.commands = commands
        self.warm = WarmModel(device)
        self.versions = versions
        self.current: Run | None = None
        self._memory = MemoryGauge(device)
        self._world = World.from_environment(device)
        self._last_turn: tuple[int, int] | None = None

    def run(self) -> str:
        """Work through assignments until told to end."""
        while True:
            assignment = self._wait_for_assignment()
            if isinstance(assignment, str):
                self.events.emit(Exiting, reason=assignment)
                self.events.sync()
                return assignment
            self._last_turn = (assignment.job_id, assignment.turn)
            try:
                self._work_on(assignment)
            except (BadCheckpointError, DamagedBaseError):
                raise  # ends the process: the service chooses another checkpoint, or waits for another base model
            except NonFiniteError:
                folder = Path(assignment.base.folder)
                require_sound_base(folder, moved=self.events.progress.move, anew=True)  # before rows are blamed
                raise
            except (BadInputError, DamagedError) as problem:  # a restart would meet the same model and file again
                self._fail(assignment, problem)
            finally:
                self.current = None

    # ---- waiting -------------------------------------------------------------------------------------------

    def _wait_for_assignment(self) -> Assignment | str:
        """The next assignment not yet worked on, or why the process shall end."""
        self.events.progress.enter("idle")
        self.events.emit(PhaseChanged, phase="idle")
        said_paused = False
        told_seq, told_at = -2, 0.0
        while True:
            reason = self.commands.leaving()
            if reason:
                return reason
            control = self.commands.control()
            if control.seq != told_seq:
                told_seq, told_at = control.seq, time.monotonic()
            patience = control.idle_retire_seconds + _LONGER_THAN_THE_SERVICE_SECONDS
            if control.idle_retire_seconds and time.monotonic() - told_at > patience:
                return "idle"  # a service that lived would have ended us: nobody is there to free the memory
            if self.commands.is_paused() is not said_paused:
                said_paused = not said_paused
                self.events.emit(Paused if said_paused else Resumed)
            wanted = control.assignment
            if not said_paused and wanted is not None and (wanted.job_id, wanted.turn) != self._last_turn:
                return wanted
            self._refuse_requests()
            time.sleep(POLL_SECONDS)

    def _refuse_requests(self) -> None:
        error = ConflictError("No file is being trained.", hint="Ask again while one is.")
        for request in self.commands.new_requests():
            self.events.emit(RequestDone, request_id=request.request_id, error=error.body())

    # ---- one file ------------------------------------------------------------------------------------------

    def _work_on(self, assignment: Assignment) -> None:
        gate = Gate(self.events, self.commands, assignment)
        saver: Saver | None = None
        run: Run | None = None
        try:
            run, warm = self._prepare(assignment, gate)
            saver = Saver(run, self.events, gate, self.versions)
            self._start(run, warm=warm)
            self._train(run, gate, saver)
            self.events.emit(
                JobFinished,
                job_id=assignment.job_id,
                turn=assignment.turn,
                global_step=run.global_step,
                job_step=run.job_step,
            )
        except LeaveJob as leave:
            if saver is not None:
                saver.save_finally()
            self.events.emit(
                JobLeft,
                job_id=assignment.job_id,
                turn=assignment.turn,
                global_step=run.global_step if run else assignment.global_step,
                job_step=run.job_step if run else assignment.job_step,
                reason=leave.reason,
            )
        finally:
            if saver is not None:
                saver.settle()
        if saver is not None and saver.committed is not None and run is not None:
            self.warm.holds(saver.committed if saver.committed[0] == run.global_step else None)

    def _prepare(self, assignment: Assignment, gate: Gate) -> tuple[Run, bool]:
        """Everything in memory for the first step, and whether it was there already."""
        gate.enter("loading")
        store, plan = self._open_tokens(assignment)
        begun = self._check_continuation(assignment, plan)
        num_threads = assignment.num_threads or (begun.num_threads if begun else 0) or physical_cores()
        torch.set_num_threads(num_threads)
        self._clear_staging(assignment)
        gate.check()
        was_warm = self.warm.prepare(assignment, self.events.progress.move)
        network, optimiser = self.warm.network, self.warm.optimiser
        assert network is not None and optimiser is not None
        for note in network.notes:
            gate.enter("loading", detail=f"This model is handled with care: {note}.")
        network.notes.clear()
        run = Run(
            assignment=assignment,
            store=store,
            plan=plan,
            network=network,
            optimiser=optimiser,
            token_budget=assignment.token_budget
            or (begun.token_budget if begun else 0)
            or assignment.settings.token_budget,
            num_threads=num_threads,
            global_step=assignment.global_step,
            job_step=assignment.job_step,
            order_sha256=plan.fingerprint,
            world=self._world,
            recomputes=assignment.settings.gradient_checkpointing,
            saved_step=assignment.global_step,
            evaluated_step=assignment.evaluated_at_step,
            sampled_step=assignment.sampled_at_step,
        )
        self._choose_budget(run, gate)
        self.current = run
        return run, was_warm

    def _open_tokens(self, assignment: Assignment) -> tuple[TokenStore, StepPlan]:
        settings = assignment.settings
        try:
            store = TokenStore(Path(assignment.tokens_folder))
        except (OSError, ValueError) as problem:
            raise DamagedError(
                f"The tokens of {assignment.file_name} cannot be read: {problem}.", hint="Check the file again."
            ) from problem
        if not store.num_supervised:
            raise DamagedError(f"{assignment.file_name} has nothing to learn from.", hint="Check the file again.")
        plan = StepPlan(
            store.row_sha256s,
            seed=settings.seed,
            num_epochs=settings.num_train_epochs,
            per_step=settings.examples_per_step,
        )
        return store, plan

    def _check_continuation(self, assignment: Assignment, plan: StepPlan) -> CheckpointMeta | None:
        """What the checkpoint says when it is of this very file; None when it is of another or there is none.

        A file that is continued must be the same file in the same order. Raises BadAssignmentError.
        """
        start = assignment.start
        if assignment.global_step != (start.global_step if start else 0):
            raise BadAssignmentError(f"Step {assignment.global_step} was asked for, the checkpoint is of another.")
        if not 0 <= assignment.job_step <= plan.total_steps:
            raise BadAssignmentError(f"{assignment.file_name} has no step {assignment.job_step}.")
        meta = start_meta(assignment)
        if meta is None or not assignment.job_step or meta.job_id != assignment.job_id:
            return None
        if meta.job_step != assignment.job_step:
            raise BadAssignmentError(f"The checkpoint stands at step {meta.job_step}, not {assignment.job_step}.")
        if meta.order_sha256 != plan.fingerprint:
            raise BadAssignmentError(f"{assignment.file_name} or its order changed since step {meta.job_step}.")
        return meta

    def _clear_staging(self, assignment: Assignment) -> None:
        """Remove what this process left unfinished; what others left is theirs, or the service's, to remove."""
        checkpoint_root = Path(assignment.checkpoint_root)
        try:
            make_folder(checkpoint_root)
            remove_stale(checkpoint_root, of=folder_name("*", assignment.attempt_seq))
        except OSError as problem:
            raise storage_error(problem, f"opening {checkpoint_root}") from problem

    def _choose_budget(self, run: Run, gate: Gate) -> None:
        """Fixed for the job; measured when neither the job nor the settings name one."""
        if run.token_budget:
            return
        lengths = run.store.lengths()
        settings = run.settings
        most_tokens = int(lengths.max()) * settings.examples_per_step
        typical = int(lengths.mean())
        key = (run.assignment.base.folder, settings.quantization, settings.dtype, settings.lora_r, typical // 64)
        if key not in self.warm.budgets:
            gate.enter("measuring")
            self.warm.budgets[key] = measure_token_budget(
                run.network, typical_tokens=typical, most_tokens=most_tokens, check=gate.check
            )
        run.token_budget = self.warm.budgets[key]
        self._say_budget(run, "measured")

    def _say_budget(self, run: Run, reason: str) -> None:
        self.events.emit(
            BudgetChanged,
            job_id=run.assignment.job_id,
            token_budget=run.token_budget,
            reason=reason,
            global_step=run.global_step,
        )

    def _start(self, run: Run, *, warm: bool) -> None:
        self.events.emit(
            JobStarted,
            job_id=run.assignment.job_id,
            turn=run.assignment.turn,
            global_step=run.global_step,
            job_step=run.job_step,
            total_steps=run.plan.total_steps,
            num_rows=run.store.num_rows,
            order_sha256=run.order_sha256,
            token_budget=run.token_budget,
            num_threads=run.num_threads,
            warm=warm,
        )

    def _train(self, run: Run, gate: Gate, saver: Saver) -> None:
        """Step, save, evaluate, sample; first whatever was due at the start and is not recorded."""
        gate.before_hold = saver.save_and_wait
        due = DueWork(run, self.events, gate, saver, self.warm, self.commands)

        def shrunk(how: str) -> None:
            if how == "out_of_memory":
                self._say_budget(run, how)
            else:
                gate.enter("training", detail="Out of memory: activations are recomputed from here on.")

        due.do(at_start=True)
        while not run.is_finished:
            gate.enter("training")
            outcome = train_step(run, gate.check, shrunk)
            self.warm.holds(None)
            saver.catch_up()
            self.events.emit(
                Step,
                job_id=run.assignment.job_id,
                global_step=run.global_step,
                job_step=run.job_step,
                loss=outcome.loss,
                loss_hex=run.loss_hex,
                learning_rate=outcome.learning_rate,
                grad_norm=outcome.grad_norm,
                num_tokens=outcome.num_tokens,
                num_supervised=outcome.num_supervised,
                num_micro_batches=outcome.num_micro_batches,
                seconds=outcome.seconds,
                rows=outcome.rows,
                memory_bytes=self._memory.used_bytes(),
            )
            due.do()
        saver.save_and_wait()

    def _fail(self, assignment: Assignment, problem: EverstepError) -> None:
        self.events.emit(JobFailed, job_id=assignment.job_id, turn=assignment.turn, error=problem.body())
