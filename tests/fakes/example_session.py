"""A believable afternoon of training, for screenshots and for tests that need something to look at."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from backend.contract.arguments import HistoryArgs, QueueListArgs
from backend.contract.errors import ErrorBody
from backend.contract.events import (
    AnyServiceEvent,
    CheckpointCommitted,
    EvaluationDone,
    JobChanged,
    Notice,
    RunStateChanged,
)
from backend.contract.jobs import JobState, JobView, Priority
from backend.contract.models import BaseModelView, CheckpointView, LineageView
from backend.contract.results import (
    BaseResult,
    EventsResult,
    HistoryMarksResult,
    HistoryResult,
    QueueResult,
    SamplesResult,
    UndoResult,
)
from backend.contract.spool import Evaluated
from backend.contract.status import (
    Activity,
    EvaluationRow,
    FileSpan,
    GpuView,
    MachineView,
    ProcessView,
    ResumeMark,
    RunState,
    SampleRow,
    StatusView,
    TrainerView,
)

Answer = Struct | ErrorBody | None | Callable[[Any], "Struct | ErrorBody | None"]

NOW = 1_795_441_000.0
"""The moment of the example, so that screenshots are the same every time."""


def job(job_id: int, state: JobState = JobState.QUEUED, **more: Any) -> JobView:
    """A job with sensible values."""
    given = {
        "file_name": f"file-{job_id}.jsonl",
        "priority": Priority.NORMAL,
        "position": job_id - 1,
        "dataset_id": f"{job_id:064x}",
        "size_bytes": 1_000 * job_id,
        "num_rows": 100 * job_id,
        "total_steps": 13 * job_id,
        "added_at": NOW - 3600 + job_id,
        **more,
    }
    return JobView(job_id=job_id, state=state, **given)


def status(**more: Any) -> StatusView:
    """A status with sensible values."""
    given = {"workspace": "/data/everstep", "activity": Activity.IDLE, "run_state": RunState.RUNNING, **more}
    return StatusView(**given)


@dataclass
class ExampleSession:
    """Everything a window asks for when it opens."""

    status: StatusView
    jobs: list[JobView]
    history: HistoryResult
    marks: HistoryMarksResult
    samples: list[SampleRow]
    events: list[AnyServiceEvent]
    base: BaseModelView | None
    lineage: LineageView | None = None
    more: dict[str, Answer] = field(default_factory=dict)

    def answers(self) -> dict[str, Answer]:
        """Answers of the verbs, as the real service gives them."""
        return {
            "status": self.status,
            "queue.list": self._queue_page,
            "history": self._history_range,
            "history.marks": self.marks,
            "samples": SamplesResult(rows=self.samples),
            "events": EventsResult(events=self.events),
            "base.show": BaseResult(base=self.base, lineage=self.lineage),
            "queue.undo": UndoResult(done="Undone: move job 4."),
            "queue.redo": UndoResult(done="Done again: move job 4."),
            **self.more,
        }

    def _queue_page(self, args: QueueListArgs | None) -> QueueResult:
        offset, limit = (args.offset, args.limit) if args is not None else (0, None)
        page = self.jobs[offset:] if limit is None else self.jobs[offset : offset + limit]
        return QueueResult(jobs=page, num_jobs=len(self.jobs))

    def _history_range(self, args: HistoryArgs | None) -> HistoryResult:
        start = args.start if args is not None else 0
        end = args.end if args is not None else None
        buckets = args.buckets if args is not None else 1000
        return _decimated(self.history, start, end, buckets)


def example_session(num_steps: int = 12_480, num_extra_jobs: int = 0) -> ExampleSession:
    """The afternoon of the pictures: one file running, four waiting, two done, one recovery."""
    history = example_history(num_steps)
    running = job(
        3,
        JobState.TRAINING,
        file_name="support-chats.jsonl",
        num_rows=106_080,
        num_tokens=24_100_000,
        size_bytes=88_000_000,
        total_steps=13_260,
        done_steps=min(num_steps, 8_221),
        first_global_step=max(1, num_steps - 8_220),
        last_global_step=num_steps,
        last_loss=history.loss[-1] if history.loss else None,
        eta_seconds=38 * 60.0,
        started_at=NOW - 6 * 3600,
        restarts=1,
        position=0,
    )
    jobs = [
        running,
        _waiting(4, "hotfix-refunds.jsonl", Priority.HIGH, 0, rows=412, eta=11 * 60.0),
        _waiting(5, "docs-qa-2026-11.jsonl", Priority.NORMAL, 0, rows=8_204, eta=3 * 3600 + 300.0, problems=3),
        _waiting(6, "tone-of-voice.parquet", Priority.NORMAL, 1, rows=1_950, eta=44 * 60.0),
        _waiting(7, "archive-2024.jsonl", Priority.LOW, 0, rows=21_770, eta=5 * 3600 + 120.0),
        *(
            _waiting(100 + n, f"batch-{n:05}.jsonl", Priority.LOW, n, rows=500 + n % 97, eta=600.0)
            for n in range(1, num_extra_jobs + 1)
        ),
        job(
            2,
            JobState.FINISHED,
            file_name="gsm8k-train.jsonl",
            num_rows=7_473,
            total_steps=4_259,
            done_steps=4_259,
            last_loss=0.61,
            finished_at=NOW - 6.1 * 3600,
        ),
        job(
            1,
            JobState.FAILED,
            file_name="notes.txt",
            num_rows=0,
            reason="no row of this file has an answer to learn from",
            finished_at=NOW - 7 * 3600,
        ),
    ]
    evaluations = [
        EvaluationRow(
            step=step,
            job_id=3,
            validation_id="a" * 64,
            validation_loss=round(_smooth_loss(step, num_steps) + 0.05 + 0.07 * step / num_steps, 4),
            train_loss=round(_smooth_loss(step, num_steps), 4),
            gap=round(0.05 + 0.07 * step / num_steps, 4),
            heldout_loss=None,
            at=NOW - (num_steps - step) * 1.7,
        )
        for step in range(500, num_steps + 1, max(500, num_steps // 25))
    ]
    crash = num_steps - 190
    marks = HistoryMarksResult(
        files=[
            FileSpan(job_id=2, file_name="gsm8k-train.jsonl", first_step=1, last_step=max(1, num_steps - 8_221)),
            FileSpan(
                job_id=3,
                file_name="support-chats.jsonl",
                first_step=max(1, num_steps - 8_220),
                last_step=num_steps,
            ),
        ],
        resumes=[ResumeMark(step=crash, at=NOW - 190 * 1.7, reason="CUDA out of memory", num_replayed=7)],
        evaluations=evaluations,
    )
    gpu = GpuView(
        name="RTX 4090",
        memory_used_bytes=21_400_000_000,
        memory_total_bytes=24_000_000_000,
        utilization_percent=96.0,
        temperature_celsius=67.0,
    )
    machine = MachineView(
        cpu_percent=34.0,
        memory_used_bytes=11_200_000_000,
        memory_total_bytes=64_000_000_000,
        disk_free_bytes=412_000_000_000,
        gpus=[gpu],
        monitoring_percent=0.3,
    )
    now = status(
        activity=Activity.TRAINING,
        service=ProcessView(pid=4101, started_at=NOW - 86_400, memory_bytes=61_000_000),
        trainer=TrainerView(
            pid=4203,
            attempt_id="A000012-9f3c21ab",
            attempt_seq=12,
            phase="training",
            started_at=NOW - 400,
            last_progress_seconds=0.4,
            device="cuda:0",
        ),
        base_id="Qwen3-8B",
        lineage_id=1,
        global_step=num_steps,
        checkpoint_step=num_steps - 80,
        checkpoint_at=NOW - 136,
        job=running,
        num_waiting=4 + num_extra_jobs,
        num_needs_you=0,
        loss=history.loss[-1] if history.loss else None,
        validation_loss=evaluations[-1].validation_loss if evaluations else None,
        gap=0.12,
        think_tag_percent=3.0,
        tokens_per_second=5310.0,
        eta_seconds=38 * 60.0,
        queue_eta_seconds=9 * 3600 + 40 * 60.0,
        learning_rate=1.84e-4,
        memory_bytes=21_400_000_000,
        can_undo="move job 4",
        machine=machine,
        sentence="Training support-chats.jsonl.",
        updated_at=NOW,
    )
    return ExampleSession(
        status=now,
        jobs=jobs,
        history=history,
        marks=marks,
        samples=_samples(num_steps),
        events=_events(num_steps, jobs, evaluations),
        base=BaseModelView(
            base_id="Qwen3-8B",
            source="Qwen/Qwen3-8B",
            folder="/data/everstep/models/base/Qwen3-8B",
            model_type="qwen3",
            num_parameters=8_190_735_360,
        ),
        lineage=LineageView(
            lineage_id=1,
            base_id="Qwen3-8B",
            lora_r=128,
            lora_alpha=128,
            target_modules="all-linear",
            quantization="nf4",
            dtype="auto",
            head_step=num_steps - 80,
            created_at=NOW - 90_000,
        ),
    )


def example_history(num_steps: int) -> HistoryResult:
    """One point a step."""
    rng = random.Random(7)
    steps = list(range(1, num_steps + 1))
    loss = [max(0.05, _smooth_loss(step, num_steps) + rng.gauss(0, 0.06)) for step in steps]
    tokens = [1_900 + rng.randrange(400) for _ in steps]
    total = 0
    cumulative = []
    for number in tokens:
        total += number
        cumulative.append(total)
    dip = max(1, num_steps - 190)
    return HistoryResult(
        first_step=1 if steps else 0,
        last_step=num_steps,
        steps_per_point=1,
        step=steps,
        at=[NOW - (num_steps - step) * 1.7 for step in steps],
        tokens=cumulative,
        loss=loss,
        loss_min=loss,
        loss_max=loss,
        learning_rate=[_rate(step, num_steps) for step in steps],
        grad_norm=[0.41 + abs(rng.gauss(0, 0.05)) + (1.4 if step == dip else 0.0) for step in steps],
        tokens_per_second=[5310.0 + rng.gauss(0, 60) - (4300 if abs(step - dip) < 3 else 0) for step in steps],
        memory_bytes=[21_400_000_000 - (9_000_000_000 if abs(step - dip) < 3 else 0) for step in steps],
    )


def _smooth_loss(step: int, num_steps: int) -> float:
    return 0.55 + 1.5 * math.exp(-6.0 * step / max(1, num_steps))


def _rate(step: int, num_steps: int) -> float:
    warm_up = max(1, num_steps // 30)
    if step < warm_up:
        return 2e-4 * step / warm_up
    return 2e-4 * (0.5 + 0.5 * math.cos(math.pi * 0.7 * (step - warm_up) / max(1, num_steps)))


def _decimated(history: HistoryResult, start: int, end: int | None, buckets: int) -> HistoryResult:
    inside = [n for n, step in enumerate(history.step) if step >= start and (end is None or step <= end)]
    size = max(1, math.ceil(len(inside) / buckets))
    groups = [inside[n : n + size] for n in range(0, len(inside), size)]

    def mean(column: list[float]) -> list[float]:
        return [sum(column[n] for n in group) / len(group) for group in groups]

    return HistoryResult(
        first_step=history.first_step,
        last_step=history.last_step,
        steps_per_point=size,
        step=[history.step[group[-1]] for group in groups],
        at=[history.at[group[-1]] for group in groups],
        tokens=[history.tokens[group[-1]] for group in groups],
        loss=mean(history.loss),
        loss_min=[min(history.loss_min[n] for n in group) for group in groups],
        loss_max=[max(history.loss_max[n] for n in group) for group in groups],
        learning_rate=mean(history.learning_rate),
        grad_norm=mean(history.grad_norm),
        tokens_per_second=mean(history.tokens_per_second),
        memory_bytes=[history.memory_bytes[group[-1]] for group in groups],
    )


def _waiting(
    job_id: int, name: str, priority: Priority, position: int, *, rows: int, eta: float, problems: int = 0
) -> JobView:
    return job(
        job_id,
        JobState.QUEUED,
        file_name=name,
        priority=priority,
        position=position,
        num_rows=rows,
        num_tokens=rows * 230,
        size_bytes=rows * 900,
        total_steps=math.ceil(rows / 8),
        num_problems=problems,
        eta_seconds=eta,
    )


def _samples(num_steps: int) -> list[SampleRow]:
    prompt = "A customer was charged twice. Reply."
    before = "The customer was charged twice. The customer was charged twice. The customer"
    after = (
        "I'm sorry about the double charge. I have refunded the second payment; you will see it within 3 working days."
    )
    old, new = max(1, num_steps - 280), max(2, num_steps - 80)
    return [
        SampleRow(step=old, job_id=3, prompt=prompt, text=before, has_think_tag=True, at=NOW - 476),
        SampleRow(step=new, job_id=3, prompt=prompt, text=after, has_think_tag=False, at=NOW - 136),
    ]


def _events(num_steps: int, jobs: list[JobView], evaluations: list[EvaluationRow]) -> list[AnyServiceEvent]:
    running, finished = jobs[0], jobs[-2]
    checkpoint = CheckpointView(
        checkpoint_id=31,
        path="/data/everstep/current_model/step-12400",
        manifest_sha256="b" * 64,
        lineage_id=1,
        branch=0,
        attempt_seq=12,
        global_step=num_steps - 80,
        job_id=3,
        job_step=8_141,
        size_bytes=700_000_000,
        verified_at=NOW - 136,
        created_at=NOW - 138,
    )
    last = evaluations[-1] if evaluations else None
    measured = Evaluated(
        n=40,
        at=NOW - 2800,
        job_id=3,
        global_step=last.step if last else num_steps,
        validation_id="a" * 64,
        validation_loss=last.validation_loss if last else 0.704,
        train_loss=last.train_loss if last else 0.584,
        gap=last.gap if last else 0.12,
    )
    return [
        RunStateChanged(at=NOW - 80_000, run_state="running", cause="resume"),
        JobChanged(at=NOW - 21_960, job=finished, cause="finished"),
        JobChanged(at=NOW - 21_950, job=msgspec.structs.replace(running, state=JobState.STARTING), cause="starting"),
        EvaluationDone(at=NOW - 2800, evaluation=measured),
        Notice(
            at=NOW - 1010,
            level="warning",
            title="Memory was short",
            message=f"From step {num_steps - 190:,} on the work is cut into portions of 4,096 tokens. The same "
            "examples are trained, as many a step as before; nothing is lost.",
            job_id=3,
        ),
        Notice(
            at=NOW - 1000,
            level="info",
            title="Training recovered",
            message=f"The trainer ran out of memory. support-chats.jsonl goes on from step {num_steps - 197:,}, the "
            "newest checkpoint; what came after is trained again.",
            job_id=3,
        ),
        CheckpointCommitted(at=NOW - 136, checkpoint=checkpoint),
    ]
