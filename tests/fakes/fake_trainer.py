"""A trainer without torch that obeys the spool protocol. What it learns is a hash that shows each lost or doubled step.

Its model is a digest over all rows trained so far, its loss is derived from that digest: resuming from the wrong
place gives other losses. `fake.json` in the workspace tells it how to misbehave:

    {"step_seconds": 0.01, "die_at": {"7": "SIGKILL"}, "exit_at": {"9": "non_finite"}, "hang_at": [4],
     "garbage_at": [3], "fail_job_at": [5], "corrupt_save_at": [10], "start_seconds": 0, "is_broken": false,
     "ignores_sigterm": false, "always": false}

Each misdeed happens once a step, unless `always`.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from backend.contract.errors import ErrorBody
from backend.contract.spool import (
    Assignment,
    CheckpointMeta,
    CheckpointSaved,
    Control,
    Desired,
    Evaluated,
    Exiting,
    ExitRecord,
    JobFailed,
    JobFinished,
    JobLeft,
    JobStarted,
    Paused,
    PhaseChanged,
    RequestDone,
    Resumed,
    Sample,
    Sampled,
    Started,
    Step,
)
from backend.formats.home import Home
from backend.formats.order import StepPlan
from backend.formats.progress import ProgressWriter
from backend.store import durable

POLL_SECONDS = 0.01


class Leave(Exception):
    """The present job is to be left."""

    def __init__(self, reason: str, *, ends: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ends = ends


class FakeTrainer:
    """One process."""

    def __init__(self, spool: Path, workspace: Path) -> None:
        self.spool = spool
        self.workspace = workspace
        self.home = Home(workspace)
        self.events = durable.Appender(spool / "events.jsonl")
        self.progress = ProgressWriter(spool / "progress.bin")
        self.n = 0
        self.digest = b""
        self.done: set[str] = set()
        self.finished_turn = 0

    # ---- speaking and listening --------------------------------------------------------------------------

    def say(self, kind: type[Any], **fields: Any) -> None:
        self.n += 1
        self.progress.move()
        self.events.append(msgspec.json.encode(kind(n=self.n, at=time.time(), **fields)))

    def control(self) -> Control | None:
        self.home.require_here()
        try:
            return msgspec.json.decode((self.spool / "control.json").read_bytes(), type=Control)
        except FileNotFoundError:
            return None

    def behaviour(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.workspace / "fake.json").read_bytes()))
        except (FileNotFoundError, ValueError):
            return {}

    def once(self, what: str) -> bool:
        """True the first time, over all processes of this workspace."""
        if self.behaviour().get("always"):
            return True
        marker = self.workspace / f"fake-{what}"
        if marker.exists():
            return False
        marker.write_bytes(b"")
        return True

    # ---- life --------------------------------------------------------------------------------------------

    def run(self) -> int:
        time.sleep(self.behaviour().get("start_seconds", 0))
        if self.behaviour().get("ignores_sigterm"):  # the real one takes it for a wish, which a hung one never reads
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.behaviour().get("is_broken"):
            raise ModuleNotFoundError("No module named 'torch'")
        self.say(Started, pid=os.getpid(), device="cpu")
        self.say(PhaseChanged, phase="idle")
        while True:
            control = self.control()
            if (control and control.desired is Desired.STOP) or (self.workspace / ".stop").exists():
                return self.end("stopped")
            assignment = control.assignment if control else None
            if control and control.desired is Desired.RUN and assignment and assignment.turn > self.finished_turn:
                try:
                    self.train(assignment)
                except Leave as leave:
                    if leave.ends:
                        return self.end("stopped")
                self.say(PhaseChanged, phase="idle")
            time.sleep(POLL_SECONDS)

    def end(self, reason: str, **fields: Any) -> int:
        self.say(Exiting, reason=reason)
        record = ExitRecord(reason=reason, at=time.time(), **fields)
        durable.commit_file(self.spool / "exit.json", msgspec.json.encode(record))
        return 0 if reason == "stopped" else 1

    def train(self, assignment: Assignment) -> None:
        rows = (Path(assignment.tokens_folder) / "rows.sha256").read_bytes()
        digests = [rows[i : i + 32] for i in range(0, len(rows), 32)]
        settings = assignment.settings
        plan = StepPlan(
            digests,
            seed=settings.seed,
            num_epochs=settings.num_train_epochs,
            per_step=settings.examples_per_step,
        )
        self.say(PhaseChanged, phase="loading", job_id=assignment.job_id)
        self.load(assignment)
        self.say(
            JobStarted,
            job_id=assignment.job_id,
            turn=assignment.turn,
            global_step=assignment.global_step,
            job_step=assignment.job_step,
            total_steps=plan.total_steps,
            num_rows=len(digests),
            order_sha256=plan.fingerprint,
            token_budget=assignment.token_budget or 512,
            num_threads=assignment.num_threads,
            warm=False,
        )
        self.say(PhaseChanged, phase="training", job_id=assignment.job_id)
        self.progress.enter("training")
        step, saved = assignment.job_step, assignment.job_step
        base = assignment.global_step - assignment.job_step
        try:
            while step < plan.total_steps:
                saved = self.obey(assignment, step, saved, base, plan)
                self.step(assignment, plan, step, base)
                step += 1
                if step % settings.save_steps == 0:
                    saved = self.save(assignment, plan, step, base)
                if settings.eval_steps and step % settings.eval_steps == 0:
                    self.evaluate(assignment, base + step)
        except Leave as leave:
            if saved != step:
                self.save(assignment, plan, step, base)
            self.finished_turn = assignment.turn
            self.say(
                JobLeft,
                job_id=assignment.job_id,
                turn=assignment.turn,
                global_step=base + step,
                job_step=step,
                reason=leave.reason,
            )
            raise
        if saved != step:
            self.save(assignment, plan, step, base)
        self.evaluate(assignment, base + step)
        self.finished_turn = assignment.turn
        self.say(JobFinished, job_id=assignment.job_id, turn=assignment.turn, global_step=base + step, job_step=step)

    def load(self, assignment: Assignment) -> None:
        self.digest = b""
        if assignment.start is not None:
            folder = Path(assignment.start.path)
            problems = durable.verify_folder(folder, assignment.start.manifest_sha256)
            if problems:
                error = ErrorBody(code="damaged", title="Damaged on disk", message=problems[0])
                sys.exit(self.end("bad_checkpoint", error=error))
            self.digest = bytes.fromhex(json.loads((folder / "model.json").read_bytes())["digest"])

    def obey(self, assignment: Assignment, step: int, saved: int, base: int, plan: StepPlan) -> int:
        """Between two steps: pause, stop, another turn, requests. Returns the step of the last checkpoint."""
        is_paused = False
        while True:
            if (self.workspace / ".stop").exists():
                raise Leave("stop_file", ends=True)
            control = self.control()
            if control is not None:
                if control.desired is Desired.STOP:
                    raise Leave("stop", ends=True)
                if control.assignment is None or control.assignment.turn != assignment.turn:
                    raise Leave("skip", ends=False)
                for request in control.requests:
                    self.carry_out(assignment, request.request_id, request.kind, base + step)
                if control.desired is Desired.RUN:
                    if is_paused:
                        self.say(Resumed, job_id=assignment.job_id)
                    return saved
            if not is_paused:
                if saved != step:
                    saved = self.save(assignment, plan, step, base)
                self.say(Paused, job_id=assignment.job_id)
                is_paused = True
            time.sleep(POLL_SECONDS)

    def carry_out(self, assignment: Assignment, request_id: str, kind: str, global_step: int) -> None:
        if request_id in self.done:
            return
        self.done.add(request_id)
        if kind == "evaluate":
            self.evaluate(assignment, global_step, request_id)
        if kind == "sample":
            self.say(
                Sampled,
                job_id=assignment.job_id,
                global_step=global_step,
                samples=[Sample(prompt="Hello?", text="Hello.", has_think_tag=False)],
                think_tag_percent=0.0,
                request_id=request_id,
            )
        self.say(RequestDone, request_id=request_id)

    def step(self, assignment: Assignment, plan: StepPlan, step: int, base: int) -> None:
        started = time.monotonic()
        rows = plan.rows_of(step)
        global_step = base + step + 1
        self.misbehave(assignment, global_step)
        time.sleep(self.behaviour().get("step_seconds", 0.005))
        self.digest = hashlib.sha256(self.digest + repr((global_step, rows)).encode()).digest()
        loss = 1 + int.from_bytes(self.digest[:4], "big") / 2**32
        self.say(
            Step,
            job_id=assignment.job_id,
            global_step=global_step,
            job_step=step + 1,
            loss=loss,
            loss_hex=loss.hex(),
            learning_rate=1e-4,
            grad_norm=1.0,
            num_tokens=100,
            num_supervised=50,
            num_micro_batches=1,
            seconds=time.monotonic() - started,
            rows=rows,
        )

    def misbehave(self, assignment: Assignment, global_step: int) -> None:
        behaviour = self.behaviour()
        key = str(global_step)
        if key in behaviour.get("die_at", {}) and self.once(f"die-{key}"):
            os.kill(os.getpid(), getattr(signal, behaviour["die_at"][key]))
        if key in behaviour.get("exit_at", {}) and self.once(f"exit-{key}"):
            reason = behaviour["exit_at"][key]
            error = ErrorBody(code=reason, title="It went wrong", message=f"A planted {reason}.")
            sys.exit(self.end(reason, error=error, job_id=assignment.job_id, global_step=global_step))
        if global_step in behaviour.get("garbage_at", []) and self.once(f"garbage-{key}"):
            self.events.append(b'{"type":"nonsense"')
            self.events.append(b"\xff\xfe not json")
        if global_step in behaviour.get("hang_at", []) and self.once(f"hang-{key}"):
            time.sleep(3600)
        if global_step in behaviour.get("fail_job_at", []) and self.once(f"fail-{key}"):
            error = ErrorBody(code="dataset", title="This file cannot be trained on", message="A planted failure.")
            self.finished_turn = assignment.turn
            self.say(JobFailed, job_id=assignment.job_id, turn=assignment.turn, error=error)
            raise Leave("failed", ends=False)

    def save(self, assignment: Assignment, plan: StepPlan, step: int, base: int) -> int:
        global_step = base + step
        self.say(PhaseChanged, phase="saving", job_id=assignment.job_id)
        self.events.sync()
        folder = Path(assignment.checkpoint_root) / f"step-{global_step:08d}-{assignment.attempt_seq}"
        meta = CheckpointMeta(
            lineage_id=assignment.lineage_id,
            branch=assignment.branch,
            attempt_seq=assignment.attempt_seq,
            base_id=assignment.base.base_id,
            global_step=global_step,
            job_id=assignment.job_id,
            dataset_id=assignment.dataset_id,
            job_step=step,
            total_steps=plan.total_steps,
            settings=assignment.settings,
            created_at=time.time(),
        )

        def fill(staging: Path) -> dict[str, Any]:
            (staging / "model.json").write_text(json.dumps({"digest": self.digest.hex()}))
            return dict(msgspec.to_builtins(meta))

        if not folder.exists():
            manifest = durable.commit_folder(folder, fill)
            if global_step in self.behaviour().get("corrupt_save_at", []) and self.once(f"corrupt-{global_step}"):
                (folder / "model.json").write_text("{}")
            self.say(
                CheckpointSaved,
                job_id=assignment.job_id,
                path=str(folder),
                manifest_sha256=manifest.sha256,
                global_step=global_step,
                job_step=step,
                size_bytes=manifest.size_bytes,
                seconds=0.001,
            )
        self.say(PhaseChanged, phase="training", job_id=assignment.job_id)
        return step

    def evaluate(self, assignment: Assignment, global_step: int, request_id: str = "") -> None:
        self.say(PhaseChanged, phase="evaluating", job_id=assignment.job_id)
        self.say(
            Evaluated,
            job_id=assignment.job_id,
            global_step=global_step,
            validation_id=assignment.validation_id,
            validation_loss=1.5 if assignment.validation_folder else None,
            train_loss=1.4,
            gap=0.1 if assignment.validation_folder else None,
            request_id=request_id,
        )
        self.say(PhaseChanged, phase="training", job_id=assignment.job_id)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    given = parser.parse_args()
    lock = os.open(given.spool / "trainer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return FakeTrainer(given.spool, given.workspace).run()


if __name__ == "__main__":
    sys.exit(main())
