"""What service and trainer tell each other, through files in the attempt's spool folder.

control.json   service -> trainer   the desired state, replaced atomically; the trainer compares `seq`
events.jsonl   trainer -> service   one TrainerEvent a line, numbered by `n` from 1, appended only
progress.bin   trainer -> service   backend.formats.progress: a counter that moves, memory-mapped
trainer.lock   held by the trainer for its whole life
exit.json      ExitRecord, the trainer's last words
stderr.log     whatever it and its libraries printed
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from backend.contract.errors import ErrorBody
from backend.contract.models import BaseModelView, CheckpointRef
from backend.contract.settings import TrainingSettings


class Desired(StrEnum):
    """What the service wants of the trainer process."""

    RUN = "run"
    """Train the assignment; without one stay warm and wait."""
    PAUSE = "pause"
    """Hold within one micro-batch, keep the model in memory (a checkpoint of the last full step is saved)."""
    STOP = "stop"
    """Drop the partial step, save the last full one, end the process."""


class Assignment(Struct, frozen=True, kw_only=True):
    """One job for the trainer. Another turn (or None) in control.json means: save and leave this one."""

    job_id: int
    turn: int
    """Counts assignments; the same job given again after it was left has another turn."""
    file_name: str
    dataset_id: str = ""
    lineage_id: int
    branch: int
    attempt_seq: int
    base: BaseModelView
    settings: TrainingSettings
    tokens_folder: str
    heldout_folder: str = ""
    validation_folder: str = ""
    validation_id: str = ""
    start: CheckpointRef | None = None
    """Head of the lineage; None starts a fresh adapter. The trainer never chooses."""
    global_step: int = 0
    """Optimiser steps of the lineage before the next one (equals start.global_step)."""
    job_step: int = 0
    """Optimiser steps of this job already inside `start`: the cursor."""
    checkpoint_root: str
    """Where checkpoints are committed: `current_model/`."""
    evaluated_at_step: int = -1
    """Global step of the last recorded evaluation of this branch; -1 none."""
    sampled_at_step: int = -1
    token_budget: int = 0
    """0: the trainer measures it (and reports it with BudgetChanged); else as fixed for this job."""
    num_threads: int = 0
    disk_floor_bytes: int = 0
    sample_prompts: list[str] = []
    """Prompts for samples; empty lets the trainer take them from the validation set."""


class Request(Struct, frozen=True, kw_only=True):
    """A one-shot wish; stays in control.json until its RequestDone is in the database."""

    request_id: str
    kind: str
    """save, evaluate or sample."""


class Control(Struct, frozen=True, kw_only=True):
    """The desired state, whole."""

    seq: int
    desired: Desired
    assignment: Assignment | None = None
    requests: list[Request] = []
    idle_retire_seconds: float = 0.0
    """A trainer without a job that is told nothing new for so long ends by itself: there may be no service any more.
    0: never."""


class TrainerEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events: `n` numbers the events of one attempt from 1, `at` is unix time in seconds."""

    n: int
    at: float


class Started(TrainerEvent, frozen=True, kw_only=True, tag="started"):
    """The process is up and imported."""

    pid: int
    device: str
    versions: dict[str, str] = {}


class PhaseChanged(TrainerEvent, frozen=True, kw_only=True, tag="phase"):
    """idle, loading, measuring, training, evaluating, sampling, saving, paused."""

    phase: str
    job_id: int | None = None
    detail: str = ""


class JobStarted(TrainerEvent, frozen=True, kw_only=True, tag="job_started"):
    """The first forward of the job is next."""

    job_id: int
    turn: int
    global_step: int
    job_step: int
    total_steps: int
    num_rows: int
    order_sha256: str
    """Fingerprint of rows and order; must equal the checkpoint's when the job is continued."""
    token_budget: int
    num_threads: int
    warm: bool
    """True when base model and adapter were already in memory."""


class Step(TrainerEvent, frozen=True, kw_only=True, tag="step"):
    """One optimiser step done."""

    job_id: int
    global_step: int
    """Number of this step, 1 for the first of a lineage."""
    job_step: int
    loss: float
    """Mean negative log-likelihood per supervised token of the step, natural log."""
    loss_hex: str
    learning_rate: float
    grad_norm: float
    num_tokens: int
    num_supervised: int
    num_micro_batches: int
    seconds: float
    rows: list[int]
    """Row ids of the token store, in order."""
    memory_bytes: int = 0


class Evaluated(TrainerEvent, frozen=True, kw_only=True, tag="evaluated"):
    """An evaluation, with dropout off, all losses per supervised token."""

    job_id: int
    global_step: int
    validation_id: str
    validation_loss: float | None
    """None without a validation set."""
    validation_example_loss: float | None = None
    """Mean over rows instead of tokens."""
    train_loss: float | None = None
    """Over a fixed probe of at most 200 rows of the present file."""
    gap: float | None = None
    """validation_loss - train_loss; positive means validation is worse."""
    heldout_loss: float | None = None
    seconds: float = 0.0
    request_id: str = ""


class Sample(Struct, frozen=True, kw_only=True):
    """One prompt and its answer."""

    prompt: str
    text: str
    has_think_tag: bool


class Sampled(TrainerEvent, frozen=True, kw_only=True, tag="sampled"):
    """Fixed prompts answered by the model as it is."""

    job_id: int
    global_step: int
    samples: list[Sample]
    think_tag_percent: float | None
    seconds: float = 0.0
    request_id: str = ""


class CheckpointSaved(TrainerEvent, frozen=True, kw_only=True, tag="checkpoint"):
    """A checkpoint folder was committed by rename; the service verifies it next."""

    job_id: int
    path: str
    manifest_sha256: str
    global_step: int
    job_step: int
    size_bytes: int
    seconds: float
    """Time the training thread was held up."""


class Paused(TrainerEvent, frozen=True, kw_only=True, tag="paused"):
    """Holding; the model stays in memory."""

    job_id: int | None = None
    reason: str = ""
    """'' when asked, 'disk_full' when the floor was reached, 'stop_file' ..."""


class Resumed(TrainerEvent, frozen=True, kw_only=True, tag="resumed"):
    """Going on after a pause."""

    job_id: int | None = None


class JobFinished(TrainerEvent, frozen=True, kw_only=True, tag="job_finished"):
    """All rows were trained on and the last checkpoint is committed."""

    job_id: int
    turn: int
    global_step: int
    job_step: int


class JobLeft(TrainerEvent, frozen=True, kw_only=True, tag="job_left"):
    """The job was left before its end; the last full step is in a checkpoint."""

    job_id: int
    turn: int
    global_step: int
    job_step: int
    reason: str
    """stop, skip or stop_file."""


class JobFailed(TrainerEvent, frozen=True, kw_only=True, tag="job_failed"):
    """The job cannot go on for a reason that a restart does not mend."""

    job_id: int
    turn: int
    error: ErrorBody


class RequestDone(TrainerEvent, frozen=True, kw_only=True, tag="request_done"):
    """A one-shot request was carried out, or could not be."""

    request_id: str
    error: ErrorBody | None = None


class BudgetChanged(TrainerEvent, frozen=True, kw_only=True, tag="budget_changed"):
    """The token budget was measured, or halved after out of memory (then: same examples, not same bits)."""

    job_id: int
    token_budget: int
    reason: str
    """measured or out_of_memory."""
    global_step: int = 0


class Exiting(TrainerEvent, frozen=True, kw_only=True, tag="exiting"):
    """Last event of an orderly end."""

    reason: str


AnyTrainerEvent = (
    Started
    | PhaseChanged
    | JobStarted
    | Step
    | Evaluated
    | Sampled
    | CheckpointSaved
    | Paused
    | Resumed
    | JobFinished
    | JobLeft
    | JobFailed
    | RequestDone
    | BudgetChanged
    | Exiting
)


class ExitRecord(Struct, frozen=True, kw_only=True):
    """`exit.json`: why the trainer ended, written by itself."""

    reason: str
    """stopped, out_of_memory, non_finite, disk_full, storage, bad_checkpoint, bad_base, bad_model, bad_assignment
    or internal."""
    error: ErrorBody | None = None
    traceback: str = ""
    job_id: int | None = None
    global_step: int | None = None
    at: float = 0.0


class CheckpointMeta(Struct, frozen=True, kw_only=True):
    """`meta` of a checkpoint's MANIFEST.json."""

    kind: str = "checkpoint"
    lineage_id: int
    branch: int
    attempt_seq: int
    base_id: str
    global_step: int
    job_id: int
    dataset_id: str = ""
    """Of the job's file; '' in checkpoints from before this was written down."""
    job_step: int
    total_steps: int
    loss_hex: str = ""
    """Loss of the last step, exact."""
    order_sha256: str = ""
    token_budget: int = 0
    num_threads: int = 0
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    tensors_sha256: str = ""
    """Digest over names, dtypes, shapes and bytes of adapter and optimiser tensors; checked after loading."""
    versions: dict[str, str] = {}
    created_at: float = 0.0
