"""The four clients of `kill_service`: each changes the queue and writes down what it was promised."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.contract.jobs import WAITING_STATES, Priority
from benchmarks.proof import (
    Engine,
    RefusedError,
    write_rows,
)


@dataclass
class Expected:
    """One job as the answers of the service left it, from the view of the client that added it."""

    file_name: str
    priority: str = Priority.NORMAL
    is_held: bool | None = None
    """None: neither held nor released so far."""
    is_removed: bool = False


class Turnstile:
    """Many at once, or one alone: undo takes back the newest change, whoever made it."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0

    @contextmanager
    def shared(self) -> Any:
        """Together with others."""
        with self._condition:
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Any:
        """When all others have left; nobody enters meanwhile."""
        with self._condition:
            self._condition.wait_for(lambda: self._inside == 0)
            yield


class Client(threading.Thread):
    """Changes the queue at random and knows what it was promised. Touches only jobs that it added itself."""

    def __init__(
        self, engine: Engine, folder: Path, *, number: int, draw: random.Random, turnstile: Turnstile, most_waiting: int
    ) -> None:
        """`most_waiting`: with that many waiting jobs it adds no more, so that the end comes in time."""
        super().__init__(name=f"client-{number}", daemon=True)
        self.jobs: dict[int, Expected] = {}
        self.before: dict[int, int] = {}
        """Job -> the job it was put directly before, while that is the newest word about both."""
        self.faults: list[str] = []
        self.num_acknowledged = 0
        self.num_refused = 0
        self._engine = engine
        self._folder = folder
        self._number = number
        self._draw = draw
        self._turnstile = turnstile
        self._most_waiting = most_waiting
        self._journal = os.open(folder / f"client-{number}.journal", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._num_files = 0
        self._leave = threading.Event()

    def run(self) -> None:
        """Act until told to stop; an act once begun is repeated until it was answered."""
        acts = [self._add, self._hold, self._release, self._move, self._set_priority, self._remove]
        try:
            while not self._leave.wait(self._draw.uniform(0.0, 0.3)):
                if self._draw.random() < 0.1:
                    with self._turnstile.alone():
                        self._undo()
                else:
                    with self._turnstile.shared():
                        self._draw.choices(acts, weights=[5, 3, 2, 4, 2, 1])[0]()
        except Exception as problem:  # noqa: BLE001 - a thread's edge: nothing may be lost silently
            self.faults.append(f"{self.name}: {problem!r}")

    def stop(self) -> None:
        """Finish the present act and end."""
        self._leave.set()
        self.join()
        os.close(self._journal)

    # -- acts --

    def _add(self) -> None:
        if len(self._own(waiting=True)) >= self._most_waiting:
            return
        name = f"client{self._number}-{self._num_files}.jsonl"
        self._num_files += 1
        seed = 1000 * (self._number + 1) + self._num_files
        path = write_rows(self._folder / name, self._draw.randrange(8, 25), seed=seed)
        answer = self._call("add", paths=[str(path)], priority="normal")
        if answer is None or len(answer["jobs"]) != 1 or answer["refused"]:
            self.faults.append(f"add {name} was answered by {answer}")
            return
        self.jobs[answer["jobs"][0]["job_id"]] = Expected(file_name=name)

    def _hold(self) -> bool:
        return self._on_one("queue.hold", is_held=True)

    def _release(self) -> None:
        self._on_one(
            "queue.release", is_held=False, among=self._spare([i for i in self._own() if self.jobs[i].is_held])
        )

    def _set_priority(self) -> None:
        priority = self._draw.choice(list(Priority)).value
        job_id = self._one(self._spare(self._own(waiting=True)))
        if job_id and self._call("queue.set-priority", job_ids=[job_id], priority=priority) is not None:
            self.jobs[job_id].priority = priority
            self._forget_order(job_id)

    def _move(self) -> None:
        held = [job_id for job_id in self._own() if self.jobs[job_id].is_held]
        if len(held) < 2:
            return
        moved, anchor = self._draw.sample(held, 2)
        if self._call("queue.move", job_ids=[moved], before=anchor) is not None:
            self._forget_order(moved)
            self.before[moved] = anchor
            self.jobs[moved].priority = self.jobs[anchor].priority

    def _remove(self) -> None:
        job_id = self._one(self._spare(self._own(waiting=True)))
        if job_id and self._call("queue.remove", job_ids=[job_id]) is not None:
            self.jobs[job_id].is_removed = True
            self._forget_order(job_id)

    def _undo(self) -> None:
        """Two changes, one taken back: the second must be gone and the first must stand."""
        free = [job_id for job_id in self._own(waiting=True) if not self.jobs[job_id].is_held]
        if len(free) < 2:
            return
        stays, back = self._draw.sample(free, 2)
        was_held = self.jobs[back].is_held
        if self._call("queue.hold", job_ids=[stays]) is None:
            return
        self.jobs[stays].is_held = True
        verb = self._draw.choice(["queue.hold", "queue.remove"])
        if self._call(verb, job_ids=[back]) is None:
            return
        if self._call("queue.undo") is None:
            self.faults.append(f"undo of {verb} {back} was refused")
        self.jobs[back].is_held = False if verb == "queue.hold" else was_held

    def _on_one(self, verb: str, *, is_held: bool, among: list[int] | None = None) -> bool:
        job_id = self._one(self._own(waiting=True) if among is None else among)
        if not job_id or self._call(verb, job_ids=[job_id]) is None:
            return False
        self.jobs[job_id].is_held = is_held
        return True

    # -- what it knows --

    def _own(self, *, waiting: bool = False) -> list[int]:
        mine = [job_id for job_id, job in self.jobs.items() if not job.is_removed]
        if not waiting or not mine:
            return mine
        states = {job["job_id"]: job["state"] for job in self._ask("queue.list", every=True)["jobs"]}
        for job_id in mine:
            if job_id not in states:
                self.faults.append(f"job {job_id} ({self.jobs[job_id].file_name}) is missing during the run")
                self.jobs[job_id].is_removed = True
        return [job_id for job_id in mine if states.get(job_id) in WAITING_STATES]

    def _spare(self, job_ids: list[int]) -> list[int]:
        """Mostly those without a place that was promised, so that some promised places are left to look at."""
        if self._draw.random() < 0.2:
            return job_ids
        placed = {*self.before, *self.before.values()}
        return [job_id for job_id in job_ids if job_id not in placed]

    def _one(self, job_ids: list[int]) -> int:
        return self._draw.choice(job_ids) if job_ids else 0

    def _forget_order(self, job_id: int) -> None:
        self.before = {moved: anchor for moved, anchor in self.before.items() if job_id not in (moved, anchor)}

    def _ask(self, verb: str, **arguments: object) -> Any:
        return self._engine.api.call_until_answered(verb, **arguments)

    def _call(self, verb: str, **arguments: object) -> Any:
        """The answer, written down first; None when the service refused because the job already runs or ended."""
        try:
            answer = self._ask(verb, **arguments)
        except RefusedError as problem:
            self._write_down(verb, arguments, {"refused": str(problem)})
            self.num_refused += 1
            if problem.status != 409:
                self.faults.append(f"{verb} {arguments}: {problem}")
            return None
        self._write_down(verb, arguments, answer if verb == "add" else {})
        self.num_acknowledged += 1
        return answer

    def _write_down(self, verb: str, arguments: Mapping[str, object], answer: Any) -> None:
        entry = {"at": time.time(), "verb": verb, "arguments": arguments, "answer": answer}
        os.write(self._journal, json.dumps(entry).encode() + b"\n")
        os.fsync(self._journal)
