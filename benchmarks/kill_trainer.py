"""Kills the trainer at random instants until a file is finished, and compares every loss with an unbroken run.

    .venv/bin/python -m benchmarks.kill_trainer [--kills 50] [--seed 1] [--rows 8000] [--json]

Two workspaces with the same tiny model, file and settings (dropout 0.1, a checkpoint every 5 steps): the first run
is left alone; in the second the trainer gets SIGKILL, four times out of five at a uniformly random instant after
its first new step, once out of five at a uniformly random instant of its start. Every trainer starts cold.
Meanwhile evaluations and samples are asked for at random moments.

What counts is a record of this program's own: it reads each step line from the spool as it appears and appends it
to a file that is only ever added to. Every step that any trainer ever took must have the bits of the unbroken run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from backend.formats.lines import LineTail
from backend.formats.workspace import Workspace
from benchmarks.proof import (
    TINY_SETTINGS,
    Engine,
    Process,
    ProofError,
    RefusedError,
    attempt_number,
    kill,
    make_model,
    show,
    trainers,
    wait_until,
    write_rows,
)

MOST_REPLAYED_STEPS = 5
SETTINGS = {**TINY_SETTINGS, "validation_max_rows": 16}


class Taken(NamedTuple):
    """One optimiser step as some trainer took it."""

    attempt: int
    step: int
    loss_hex: str
    rows: tuple[int, ...]
    at: float


class Recorder(threading.Thread):
    """Reads the spool while the run lasts and keeps each step in memory and in an append-only file."""

    def __init__(self, workspace: Workspace, record: Path) -> None:
        super().__init__(name="recorder", daemon=True)
        self.taken: list[Taken] = []
        self._workspace = workspace
        self._record = record
        self._tails: dict[int, LineTail] = {}
        self._leave = threading.Event()
        self._reading = threading.Lock()

    def run(self) -> None:
        """Read every 20 ms until asked to leave."""
        while not self._leave.wait(0.02):
            self.read()

    def read(self) -> None:
        """Take in what was written since the last time."""
        with self._reading, open(self._record, "ab") as record:
            for folder in self._workspace.spool.glob("A*"):
                number = attempt_number(folder)
                tail = self._tails.setdefault(number, LineTail(folder / "events.jsonl"))
                for line in tail.read():
                    record.write(b"%d %s\n" % (number, line))
                    self._take(number, line)
            record.flush()
            os.fsync(record.fileno())

    def _take(self, attempt: int, line: bytes) -> None:
        with suppress(ValueError):
            event = json.loads(line)
            if event["type"] == "step":
                self.taken.append(
                    Taken(attempt, event["global_step"], event["loss_hex"], tuple(event["rows"]), event["at"])
                )

    def steps_of(self, attempt: int) -> list[Taken]:
        """Steps that one trainer process took."""
        self.read()
        return [taken for taken in self.taken if taken.attempt == attempt]

    def stop(self) -> None:
        """Leave after a last look."""
        self._leave.set()
        self.join()
        self.read()


class Pesterer(threading.Thread):
    """Asks for evaluations and samples at random moments."""

    def __init__(self, engine: Engine, seed: int) -> None:
        super().__init__(name="pesterer", daemon=True)
        self.num_asked = {"evaluate": 0, "sample": 0}
        self.faults: list[str] = []
        self._engine = engine
        self._draw = random.Random(seed)
        self._leave = threading.Event()

    def run(self) -> None:
        """Ask every few seconds until told to stop."""
        while not self._leave.wait(self._draw.uniform(0.3, 3.0)):
            verb = self._draw.choice(["evaluate", "sample"])
            try:
                self._engine.api.call_until_answered(verb)
                self.num_asked[verb] += 1
            except RefusedError:
                continue  # nothing trains at this moment
            except ProofError as problem:
                self.faults.append(str(problem))
                return

    def stop(self) -> None:
        """Ask no more."""
        self._leave.set()
        self.join()


@dataclass
class Report:
    """What was seen. `faults` is empty when every promise held."""

    num_kills: int = 0
    num_kills_in_training: int = 0
    num_kills_in_start: int = 0
    num_steps: int = 0
    num_steps_taken: int = 0
    """Replayed ones counted each time."""
    most_steps_replayed: int = 0
    num_steps_different: int = 0
    num_steps_skipped: int = 0
    num_steps_shown_twice: int = 0
    num_evaluations_asked: int = 0
    num_samples_asked: int = 0
    num_evaluations: int = 0
    mean_death_to_process_seconds: float = 0.0
    longest_death_to_process_seconds: float = 0.0
    mean_death_to_step_seconds: float = 0.0
    longest_death_to_step_seconds: float = 0.0
    unbroken_seconds: float = 0.0
    seconds: float = 0.0
    seed: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Unbroken:
    """The run that was left alone."""

    losses: dict[int, tuple[str, tuple[int, ...]]]
    start_seconds: float
    """From the start of the process to its first step."""
    train_seconds: float


def run_unbroken(folder: Path, model: Path, file: Path) -> Unbroken:
    """Train the file once without harm."""
    with Engine(folder / "unbroken") as engine:
        recorder = Recorder(engine.workspace, folder / "unbroken.record")
        engine.start()
        engine.set_up(model, SETTINGS)
        recorder.start()
        job_id = engine.add(file)[0]
        wait_until(lambda: trainers(engine.workspace), 60, "a trainer starts")
        started_at = time.time()
        job = engine.wait_for_end(job_id)[job_id]
        recorder.stop()
        engine.shut_down()
    if job["state"] != "finished":
        raise ProofError(f"the unbroken run ended as {job['state']}: {job['reason']}")
    first, last = recorder.taken[0].at, recorder.taken[-1].at
    losses = {taken.step: (taken.loss_hex, taken.rows) for taken in recorder.taken}
    if sorted(losses) != list(range(1, job["total_steps"] + 1)) or len(losses) != len(recorder.taken):
        raise ProofError("the unbroken run did not take each step once")
    return Unbroken(losses, first - started_at, last - first)


class Kill(NamedTuple):
    """One kill: when, of which trainer process, and when its successor was first seen."""

    attempt: int
    at: float
    successor_seen_at: float


class Killer:
    """Kills one trainer after the other."""

    def __init__(self, engine: Engine, recorder: Recorder, unbroken: Unbroken, *, seed: int) -> None:
        self.kills: list[Kill] = []
        self._engine = engine
        self._recorder = recorder
        self._unbroken = unbroken
        self._draw = random.Random(seed)

    def run(self, num_kills: int) -> None:
        """Carry out the kills; stops early when the file is finished."""
        # On average half a window is trained between two kills: six tenths of the file, so that it lasts.
        window_seconds = 1.2 * self._unbroken.train_seconds / max(1, num_kills * 4 // 5)
        victim, seen_at = self._next_trainer(None)
        for number in range(num_kills):
            attempt = self._attempt()
            if number % 5 == 4:
                instant = seen_at + self._draw.uniform(0, self._unbroken.start_seconds)
                time.sleep(max(0.0, instant - time.time()))
            elif not self._wait_for_step(attempt):
                return
            else:
                time.sleep(self._draw.uniform(0, window_seconds))
            killed_at = kill(victim.pid)
            victim, seen_at = self._next_trainer(victim)
            self.kills.append(Kill(attempt, killed_at, seen_at))

    def _next_trainer(self, victim: Process | None) -> tuple[Process, float]:
        def successor() -> Process | None:
            living = [process for process in trainers(self._engine.workspace) if process != victim]
            if len(living) > 1:
                raise ProofError(f"{len(living)} trainers live at once")
            return living[0] if living else None

        found: Process = wait_until(successor, 60, "a trainer is there", pause_seconds=0.01)
        return found, time.time()

    def _attempt(self) -> int:
        return max(attempt_number(folder) for folder in self._engine.workspace.spool.glob("A*"))

    def _wait_for_step(self, attempt: int) -> bool:
        """True when that trainer took a step, False when there was nothing left to train."""

        def reached() -> str:
            if self._recorder.steps_of(attempt):
                return "step"
            return "end" if all(job["state"] == "finished" for job in self._engine.jobs().values()) else ""

        return bool(wait_until(reached, 120, f"attempt {attempt} takes a step") == "step")


def run_killed(folder: Path, model: Path, file: Path, unbroken: Unbroken, report: Report, *, num_kills: int) -> None:
    """Train the same file under fire and fill the report."""
    with Engine(folder / "killed") as engine:
        recorder = Recorder(engine.workspace, folder / "killed.record")
        engine.start()
        engine.set_up(model, SETTINGS)
        recorder.start()
        pesterer = Pesterer(engine, report.seed)
        job_id = engine.add(file)[0]
        pesterer.start()
        killer = Killer(engine, recorder, unbroken, seed=report.seed)
        killer.run(num_kills)
        job = engine.wait_for_end(job_id)[job_id]
        pesterer.stop()
        recorder.stop()
        shown, every = engine.metrics(), engine.metrics(superseded=True)
        report.num_evaluations = len(engine.api.call_until_answered("evaluations")["rows"])
        engine.shut_down()
    if job["state"] != "finished":
        report.faults.append(f"the job ended as {job['state']}: {job['reason']}")
    report.num_evaluations_asked = pesterer.num_asked["evaluate"]
    report.num_samples_asked = pesterer.num_asked["sample"]
    report.faults += pesterer.faults
    note_kills(report, killer.kills, recorder.taken)
    judge(report, unbroken, recorder.taken, shown=shown, every=every)
    if report.num_kills < num_kills:
        report.faults.append(f"the file was finished after {report.num_kills} of {num_kills} kills: give more rows")
    if report.num_kills_in_training < 0.6 * report.num_kills:
        report.faults.append("fewer than 60 % of the kills fell into training")


def note_kills(report: Report, kills: list[Kill], taken: list[Taken]) -> None:
    """Where the kills fell, and how long it took until the next process and until the next step."""
    first_steps = {step.attempt: step.at for step in reversed(taken)}
    to_process = [one.successor_seen_at - one.at for one in kills]
    to_step = [
        first_steps[one.attempt + 1] - one.at
        for one in kills
        if one.attempt in first_steps and one.attempt + 1 in first_steps
    ]
    report.num_kills = len(kills)
    report.num_kills_in_training = sum(one.attempt in first_steps for one in kills)
    report.num_kills_in_start = len(kills) - report.num_kills_in_training
    if to_process:
        report.mean_death_to_process_seconds = sum(to_process) / len(to_process)
        report.longest_death_to_process_seconds = max(to_process)
    if to_step:
        report.mean_death_to_step_seconds = sum(to_step) / len(to_step)
        report.longest_death_to_step_seconds = max(to_step)


def judge(
    report: Report, unbroken: Unbroken, taken: list[Taken], *, shown: list[dict[str, Any]], every: list[dict[str, Any]]
) -> None:
    """Compare the record with the unbroken run and with what the product shows."""
    report.num_steps, report.num_steps_taken = len(unbroken.losses), len(taken)
    different = sorted({step.step for step in taken if unbroken.losses.get(step.step) != (step.loss_hex, step.rows)})
    report.num_steps_different = len(different)
    if different:
        report.faults.append(f"steps that differ from the unbroken run: {different[:10]}")
    report.most_steps_replayed = most_replayed(taken)
    if report.most_steps_replayed > MOST_REPLAYED_STEPS:
        report.faults.append(f"{report.most_steps_replayed} steps were replayed after one kill")
    steps = [row["step"] for row in shown]
    report.num_steps_skipped = len(set(unbroken.losses) - set(steps))
    report.num_steps_shown_twice = len(steps) - len(set(steps))
    if steps != sorted(unbroken.losses):
        report.faults.append("the steps shown are not 1, 2, 3, ... to the end, each once")
    losses = {step: loss_hex for step, (loss_hex, _) in unbroken.losses.items()}
    wrong = [row["step"] for row in shown if losses.get(row["step"]) != row["loss_hex"]]
    if wrong:
        report.faults.append(f"losses shown that differ from the unbroken run: {wrong[:10]}")
    told = {(row["attempt"], row["step"], row["loss_hex"]) for row in every}
    unheard = [step for step in taken if (step.attempt, step.step, step.loss_hex) not in told]
    if unheard:
        report.faults.append(f"{len(unheard)} steps stand in the spool but not in `metrics --superseded`")


def most_replayed(taken: list[Taken]) -> int:
    """The largest number of steps that a trainer took although an earlier one had taken them."""
    most = furthest = 0
    for attempt in sorted({step.attempt for step in taken}):
        steps = [step.step for step in taken if step.attempt == attempt]
        if steps != list(range(steps[0], steps[0] + len(steps))) or steps[0] > furthest + 1:
            raise ProofError(f"attempt {attempt} left steps out: {steps[0]} after {furthest}")
        most = max(most, furthest - steps[0] + 1)
        furthest = max(furthest, steps[-1])
    return most


def prove(folder: Path, *, num_kills: int, num_rows: int, seed: int) -> Report:
    """Carry out the whole proof below `folder`."""
    report = Report(seed=seed)
    model = make_model(folder / "model")
    file = write_rows(folder / "rows.jsonl", num_rows, seed=seed)
    started = time.monotonic()
    unbroken = run_unbroken(folder, model, file)
    report.unbroken_seconds = time.monotonic() - started
    started = time.monotonic()
    run_killed(folder, model, file, unbroken, report, num_kills=num_kills)
    report.seconds = time.monotonic() - started
    return report


def main() -> int:
    """0 when every promise held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=8000, help="rows of the file; four are one step")
    parser.add_argument("--keep", type=Path, help="leave workspaces and records in this folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="everstep-kill-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        report = prove(folder, num_kills=options.kills, num_rows=options.rows, seed=options.seed)
    show(asdict(report), as_json=options.json)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
