"""Each verb, declared once: routes, prompt, command palette and docs derive from this table.

A verb's name is its route (`queue.move` answers at /v1/queue/move) and its words at the prompt
(`queue move`). Fields of its argument struct (arguments.py) become arguments; results.py holds the answers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from backend.contract.arguments import (
    AddArgs,
    BaseSetArgs,
    ClearArgs,
    ConfigSetArgs,
    DatasetArgs,
    EventsArgs,
    HistoryArgs,
    JobArgs,
    LogsArgs,
    MetricsArgs,
    MoveArgs,
    NoArgs,
    PauseArgs,
    PriorityArgs,
    QueueListArgs,
    StopArgs,
    ValidationSetArgs,
)
from backend.contract.datasets import DatasetView
from backend.contract.results import (
    AddResult,
    BaseResult,
    CheckpointsResult,
    ConfigResult,
    Done,
    EvaluationsResult,
    EventsResult,
    HistoryMarksResult,
    HistoryResult,
    LineageNewResult,
    LogsResult,
    MetricsResult,
    QueueResult,
    QueueStatus,
    SamplesResult,
    UndoResult,
    ValidationView,
)
from backend.contract.status import StatusView

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
    route: str = ""
    """Where the name's own route is taken already: /v1/events is the stream of what happens from now on."""

    @property
    def path(self) -> str:
        """Route of the verb."""
        return "/v1/" + (self.route or self.name.replace(".", "/"))


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
        "Queue ended or blocked jobs again. What has trained steps goes on with its own settings; what could not begin "
        "takes the settings of today.",
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
    _verb(
        "history",
        "Curve",
        "Losses and rates of a range of steps, thinned to so many points.",
        HistoryArgs,
        HistoryResult,
        changes=False,
    ),
    _verb(
        "history.marks",
        "Marks of the curve",
        "Which file took which steps, where training recovered, evaluations.",
        NoArgs,
        HistoryMarksResult,
        changes=False,
    ),
    _verb(
        "events",
        "Events",
        "What happened lately.",
        EventsArgs,
        EventsResult,
        changes=False,
        route="events/newest",
    ),
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
        "A folder, a GGUF file, a Hub id, or sample.",
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
