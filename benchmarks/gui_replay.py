"""A loopback service that tells a window of an hour of training in a few minutes: what gui_hour watches it with.

    python -m benchmarks.gui_replay WORKSPACE --events-per-second 10

It speaks as the real one speaks (the tests' stand-in of it does the talking) and is a process of its own, so that
nothing it does is done on the window's thread. Of every hundred events some seventy are steps and ten the status; the
rest are changes of the running file, checkpoints, evaluations, samples, notices, other orders of the queue, and once a
minute the next file. What the window asks for (moves, pause, a closer look at the curve) is done and told.
Writes the endpoint file of the workspace given, and nothing else.
"""

from __future__ import annotations

import argparse
import math
import queue
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, SupportsIndex

import msgspec
from msgspec import Struct

from backend.contract.errors import ErrorBody, NotFoundError
from backend.contract.events import (
    CheckpointCommitted,
    EvaluationDone,
    JobChanged,
    Notice,
    QueueReordered,
    RunStateChanged,
    SampleDone,
    ServiceEvent,
    StatusChanged,
    StepDone,
)
from backend.contract.jobs import WAITING_STATES, JobState, JobView
from backend.contract.models import CheckpointView
from backend.contract.results import Done, QueueResult
from backend.contract.spool import Evaluated, Sample, Sampled
from backend.contract.status import Activity, RunState, StatusView
from backend.contract.verbs import BY_NAME
from backend.formats.workspace import Workspace
from tests.fakes.example_session import ExampleSession, example_session
from tests.fakes.fake_service import FakeService

NUM_STEPS, NUM_EXTRA_JOBS = 12_480, 195
_replaced = msgspec.structs.replace


class Training:
    """The example session, moved on by one event at a time. Every method holds the lock that the answers hold."""

    def __init__(self, session: ExampleSession) -> None:
        self.session = session
        self.lock = threading.RLock()
        self.asked: queue.SimpleQueue[ServiceEvent] = queue.SimpleQueue()
        """What verbs caused, to be told at once."""
        self._random = random.Random(11)
        self._number = 0

    @property
    def step(self) -> int:
        """The newest optimiser step."""
        return self.session.history.last_step

    @property
    def running(self) -> JobView:
        """The file that trains."""
        return next(job for job in self.session.jobs if job.state is JobState.TRAINING)

    def next_event(self) -> ServiceEvent:
        """What happens next."""
        with self.lock:
            self._number += 1
            number = self._number
            if number % 600 == 399:
                return self._next_file()
            if number % 10 == 0:
                return StatusChanged(at=time.time(), status=self._status())
            for every, at, make in (
                (25, 6, self._running_changed),
                (100, 33, self._checkpoint),
                (150, 77, self._evaluation),
                (300, 111, self._sample),
                (200, 155, self._notice),
                (100, 88, self._reordered),
            ):
                if number % every == at:
                    return make()
            return self._next_step()

    def _next_step(self) -> StepDone:
        history, step = self.session.history, self.step + 1
        loss = 0.55 + 0.02 * math.sin(step / 90) + abs(self._random.gauss(0, 0.05))
        event = StepDone(
            at=time.time(),
            job_id=self.running.job_id,
            global_step=step,
            loss=loss,
            learning_rate=1e-4,
            grad_norm=0.4 + abs(self._random.gauss(0, 0.05)),
            tokens_per_second=5310.0 + self._random.gauss(0, 60),
            num_tokens=2_048,
            memory_bytes=21_400_000_000,
        )
        for column, value in (
            (history.step, step),
            (history.at, event.at),
            (history.tokens, history.tokens[-1] + event.num_tokens),
            (history.loss, loss),
            (history.learning_rate, event.learning_rate),
            (history.grad_norm, event.grad_norm),
            (history.tokens_per_second, event.tokens_per_second),
            (history.memory_bytes, event.memory_bytes),
        ):
            column.append(value)  # loss_min and loss_max are the same list as loss
        self.session.history = _replaced(history, last_step=step)
        return event

    def _status(self) -> StatusView:
        running = self._moved_on(self.running)
        self.session.status = _replaced(
            self.session.status,
            job=running,
            global_step=self.step,
            loss=self.session.history.loss[-1],
            tokens_per_second=self.session.history.tokens_per_second[-1],
            num_waiting=sum(job.state in WAITING_STATES for job in self.session.jobs),
            eta_seconds=running.eta_seconds,
            updated_at=time.time(),
        )
        return self.session.status

    def _moved_on(self, job: JobView) -> JobView:
        done = min(job.done_steps + 9, job.total_steps)
        seconds = (job.total_steps - done) / 9.0
        return self._put(_replaced(job, done_steps=done, last_global_step=self.step, eta_seconds=seconds))

    def _put(self, job: JobView) -> JobView:
        jobs = self.session.jobs
        jobs[next(at for at, known in enumerate(jobs) if known.job_id == job.job_id)] = job
        return job

    def _running_changed(self) -> JobChanged:
        return JobChanged(at=time.time(), job=self._moved_on(self.running), cause="progress")

    def _next_file(self) -> JobChanged:
        now = time.time()
        ended = _replaced(self.running, state=JobState.FINISHED, finished_at=now, eta_seconds=None)
        waiting = [job for job in self.session.jobs if job.state is JobState.QUEUED]
        self._put(ended)
        begun = self._put(_replaced(waiting[0], state=JobState.TRAINING, started_at=now, first_global_step=self.step))
        self.asked.put(JobChanged(at=now, job=begun, cause="starting"))
        return JobChanged(at=now, job=ended, cause="finished")

    def _checkpoint(self) -> CheckpointCommitted:
        now = time.time()
        self.session.status = _replaced(self.session.status, checkpoint_step=self.step, checkpoint_at=now)
        return CheckpointCommitted(
            at=now,
            checkpoint=CheckpointView(
                checkpoint_id=self._number,
                path=f"/data/everstep/current_model/step-{self.step}",
                manifest_sha256="b" * 64,
                lineage_id=1,
                branch=0,
                attempt_seq=12,
                global_step=self.step,
                job_id=self.running.job_id,
                job_step=self.running.done_steps,
                size_bytes=700_000_000,
                verified_at=now,
                created_at=now,
            ),
        )

    def _evaluation(self) -> EvaluationDone:
        measured = Evaluated(
            n=self._number,
            at=time.time(),
            job_id=self.running.job_id,
            global_step=self.step,
            validation_id="a" * 64,
            validation_loss=0.69,
            train_loss=0.57,
            gap=0.12,
        )
        return EvaluationDone(at=measured.at, evaluation=measured)

    def _sample(self) -> SampleDone:
        text = f"I'm sorry about the double charge. Refund {self._number} is on its way to you. " * 4
        sample = Sample(prompt="A customer was charged twice. Reply.", text=text, has_think_tag=False)
        sampled = Sampled(
            n=self._number,
            at=time.time(),
            job_id=self.running.job_id,
            global_step=self.step,
            samples=[sample],
            think_tag_percent=0.0,
        )
        return SampleDone(at=sampled.at, sample=sampled)

    def _notice(self) -> Notice:
        return Notice(
            at=time.time(),
            level=("info", "warning")[self._number // 200 % 2],
            title="Memory was short",
            message=f"From step {self.step} on the work is cut into smaller portions. The same examples are trained, "
            "as many a step as before; nothing is lost.",
            job_id=self.running.job_id,
        )

    def _reordered(self) -> QueueReordered:
        """Somebody at a prompt moves a file of the lowest group to its middle."""
        jobs = self.session.jobs
        low = [at for at, job in enumerate(jobs) if job.state is JobState.QUEUED and job.job_id > 100]
        jobs.insert(low[len(low) // 2], jobs.pop(low[self._random.randrange(len(low))]))
        return self.order()

    # ---- what the window asks for

    def order(self) -> QueueReordered:
        """The queue as it is now."""
        waiting = [job.job_id for job in self.session.jobs if job.state in WAITING_STATES]
        return QueueReordered(at=time.time(), job_ids=waiting)

    def move(self, args: Any) -> QueueResult:
        """Put jobs before or after another one, into its group."""
        with self.lock:
            jobs = self.session.jobs
            beside = next((job for job in jobs if job.job_id == (args.before or args.after)), None)
            moved = [job for job in jobs if job.job_id in args.job_ids and job.state in WAITING_STATES]
            if beside is not None and beside not in moved:
                for job in moved:
                    jobs.remove(job)
                place = jobs.index(beside) + (args.after is not None)
                jobs[place:place] = [_replaced(job, priority=beside.priority) for job in moved]
                for job in moved:
                    self.asked.put(JobChanged(at=time.time(), job=self._found(job.job_id), cause="move"))
            self.asked.put(self.order())
            return QueueResult(jobs=[self._found(job.job_id) for job in moved])

    def _found(self, job_id: int) -> JobView:
        return next(job for job in self.session.jobs if job.job_id == job_id)

    def set_run_state(self, run_state: RunState) -> StatusView:
        """Pause and resume, as the header shows them; the steps go on for the sake of the measurement."""
        activity = Activity.PAUSED if run_state is RunState.PAUSED else Activity.TRAINING
        with self.lock:
            self.session.status = _replaced(self.session.status, run_state=run_state, activity=activity)
            self.asked.put(RunStateChanged(at=time.time(), run_state=run_state, cause="you"))
            return self.session.status


class LiveEvents(list[tuple[str, ServiceEvent]]):
    """What the stream tells, at its rate, until the window leaves."""

    def __init__(self, training: Training, per_second: float) -> None:
        super().__init__()
        self._training = training
        self._pause = 1.0 / per_second
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __getitem__(self, at: SupportsIndex | slice) -> Any:
        raise NotImplementedError("a stream is not looked back into")

    def __iter__(self) -> Iterator[tuple[str, ServiceEvent]]:
        due = time.monotonic()
        while True:
            try:
                yield self._named(self._training.asked.get(timeout=max(0.001, due - time.monotonic())))
            except queue.Empty:
                due += self._pause
                yield self._named(self._training.next_event())

    def _named(self, event: ServiceEvent) -> tuple[str, ServiceEvent]:
        self._number += 1
        is_gauge = isinstance(event, StepDone | StatusChanged)
        return "" if is_gauge else f"1-{self._number}", event


class Replay(FakeService):
    """The stand-in of the service, with the answers of the session."""

    def __init__(self, workspace: Workspace, per_second: float) -> None:
        super().__init__(workspace)
        self.training = Training(example_session(NUM_STEPS, NUM_EXTRA_JOBS))
        self.events = LiveEvents(self.training, per_second)

    def answer(self, name: str, args: Any) -> Struct:
        """What the service would say."""
        training = self.training
        if name == "queue.move":
            return training.move(args)
        if name in ("pause", "resume"):
            return training.set_run_state(RunState.PAUSED if name == "pause" else RunState.RUNNING)
        with training.lock:
            found = training.session.answers().get(name)
            if callable(found):
                found = found(args)
        if found is None and BY_NAME[name].result is Done:
            found = Done(done="Done.")
        if found is None or isinstance(found, ErrorBody):
            raise NotFoundError(f"{name} is no part of the measurement.")
        return found


def main() -> int:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--events-per-second", type=float, default=10.0)
    arguments = parser.parse_args()
    replay = Replay(Workspace(arguments.workspace), arguments.events_per_second)
    replay.start()
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
