"""Kills the service at random instants while four clients change the queue, and looks for what they were promised.

    .venv/bin/python -m benchmarks.kill_service [--kills 100] [--seed 1] [--json]

Four clients add, hold, release, move, prioritise, remove and undo through the API. Each call carries an idempotency
key and is repeated until it was answered; each answer is appended to the client's own journal and fsynced. The
trainer is the real one with a tiny model; files finish and start all the time, so that kills fall into hand-overs.
Four kills out of five hit a service that answers, after a random while; one out of five hits it while it starts.

Afterwards the queue is compared with the journals, all files are trained to the end, and the trainer's spool says
how often each of them was started. A step taken twice, a second trainer, a step counter that goes back, a file
queued twice or not at all: each is a fault.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from backend.contract.jobs import TERMINAL_STATES, WAITING_STATES, Priority
from benchmarks.proof import (
    TINY_SETTINGS,
    Engine,
    ProofError,
    RefusedError,
    UnreachableError,
    kill,
    make_model,
    services,
    show,
    spool_events,
    trainers,
    wait_until,
)
from benchmarks.queue_clients import Client, Expected, Turnstile

NUM_CLIENTS = 4


class Observer(threading.Thread):
    """Looks at the trainer all the time: how many live, which process it is, whether its step goes back."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="observer", daemon=True)
        self.trainer_pids: set[int] = set()
        self.faults: list[str] = []
        self.num_looks = 0
        self._engine = engine
        self._leave = threading.Event()
        self._furthest = 0

    def run(self) -> None:
        """Look twenty times a second."""
        while not self._leave.wait(0.05):
            living = {process.pid for process in trainers(self._engine.workspace)}
            self.trainer_pids |= living
            self.num_looks += 1
            if len(living) > 1:
                self.faults.append(f"{len(living)} trainers lived at once")
            with suppress(UnreachableError, RefusedError):
                self._look_at_status(living)

    def _look_at_status(self, living: set[int]) -> None:
        status = self._engine.api.call("status")
        told = (status["trainer"] or {}).get("pid")
        if told and told not in living and told not in {found.pid for found in trainers(self._engine.workspace)}:
            self.faults.append(f"status names trainer {told}, which does not live")
        if status["global_step"] < self._furthest:
            self.faults.append(f"the step went back from {self._furthest} to {status['global_step']}")
        self._furthest = max(self._furthest, status["global_step"])

    def stop(self) -> None:
        """Look no more."""
        self._leave.set()
        self.join()


@dataclass
class Report:
    """What was seen. `faults` is empty when every promise held."""

    num_kills: int = 0
    num_kills_while_starting: int = 0
    num_changes_acknowledged: int = 0
    num_changes_refused: int = 0
    num_jobs: int = 0
    num_changes_lost: int = 0
    num_jobs_started_twice: int = 0
    num_jobs_queued_twice: int = 0
    num_orders_checked: int = 0
    num_trainers: int = 0
    num_steps: int = 0
    mean_death_to_ready_seconds: float = 0.0
    longest_death_to_ready_seconds: float = 0.0
    seconds: float = 0.0
    seed: int = 0
    faults: list[str] = field(default_factory=list)


def kill_services(engine: Engine, report: Report, *, num_kills: int) -> None:
    """Kill one service after the other while everybody works."""
    draw = random.Random(report.seed)
    waits = []
    for number in range(num_kills):
        if number % 5 == 4:
            time.sleep(draw.uniform(0.0, 0.5))
            report.num_kills_while_starting += engine.api.ready() is None
        else:
            wait_until(engine.api.ready, 60, "the service answers")
            time.sleep(draw.uniform(0.0, 1.5))
        victim = wait_until(lambda: services(engine.workspace), 30, "a service lives")[-1]
        killed_at = kill(victim.pid)
        report.num_kills += 1
        wait_until(lambda pid=victim.pid: is_other(engine, pid), 30, "the next service starts")
        if number % 5 != 3:  # the next kill waits for an answer too, so this costs nothing
            wait_until(engine.api.ready, 60, "the service answers")
            waits.append(time.time() - killed_at)
    report.mean_death_to_ready_seconds = sum(waits) / len(waits)
    report.longest_death_to_ready_seconds = max(waits)


def is_other(engine: Engine, pid: int) -> bool:
    """True when a service lives that is not this process."""
    return any(process.pid != pid for process in services(engine.workspace))


# ---- the judgement -----------------------------------------------------------------------------------------


def judge_queue(report: Report, clients: list[Client], listed: list[dict[str, Any]]) -> None:
    """Compare the queue with what each client was promised."""
    jobs = {job["job_id"]: job for job in listed}
    lost = []
    for client in clients:
        for job_id, promised in client.jobs.items():
            lost += [f"job {job_id}: {word}" for word in broken_promises(promised, jobs.get(job_id))]
        for moved, anchor in client.before.items():
            one, other = jobs.get(moved), jobs.get(anchor)
            if one and other and {one["state"], other["state"]} <= set(WAITING_STATES):
                report.num_orders_checked += 1
                if one["priority"] != other["priority"] or one["position"] >= other["position"]:
                    lost.append(f"job {moved} was moved before {anchor} but is behind it")
    report.num_changes_lost = len(lost)
    report.faults += lost
    names = Counter(job["file_name"] for job in listed)
    known = {job_id for client in clients for job_id in client.jobs}
    report.num_jobs_queued_twice = sum(count - 1 for count in names.values())
    report.faults += [f"{name} is queued {count} times" for name, count in names.items() if count > 1]
    report.faults += [f"job {job_id} was queued by nobody" for job_id in jobs if job_id not in known]
    for priority in Priority:
        waiting = [job for job in listed if job["priority"] == priority and job["state"] in WAITING_STATES]
        positions = [job["position"] for job in waiting]
        if positions != sorted(set(positions)):
            report.faults.append(f"places of the {priority} group are out of order: {positions}")


def broken_promises(promised: Expected, job: dict[str, Any] | None) -> list[str]:
    """What of a client's acknowledged changes cannot be seen in the queue."""
    if promised.is_removed:
        return ["was removed but is there"] if job else []
    if job is None:
        return [f"{promised.file_name} was added but is gone"]
    broken = []
    if promised.is_held and job["state"] != "held":
        broken.append(f"was held but is {job['state']}")
    if promised.is_held is False and job["state"] == "held":
        broken.append("was released but is held")
    if job["priority"] != promised.priority:
        broken.append(f"was given priority {promised.priority} but has {job['priority']}")
    return broken


def judge_training(report: Report, engine: Engine, listed: list[dict[str, Any]]) -> None:
    """From the trainer's own lines: every file started once, every step taken once, in one line of steps."""
    events = list(spool_events(engine.workspace))
    starts = Counter(event["job_id"] for _, event in events if event["type"] == "job_started")
    steps = [event["global_step"] for _, event in events if event["type"] == "step"]
    taken = Counter(event["job_id"] for _, event in events if event["type"] == "step")
    twice = {job_id: count for job_id, count in starts.items() if count > 1}
    report.num_jobs_started_twice, report.num_steps = len(twice), len(steps)
    report.faults += [f"job {job_id} was started {count} times" for job_id, count in twice.items()]
    if steps != list(range(1, len(steps) + 1)):
        report.faults.append("the steps of the trainer are not 1, 2, 3, ...")
    for job in listed:
        if job["state"] != "finished":
            report.faults.append(f"job {job['job_id']} ended as {job['state']}: {job['reason']}")
        elif taken[job["job_id"]] != job["total_steps"]:
            report.faults.append(f"job {job['job_id']} took {taken[job['job_id']]} of {job['total_steps']} steps")
    every = engine.metrics(superseded=True)
    if [row["step"] for row in every] != steps:
        report.faults.append(f"metrics has {len(every)} rows for {len(steps)} steps in the spool")


def check_database(report: Report, engine: Engine) -> None:
    """SQLite's own check of the file, with another SQLite than the service's."""
    with closing(sqlite3.connect(engine.workspace.database)) as database:
        answer = database.execute("PRAGMA integrity_check").fetchone()[0]
    if answer != "ok":
        report.faults.append(f"the database is damaged: {answer}")


def make_clients(engine: Engine, files: Path, *, seed: int, most_waiting: int) -> list[Client]:
    """Four, each with its own dice."""
    turnstile = Turnstile()
    return [
        Client(
            engine,
            files,
            number=number,
            draw=random.Random(seed * 100 + number),
            turnstile=turnstile,
            most_waiting=most_waiting,
        )
        for number in range(NUM_CLIENTS)
    ]


def prove(folder: Path, *, num_kills: int, seed: int, most_waiting: int = 25) -> Report:
    """Carry out the whole proof below `folder`."""
    report = Report(seed=seed)
    model = make_model(folder / "model")
    files = folder / "files"
    files.mkdir()
    started = time.monotonic()
    with Engine(folder / "workspace") as engine:
        engine.start()
        engine.set_up(model, {**TINY_SETTINGS, "num_samples": 0})
        clients = make_clients(engine, files, seed=seed, most_waiting=most_waiting)
        observer = Observer(engine)
        for thread in (observer, *clients):
            thread.start()
        wait_until(lambda: engine.api.call("status")["global_step"] > 0, 120, "the trainer takes its first step")
        kill_services(engine, report, num_kills=num_kills)
        for client in clients:
            client.stop()
        finish(engine, report, clients)
        observer.stop()
        engine.shut_down()
        check_database(report, engine)
    for client in clients:
        report.num_changes_acknowledged += client.num_acknowledged
        report.num_changes_refused += client.num_refused
        report.faults += client.faults
    report.faults += sorted(set(observer.faults))
    report.num_trainers = len(observer.trainer_pids)
    if report.num_trainers != 1:
        report.faults.append(f"{report.num_trainers} trainers were seen; the first should have been adopted each time")
    report.seconds = time.monotonic() - started
    return report


def finish(engine: Engine, report: Report, clients: list[Client]) -> None:
    """Judge the queue, let everything train to the end, judge the training."""

    def checked() -> list[dict[str, Any]] | None:
        listed: list[dict[str, Any]] = engine.api.call_until_answered("queue.list", every=True)["jobs"]
        return None if any(job["state"] == "checking" for job in listed) else listed

    listed = wait_until(checked, 300, "all files are checked", pause_seconds=0.2)
    report.num_jobs = len(listed)
    judge_queue(report, clients, listed)
    held = [job["job_id"] for job in listed if job["state"] == "held"]
    if held:
        engine.api.call_until_answered("queue.release", job_ids=held)
    ended = engine.wait_for_end(*(job["job_id"] for job in listed if job["state"] not in TERMINAL_STATES))
    judge_training(report, engine, list(ended.values()))


def main() -> int:
    """0 when every promise held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="leave workspace and journals in this folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="everstep-kill-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            report = prove(folder, num_kills=options.kills, seed=options.seed)
        except ProofError as problem:
            print(problem, file=sys.stderr)
            return 1
    show(asdict(report), as_json=options.json)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
