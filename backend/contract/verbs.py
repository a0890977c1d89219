"""Each verb, declared once: routes, prompt, command palette and docs derive from this table.

A verb's name is its route (`queue.move` answers at /v1/queue/move) and its words at the prompt
(`queue move`). Fields of its argument struct become arguments; `extra={"positional": True}` in a field's Meta
puts it by place instead of by `--name`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from backend.contract.datasets import DatasetView
from backend.contract.jobs import JobView, Priority
from backend.contract.models import BaseModelView, CheckpointView, LineageView
from backend.contract.settings import SettingView
from backend.contract.status import EvaluationRow, MetricRow, SampleRow, StatusView

API_VERSION = 1


class Protection(StrEnum):
    """What stands before a verb."""

    NONE = "none"
    CONFIRM = "confirm"
    """Needs `--confirm`."""


class Verb(Struct, frozen=True, kw_only=True):
    """One thing a user can do."""

    name: str
    title: str
    help: str
    args: type[Struct]
    result: Any
    """Type of the answer."""
    changes: bool
    """True: POST with an idempotency key. False: GET."""
    protection: Protection = Protection.NONE
    offline: bool = False
    """Answered without a service when none runs (from status/last.json, config.json, lock and heartbeat)."""

    @property
    def path(self) -> str:
        """Route of the verb."""
        return "/v1/" + self.name.replace(".", "/")


def _by_place(description: str) -> Meta:
    return Meta(description=description, extra={"positional": True})


def _named(description: str) -> Meta:
    return Meta(description=description)


class NoArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No arguments."""


class AddArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `add`."""

    paths: Annotated[list[str], _by_place("Files or folders of training data.")]
    priority: Annotated[Priority, _named("Group of the queue.")] = Priority.NORMAL


class AddResult(Struct, frozen=True, kw_only=True):
    """Jobs made, and files refused at once with the reason."""

    jobs: list[JobView]
    refused: list[RefusedFile] = []


class RefusedFile(Struct, frozen=True, kw_only=True):
    """A file that could not even be staged."""

    path: str
    code: str
    message: str


class JobArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments that name jobs."""

    job_ids: Annotated[list[int], _by_place("Numbers of the jobs, as `queue list` shows them.")]


class MoveArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `queue move`."""

    job_ids: Annotated[list[int], _by_place("Numbers of the jobs to move; they keep their order.")]
    before: Annotated[int | None, _named("Put them before this job (and into its priority).")] = None
    after: Annotated[int | None, _named("Put them after this job (and into its priority).")] = None
    to: Annotated[int | None, _named("Put them at this place of their priority, 1 is first.")] = None


class PriorityArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `queue set-priority`."""

    job_ids: Annotated[list[int], _by_place("Numbers of the jobs.")]
    priority: Annotated[Priority, _named("high, normal or low.")]


class ClearArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `queue clear`."""

    what: Annotated[str, _by_place("finished (also skipped ones), failed or waiting.")] = "finished"


class QueueListArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `queue list`."""

    every: Annotated[bool, _named("Also those that ended.")] = True


class QueueResult(Struct, frozen=True, kw_only=True):
    """The queue in the order it will be trained, then what ended, newest first."""

    jobs: list[JobView]


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


class StopArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `stop`."""

    now: Annotated[bool, _named("Save and stop at once; without it the present file is finished first.")] = False


class PauseArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `pause`."""

    free: Annotated[bool, _named("Also end the trainer, so that its memory is free.")] = False


class MetricsArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `metrics`."""

    start: Annotated[int, _named("First step.")] = 0
    end: Annotated[int | None, _named("Last step.")] = None
    superseded: Annotated[bool, _named("Also steps that a later attempt replayed.")] = False
    limit: Annotated[int, _named("Most rows; the newest are kept.")] = 1_000_000


class MetricsResult(Struct, frozen=True, kw_only=True):
    """Rows by step."""

    rows: list[MetricRow]


class EvaluationsResult(Struct, frozen=True, kw_only=True):
    """Evaluations by step."""

    rows: list[EvaluationRow]


class SamplesResult(Struct, frozen=True, kw_only=True):
    """Samples by step."""

    rows: list[SampleRow]


class LogsArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `logs`."""

    lines: Annotated[int, _named("How many of the newest lines.")] = 100
    follow: Annotated[bool, _named("Go on printing as lines come.")] = False


class LogsResult(Struct, frozen=True, kw_only=True):
    """Log lines, oldest first."""

    lines: list[str]


class ConfigSetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `config set`."""

    key: Annotated[str, _by_place("Name of the setting, e.g. learning_rate.")]
    value: Annotated[str, _by_place("New value.")]


class ConfigResult(Struct, frozen=True, kw_only=True):
    """Settings with their declarations."""

    settings: list[SettingView]


class BaseSetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `base set`."""

    source: Annotated[str, _by_place("A folder, a .gguf file, or a Hub id like org/name.")]
    revision: Annotated[str, _named("Branch, tag or commit of a Hub id.")] = "main"


class BaseResult(Struct, frozen=True, kw_only=True):
    """The base model in force, None before one was set."""

    base: BaseModelView | None
    lineage: LineageView | None = None


class ValidationSetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `validation set`."""

    path: Annotated[str, _by_place("File whose rows become the validation set.")]


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


class DatasetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `dataset show`."""

    job_id: Annotated[int, _by_place("Number of a job that uses the file.")]


class Done(Struct, frozen=True, kw_only=True):
    """What was done, in words."""

    done: str


def _verb(name: str, title: str, help: str, args: type[Struct], result: Any, **more: Any) -> Verb:  # noqa: A002 - the field's name
    return Verb(name=name, title=title, help=help, args=args, result=result, **more)


VERBS: tuple[Verb, ...] = (
    _verb("add", "Add files", "Queue training files.", AddArgs, AddResult, changes=True),
    _verb(
        "queue.list",
        "Show the queue",
        "Jobs in the order they will be trained.",
        QueueListArgs,
        QueueResult,
        changes=False,
    ),
    _verb(
        "queue.status",
        "Queue in numbers",
        "Counts, time left, what is next.",
        NoArgs,
        QueueStatus,
        changes=False,
    ),
    _verb("queue.move", "Move jobs", "Change the order of the queue.", MoveArgs, QueueResult, changes=True),
    _verb(
        "queue.set-priority",
        "Change priority",
        "Move jobs to another group.",
        PriorityArgs,
        QueueResult,
        changes=True,
    ),
    _verb(
        "queue.hold",
        "Hold jobs",
        "Keep jobs in the queue without training them.",
        JobArgs,
        QueueResult,
        changes=True,
    ),
    _verb("queue.release", "Release jobs", "Let held jobs train again.", JobArgs, QueueResult, changes=True),
    _verb(
        "queue.retry",
        "Retry jobs",
        "Queue ended or blocked jobs again; skipped ones continue where they were.",
        JobArgs,
        QueueResult,
        changes=True,
    ),
    _verb(
        "queue.remove",
        "Remove jobs",
        "Take jobs out of the queue; undo brings them back.",
        JobArgs,
        QueueResult,
        changes=True,
    ),
    _verb(
        "queue.clear",
        "Clear the queue",
        "Remove all finished, failed or waiting jobs.",
        ClearArgs,
        QueueResult,
        changes=True,
    ),
    _verb("queue.undo", "Undo", "Take back the last change of the queue.", NoArgs, UndoResult, changes=True),
    _verb("queue.redo", "Redo", "Do again what was undone.", NoArgs, UndoResult, changes=True),
    _verb(
        "dataset.show",
        "Show a file's report",
        "What the check found, and rows as the model sees them.",
        DatasetArgs,
        DatasetView,
        changes=False,
    ),
    _verb(
        "status",
        "Status",
        "What trains, how far, is it well.",
        NoArgs,
        StatusView,
        changes=False,
        offline=True,
    ),
    _verb("metrics", "Metrics", "One row a step.", MetricsArgs, MetricsResult, changes=False),
    _verb("evaluations", "Evaluations", "Validation losses by step.", NoArgs, EvaluationsResult, changes=False),
    _verb("samples", "Samples", "Answers of the model by step.", NoArgs, SamplesResult, changes=False),
    _verb(
        "evaluate",
        "Evaluate now",
        "Measure the validation loss at the next step.",
        NoArgs,
        Done,
        changes=True,
    ),
    _verb("sample", "Sample now", "Answer the sample prompts at the next step.", NoArgs, Done, changes=True),
    _verb("pause", "Pause", "Hold training within one micro-batch.", PauseArgs, StatusView, changes=True),
    _verb("resume", "Resume", "Go on training, also after stop.", NoArgs, StatusView, changes=True),
    _verb("stop", "Stop", "Stop after the present file, or now.", StopArgs, StatusView, changes=True),
    _verb(
        "skip",
        "Skip file",
        "Save and leave the present file; retry continues it.",
        NoArgs,
        StatusView,
        changes=True,
    ),
    _verb("logs", "Logs", "Newest lines of the log.", LogsArgs, LogsResult, changes=False, offline=True),
    _verb(
        "config.show",
        "Show settings",
        "Every setting, its value and what it does.",
        NoArgs,
        ConfigResult,
        changes=False,
        offline=True,
    ),
    _verb(
        "config.set",
        "Change a setting",
        "Holds for files added from now on.",
        ConfigSetArgs,
        ConfigResult,
        changes=True,
    ),
    _verb(
        "base.set",
        "Set the base model",
        "A folder, a GGUF file or a Hub id.",
        BaseSetArgs,
        BaseResult,
        changes=True,
    ),
    _verb(
        "base.show",
        "Show the base model",
        "Which model training starts from.",
        NoArgs,
        BaseResult,
        changes=False,
    ),
    _verb(
        "validation.set",
        "Set the validation file",
        "Use your own rows to measure with.",
        ValidationSetArgs,
        ValidationView,
        changes=True,
    ),
    _verb(
        "validation.show",
        "Show the validation set",
        "Which rows are held out.",
        NoArgs,
        ValidationView,
        changes=False,
    ),
    _verb(
        "lineage.new",
        "New lineage",
        "Start again from the base model; what was trained stays.",
        NoArgs,
        LineageNewResult,
        changes=True,
        protection=Protection.CONFIRM,
    ),
    _verb(
        "checkpoints.list",
        "Show checkpoints",
        "Verified checkpoints, newest first.",
        NoArgs,
        CheckpointsResult,
        changes=False,
    ),
    _verb(
        "shutdown",
        "End the service",
        "Save, end trainer and service; the next start goes on.",
        NoArgs,
        Done,
        changes=True,
    ),
)

BY_NAME: dict[str, Verb] = {verb.name: verb for verb in VERBS}
