"""Arguments of the verbs. Fields become arguments at the prompt and fields of the request.

`extra={"positional": True}` in a field's Meta puts it by place instead of by `--name`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from backend.contract.jobs import Priority


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
    yes: Annotated[
        bool, _named("Also a folder with more than 1,000 training files or 10 GB of them, your home folder or /.")
    ] = False


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
    offset: Annotated[int, Meta(ge=0, description="How many to leave out from the start.")] = 0
    limit: Annotated[int | None, _named("Most jobs to show.")] = None


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


class HistoryArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `history`."""

    start: Annotated[int, Meta(ge=0, description="First step.")] = 0
    end: Annotated[int | None, _named("Last step; without it the newest.")] = None
    buckets: Annotated[int, Meta(ge=1, le=5000, description="Most points to answer with.")] = 1000


class EventsArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `events`."""

    limit: Annotated[int, Meta(ge=1, le=5000, description="How many of the newest.")] = 200


class LogsArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `logs`."""

    lines: Annotated[int, _named("How many of the newest lines.")] = 100
    follow: Annotated[bool, _named("Go on printing as lines come.")] = False


class ConfigSetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `config set`."""

    key: Annotated[str, _by_place("Name of the setting, e.g. learning_rate.")]
    value: Annotated[str, _by_place("New value.")]


class BaseSetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `base set`."""

    source: Annotated[
        str, _by_place("A folder, a .gguf file, a Hub id like org/name, or the word sample for the model of the demo.")
    ]
    revision: Annotated[str, _named("Branch, tag or commit of a Hub id.")] = "main"


class ValidationSetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `validation set`."""

    path: Annotated[str, _by_place("File whose rows become the validation set.")]


class DatasetArgs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `dataset show`."""

    job_id: Annotated[int, _by_place("Number of a job that uses the file.")]
