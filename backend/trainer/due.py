"""What is due at a step boundary, in this order: checkpoint, evaluation, samples, then one-shot requests.

A checkpoint of the step is committed before an evaluation or a sample begins, so a process that dies in one of
them repeats that and no training.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from backend.contract.errors import BadInputError, EverstepError
from backend.contract.spool import Evaluated, Request, RequestDone, Sampled
from backend.formats.token_store import TokenStore
from backend.trainer import evaluate, sample
from backend.trainer.evaluate import MOST_PROBE_ROWS
from backend.trainer.gate import Gate
from backend.trainer.run import Run
from backend.trainer.saving import Saver
from backend.trainer.spool import Commands, EventLog
from backend.trainer.warm import WarmModel


class DueWork:
    """Looks after each step what is due for one run, and does it."""

    def __init__(
        self, run: Run, events: EventLog, gate: Gate, saver: Saver, warm: WarmModel, commands: Commands
    ) -> None:
        self._run = run
        self._events = events
        self._gate = gate
        self._saver = saver
        self._warm = warm
        self._commands = commands
        self._prompts = sample.prompts_of(run.assignment)

    def do(self, *, at_start: bool = False) -> None:
        """Do everything due at the present step; `at_start` before the first step of this process."""
        saver, run = self._saver, self._run
        saver.poll()
        if not at_start and saver.is_due():
            saver.save()
        if self._is_evaluation_due(at_start=at_start):
            saver.save_and_wait()
            self._evaluate()
        if self._is_sample_due(at_start=at_start):
            saver.save_and_wait()
            self._sample()
        for request in self._commands.new_requests():
            self._carry_out(request)
        if run.is_finished:
            saver.save_and_wait()

    def _is_evaluation_due(self, *, at_start: bool) -> bool:
        assignment = self._run.assignment
        has_set = bool(assignment.validation_folder or assignment.heldout_folder)
        return has_set and self._is_due(self._run.settings.eval_steps, self._run.evaluated_step, at_start=at_start)

    def _is_sample_due(self, *, at_start: bool) -> bool:
        return bool(self._prompts) and self._is_due(
            self._run.settings.sample_steps, self._run.sampled_step, at_start=at_start
        )

    def _is_due(self, every: int, recorded: int, *, at_start: bool) -> bool:
        run = self._run
        if recorded >= run.global_step:
            return False
        if run.is_finished:
            return True
        if run.global_step == 0:
            return at_start  # before anything was learned, to compare with later
        return every > 0 and run.global_step % every == 0

    def _evaluate(self, request_id: str = "") -> None:
        self._gate.enter("evaluating")
        run, assignment = self._run, self._run.assignment
        started = time.perf_counter()
        validation_store = _opened(assignment.validation_folder)
        heldout_store = _opened(assignment.heldout_folder)
        validation = self._losses(validation_store)
        held_out = [store.num_rows for store in (validation_store, heldout_store) if store is not None]
        train = self._losses_of(run.store, evaluate.probe_rows(run.store, like=max(held_out, default=MOST_PROBE_ROWS)))
        heldout = self._losses(heldout_store)
        gap = validation.token - train.token if validation and train else None
        self._events.emit(
            Evaluated,
            job_id=assignment.job_id,
            global_step=run.global_step,
            validation_id=assignment.validation_id,
            validation_loss=validation.token if validation else None,
            validation_example_loss=validation.example if validation else None,
            train_loss=train.token if train else None,
            gap=gap,
            heldout_loss=heldout.token if heldout else None,
            seconds=time.perf_counter() - started,
            request_id=request_id,
        )
        run.evaluated_step = run.global_step

    def _losses(self, store: TokenStore | None) -> evaluate.Losses | None:
        return None if store is None else self._losses_of(store, range(store.num_rows))

    def _losses_of(self, store: TokenStore, rows: Any) -> evaluate.Losses | None:
        return evaluate.evaluate(
            self._run.network,
            store,
            rows,
            token_budget=self._run.token_budget,
            check=self._gate.check,
            moved=self._events.progress.move,
        )

    def _sample(self, request_id: str = "") -> None:
        self._gate.enter("sampling")
        run, folder = self._run, self._run.assignment.base.folder
        started = time.perf_counter()
        if folder not in self._warm.tokenizers:
            self._warm.tokenizers[folder] = sample.load_tokenizer(folder)
        samples = sample.answer_all(
            run.network,
            self._warm.tokenizers[folder],
            self._prompts,
            max_new_tokens=run.settings.sample_max_new_tokens,
            check=self._gate.check,
        )
        self._events.emit(
            Sampled,
            job_id=run.assignment.job_id,
            global_step=run.global_step,
            samples=samples,
            think_tag_percent=sample.think_tag_percent(samples),
            seconds=time.perf_counter() - started,
            request_id=request_id,
        )
        run.sampled_step = run.global_step

    def _carry_out(self, request: Request) -> None:
        error = None
        try:
            if request.kind == "save":
                self._saver.save_and_wait()
            elif request.kind == "evaluate":
                self._saver.save_and_wait()
                self._evaluate(request.request_id)
            elif request.kind == "sample":
                if not self._prompts:
                    raise BadInputError("There is no prompt to answer.", hint="A validation set gives some.")
                self._saver.save_and_wait()
                self._sample(request.request_id)
            else:
                raise BadInputError(f"The trainer knows no request {request.kind!r}.")
        except EverstepError as problem:
            error = problem.body()
        self._events.emit(RequestDone, request_id=request.request_id, error=error)


def _opened(folder: str) -> TokenStore | None:
    """The store in a folder, None where no folder is named. Raises BadInputError."""
    try:
        return TokenStore(Path(folder)) if folder else None
    except (OSError, ValueError) as problem:
        raise BadInputError(f"The held-out rows in {folder} cannot be read: {problem}.") from problem
