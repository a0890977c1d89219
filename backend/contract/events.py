"""What the service tells its clients over the event stream.

Events of the log carry `id: EPOCH-SEQUENCE` on the wire and are stored; gauges (StepDone, StatusChanged,
Progress) carry none: what was missed is fetched again from its verb.
"""

from __future__ import annotations

from msgspec import Struct

from backend.contract.datasets import DatasetView
from backend.contract.jobs import JobView
from backend.contract.models import BaseModelView, CheckpointView
from backend.contract.spool import Evaluated, Sampled
from backend.contract.status import StatusView


class ServiceEvent(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all events."""

    at: float


class JobChanged(ServiceEvent, frozen=True, kw_only=True, tag="job_changed"):
    """A job was added or is not what it was; `cause` is the verb or fact behind it."""

    job: JobView
    cause: str = ""


class JobRemoved(ServiceEvent, frozen=True, kw_only=True, tag="job_removed"):
    """A job left the queue by the user's wish (undo brings it back)."""

    job_id: int


class QueueReordered(ServiceEvent, frozen=True, kw_only=True, tag="queue_reordered"):
    """Order of all waiting jobs, first to train first."""

    job_ids: list[int]


class DatasetChecked(ServiceEvent, frozen=True, kw_only=True, tag="dataset_checked"):
    """A file was checked."""

    dataset: DatasetView


class BaseChanged(ServiceEvent, frozen=True, kw_only=True, tag="base_changed"):
    """The base model was set, or its preparation moved on."""

    base: BaseModelView


class CheckpointCommitted(ServiceEvent, frozen=True, kw_only=True, tag="checkpoint_committed"):
    """A checkpoint was verified and is in the index."""

    checkpoint: CheckpointView


class EvaluationDone(ServiceEvent, frozen=True, kw_only=True, tag="evaluation_done"):
    """An evaluation was recorded."""

    evaluation: Evaluated


class SampleDone(ServiceEvent, frozen=True, kw_only=True, tag="sample_done"):
    """Samples were recorded."""

    sample: Sampled


class ConfigChanged(ServiceEvent, frozen=True, kw_only=True, tag="config_changed"):
    """A setting was changed."""

    key: str
    old: str
    new: str


class RunStateChanged(ServiceEvent, frozen=True, kw_only=True, tag="run_state_changed"):
    """Running, paused or stopped, by whom."""

    run_state: str
    cause: str = ""


class Notice(ServiceEvent, frozen=True, kw_only=True, tag="notice"):
    """Something a person should read: what happened, what was done, what is safe, what to do."""

    level: str
    """info, warning or error."""
    title: str
    message: str
    job_id: int | None = None


class StepDone(ServiceEvent, frozen=True, kw_only=True, tag="step_done"):
    """Gauge: the newest optimiser step."""

    job_id: int
    global_step: int
    loss: float
    learning_rate: float
    grad_norm: float
    tokens_per_second: float
    num_tokens: int = 0
    memory_bytes: int = 0


class StatusChanged(ServiceEvent, frozen=True, kw_only=True, tag="status_changed"):
    """Gauge: the whole status, at most once a second."""

    status: StatusView


class Reset(ServiceEvent, frozen=True, kw_only=True, tag="reset"):
    """The id asked for is too old or of another epoch: fetch everything anew."""

    reason: str


AnyServiceEvent = (
    JobChanged
    | JobRemoved
    | QueueReordered
    | DatasetChecked
    | BaseChanged
    | CheckpointCommitted
    | EvaluationDone
    | SampleDone
    | ConfigChanged
    | RunStateChanged
    | Notice
    | StepDone
    | StatusChanged
    | Reset
)
