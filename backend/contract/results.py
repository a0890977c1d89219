"""What the verbs answer with, where it is not a view of its own."""

from __future__ import annotations

from msgspec import Struct

from backend.contract.events import AnyServiceEvent
from backend.contract.jobs import JobView
from backend.contract.models import BaseModelView, CheckpointView, LineageView
from backend.contract.settings import SettingView
from backend.contract.status import EvaluationRow, FileSpan, MetricRow, ResumeMark, SampleRow


class AddResult(Struct, frozen=True, kw_only=True):
    """Jobs made, and files refused at once with the reason."""

    jobs: list[JobView]
    refused: list[RefusedFile] = []
    notes: list[str] = []
    """Sentences on folders: how many training files they held, and how large these are."""


class RefusedFile(Struct, frozen=True, kw_only=True):
    """A file that could not even be staged."""

    path: str
    code: str
    message: str


class QueueResult(Struct, frozen=True, kw_only=True):
    """The queue in the order it will be trained, then what ended, newest first; after a change what was changed."""

    jobs: list[JobView]
    num_jobs: int = 0
    """All that there are; more than `jobs` when a page was asked for, or after a change."""
    done: str = ""
    """What was changed, in words; '' when the queue was only asked for."""


class QueueStatus(Struct, frozen=True, kw_only=True):
    """The queue in numbers."""

    counts: dict[str, int]
    """State to number of jobs."""
    waiting_steps: int
    eta_seconds: float | None
    next_job: JobView | None
    can_undo: str = ""
    can_redo: str = ""


class UndoResult(Struct, frozen=True, kw_only=True):
    """What was undone or redone, in words."""

    done: str


class MetricsResult(Struct, frozen=True, kw_only=True):
    """Rows by step."""

    rows: list[MetricRow]


class HistoryResult(Struct, frozen=True, kw_only=True):
    """The curve of a range of steps in at most `buckets` points; each column has one value a point.

    Only the newest attempt at a step counts. A point that stands for one step has loss_min = loss = loss_max. A value
    that is no finite number does not count among others; where it stands alone the point has None.
    """

    first_step: int = 0
    """Of the whole history on this branch, whatever range was asked for; 0 when there is none."""
    last_step: int = 0
    steps_per_point: int = 1
    step: list[int] = []
    """Last step of the point."""
    at: list[float] = []
    """Unix time of that step."""
    tokens: list[int] = []
    """Tokens trained on up to and with that step, since the branch began."""
    loss: list[float | None] = []
    """Mean over the point's steps."""
    loss_min: list[float | None] = []
    loss_max: list[float | None] = []
    learning_rate: list[float | None] = []
    grad_norm: list[float | None] = []
    tokens_per_second: list[float | None] = []
    memory_bytes: list[int] = []


class HistoryMarksResult(Struct, frozen=True, kw_only=True):
    """What is drawn beside the curve: files, places of recovery, evaluations."""

    files: list[FileSpan] = []
    resumes: list[ResumeMark] = []
    evaluations: list[EvaluationRow] = []


class EventsResult(Struct, frozen=True, kw_only=True):
    """What happened, oldest first: notices, checkpoints, evaluations, files that began or ended, settings, base and run
    state."""

    events: list[AnyServiceEvent]


class EvaluationsResult(Struct, frozen=True, kw_only=True):
    """Evaluations by step."""

    rows: list[EvaluationRow]


class SamplesResult(Struct, frozen=True, kw_only=True):
    """Samples by step."""

    rows: list[SampleRow]


class LogsResult(Struct, frozen=True, kw_only=True):
    """Log lines, oldest first."""

    lines: list[str]


class ConfigResult(Struct, frozen=True, kw_only=True):
    """Settings with their declarations."""

    settings: list[SettingView]


class BaseResult(Struct, frozen=True, kw_only=True):
    """The base model in force, None before one was set."""

    base: BaseModelView | None
    lineage: LineageView | None = None


class ValidationView(Struct, frozen=True, kw_only=True):
    """The frozen validation set, if there is one."""

    validation_id: str = ""
    num_rows: int = 0
    source: str = ""
    created_at: float | None = None


class LineageNewResult(Struct, frozen=True, kw_only=True):
    """A new lineage starts from the base model; the old checkpoints stay."""

    lineage: LineageView


class CheckpointsResult(Struct, frozen=True, kw_only=True):
    """Checkpoints, newest first."""

    checkpoints: list[CheckpointView]


class Done(Struct, frozen=True, kw_only=True):
    """What was done, in words."""

    done: str
