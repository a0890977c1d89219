"""Status: one glance tells all."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from backend.contract.jobs import JobView


class RunState(StrEnum):
    """What the user wants; survives restart and reboot."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class Activity(StrEnum):
    """The state pill."""

    IDLE = "idle"
    CHECKING = "checking"
    TRAINING = "training"
    PAUSED = "paused"
    RECOVERING = "recovering"
    NEEDS_YOU = "needs_you"
    STOPPED = "stopped"


class ProcessView(Struct, frozen=True, kw_only=True):
    """A living process of ours."""

    pid: int
    started_at: float
    memory_bytes: int = 0


class TrainerView(Struct, frozen=True, kw_only=True):
    """The trainer process."""

    pid: int
    attempt_id: str
    attempt_seq: int
    phase: str
    started_at: float
    last_progress_seconds: float | None = None
    """Since the progress counter moved."""
    device: str = ""


class GpuView(Struct, frozen=True, kw_only=True):
    """A graphics card as its driver reports it."""

    name: str
    memory_used_bytes: int
    memory_total_bytes: int
    utilization_percent: float | None = None
    temperature_celsius: float | None = None


class MachineView(Struct, frozen=True, kw_only=True):
    """Is the machine well: what the status bar shows."""

    cpu_percent: float
    """Of all cores, 0..100."""
    memory_used_bytes: int
    memory_total_bytes: int
    disk_free_bytes: int
    """On the disk of the workspace."""
    gpus: list[GpuView] = []
    monitoring_percent: float | None = None
    """Processor time of service and guardian over the last minute, as a share of all cores, 0..100."""


class StatusView(Struct, frozen=True, kw_only=True):
    """The whole status."""

    workspace: str
    activity: Activity
    run_state: RunState
    stop_file: bool = False
    """The emergency `.stop` file is in force; nothing trains until it is removed."""
    stop_after_file: bool = False
    service: ProcessView | None = None
    trainer: TrainerView | None = None
    base_id: str = ""
    lineage_id: int | None = None
    global_step: int = 0
    checkpoint_step: int = 0
    """Global step of the newest verified checkpoint: what is safe."""
    checkpoint_at: float | None = None
    job: JobView | None = None
    """The file being trained."""
    num_waiting: int = 0
    num_needs_you: int = 0
    loss: float | None = None
    validation_loss: float | None = None
    gap: float | None = None
    think_tag_percent: float | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    queue_eta_seconds: float | None = None
    checking: list[str] = []
    """Names of files being checked."""
    check_progress: dict[int, float] = {}
    """Job to 0..1 while its file is being checked."""
    learning_rate: float | None = None
    memory_bytes: int | None = None
    """Of the trainer: on the graphics card where there is one, else resident."""
    can_undo: str = ""
    """What `queue undo` would take back, in words; '' when nothing."""
    can_redo: str = ""
    machine: MachineView | None = None
    sentence: str = ""
    """The state in one sentence for a person."""
    error: str | None = None
    safe_mode: bool = False
    updated_at: float = 0.0


class TrainingStatusFile(Struct, frozen=True, kw_only=True):
    """`status/training_status.json`: old `jq` lines keep working (FEATURES row 7)."""

    status: str
    current_step: int
    step: int
    total: int
    loss: float | None
    validation_loss: float | None
    val_loss: float | None
    val_train_gap: float | None
    gap: float | None
    think_tag_percent: float | None
    eta: float | None
    """Seconds left for the present file."""
    file: str | None
    error: str | None
    updated_at: float


class MetricRow(Struct, frozen=True, kw_only=True):
    """One optimiser step as `metrics` prints it."""

    step: int
    loss: float
    loss_hex: str
    file: str
    lr: float
    tokens: int
    grad_norm: float
    seconds: float
    attempt: int
    job_id: int
    supervised_tokens: int = 0
    rows_sha256: str = ""


class FileSpan(Struct, frozen=True, kw_only=True):
    """The steps one file took, for the bands of the chart."""

    job_id: int
    file_name: str
    first_step: int
    last_step: int


class ResumeMark(Struct, frozen=True, kw_only=True):
    """A place where training went on in a new process after one ended unexpectedly."""

    step: int
    """First step of the new process."""
    at: float
    reason: str
    """How the process before it ended, in words."""
    num_replayed: int = 0
    """Steps computed again; their losses are the same on a processor."""


class EvaluationRow(Struct, frozen=True, kw_only=True):
    """One evaluation."""

    step: int
    job_id: int
    validation_id: str
    validation_loss: float | None
    train_loss: float | None
    gap: float | None
    heldout_loss: float | None
    at: float


class SampleRow(Struct, frozen=True, kw_only=True):
    """Samples of one step."""

    step: int
    job_id: int
    prompt: str
    text: str
    has_think_tag: bool
    at: float


class Endpoint(Struct, frozen=True, kw_only=True):
    """`status/endpoint.json` (0600): where the service listens."""

    pid: int
    create_time: float
    """Start of the process as psutil gives it; guards against a reused pid."""
    boot_id: str
    port: int
    token: str
    api_version: int
    program_version: str
    started_at: float
    workspace: str = ""
    """Path of the workspace as the service has it, links resolved; '' where an older service wrote this."""
    workspace_device: int = 0
    workspace_inode: int = 0
    """Which folder that is: a copy of the workspace holds a copy of this file and has no service."""
