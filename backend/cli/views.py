"""One function a result type: what a verb's answer looks like to a person. Builds renderables, prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from backend.cli import words
from backend.cli.printing import facts, table
from backend.contract import verbs
from backend.contract.datasets import DatasetView
from backend.contract.jobs import JobState, JobView
from backend.contract.status import Activity, StatusView

ACTIVITY_WORDS = {
    Activity.IDLE: "Idle",
    Activity.CHECKING: "Checking",
    Activity.TRAINING: "Training",
    Activity.PAUSED: "Paused",
    Activity.RECOVERING: "Recovering",
    Activity.NEEDS_YOU: "Needs you",
    Activity.STOPPED: "Stopped",
}
_GOOD, _BUSY, _WATCH, _BAD = "green", "blue", "yellow", "red"
_ACTIVITY_STYLES = {
    Activity.CHECKING: _BUSY,
    Activity.TRAINING: _BUSY,
    Activity.PAUSED: _WATCH,
    Activity.RECOVERING: _WATCH,
    Activity.NEEDS_YOU: _BAD,
    Activity.STOPPED: _BAD,
}
_STATE_STYLES = {
    JobState.FINISHED: _GOOD,
    JobState.CHECKING: _BUSY,
    JobState.STARTING: _BUSY,
    JobState.TRAINING: _BUSY,
    JobState.EVALUATING: _BUSY,
    JobState.SAVING: _BUSY,
    JobState.PAUSED: _WATCH,
    JobState.HELD: _WATCH,
    JobState.BLOCKED: _BAD,
    JobState.FAILED: _BAD,
    JobState.QUARANTINED: _BAD,
}
_BAR_CELLS = 24
_METRICS_SHOWN = 50
"""Rows of `metrics` a person sees without --json; a program gets all."""


def render(result: Struct, console: Console) -> RenderableType:
    """What to print for a result."""
    return _RENDERERS[type(result)](result, console.is_terminal)


def state_text(job: JobView) -> Text:
    """A job's state in its colour."""
    return Text(job.state.value, style=_STATE_STYLES.get(job.state, ""))


def _added(result: verbs.AddResult, grouped: bool) -> RenderableType:
    lines = [
        Text(f"Job {job.job_id}: {words.clean(job.file_name)}, {words.size(job.size_bytes)}.") for job in result.jobs
    ]
    return Group(*lines)


def _queue(result: verbs.QueueResult, grouped: bool) -> RenderableType:
    if not result.jobs:
        return Text("The queue is empty. `add FILE ...` puts files into it; files in the inbox come by themselves.")
    shown = table(
        "job",
        "state",
        "priority",
        "steps",
        "of",
        "loss",
        "left",
        "file",
        "",
        numbers=("job", "steps", "of", "loss", "left"),
    )
    for job in result.jobs:
        shown.add_row(
            str(job.job_id),
            state_text(job),
            job.priority.value,
            words.count(job.done_steps, grouped=grouped),
            words.count(job.total_steps or None, grouped=grouped),
            words.loss(job.last_loss),
            words.duration(job.eta_seconds),
            Text(words.clean(job.file_name)),
            Text(words.clean(job.reason)),
        )
    return shown


def _queue_status(result: verbs.QueueStatus, grouped: bool) -> RenderableType:
    counts = ", ".join(f"{number} {state}" for state, number in result.counts.items() if number)
    rows: list[tuple[str, Any]] = [
        ("jobs", counts or "none"),
        ("waiting", words.plural(result.waiting_steps, "step")),
        ("done in", words.duration(result.eta_seconds)),
    ]
    if result.next_job is not None:
        rows.append(("next", f"{result.next_job.job_id}: {words.clean(result.next_job.file_name)}"))
    if result.can_undo:
        rows.append(("undo", result.can_undo))
    if result.can_redo:
        rows.append(("redo", result.can_redo))
    return facts(rows)


def _status(view: StatusView, grouped: bool) -> RenderableType:
    head = Text(ACTIVITY_WORDS[view.activity], style=f"bold {_ACTIVITY_STYLES.get(view.activity, '')}".strip())
    head.append(f"  {words.clean(view.sentence)}", style="not bold default")
    rows: list[tuple[str, Any]] = []
    if view.error:
        rows.append(("error", Text(words.clean(view.error), style=_BAD)))
    if view.stop_file:
        rows.append(
            ("stop file", Text("in force: nothing trains until .stop is removed from the workspace", style=_BAD))
        )
    if view.safe_mode:
        rows.append(("safe mode", Text("the service starts no training", style=_BAD)))
    rows.extend(_status_job(view, grouped))
    waiting = words.plural(view.num_waiting, "file") + " waiting"
    if view.num_needs_you:
        waiting += f", {view.num_needs_you} " + ("needs you" if view.num_needs_you == 1 else "need you")
    if view.queue_eta_seconds is not None:
        waiting += f", all done in {words.duration(view.queue_eta_seconds)}"
    rows.append(("queue", waiting))
    if view.checking:
        rows.append(("checking", ", ".join(words.clean(name) for name in view.checking)))
    rows.append(("safe", _safe(view, grouped)))
    rows.append(("model", view.base_id or "none yet; `base set MODEL` chooses one"))
    rows.append(("processes", _processes(view)))
    rows.append(("workspace", view.workspace))
    return Group(head, facts(rows))


def _status_job(view: StatusView, grouped: bool) -> list[tuple[str, Any]]:
    job = view.job
    rows: list[tuple[str, Any]] = []
    if job is not None:
        of = f"step {words.count(job.done_steps, grouped=grouped)} of {words.count(job.total_steps, grouped=grouped)}"
        left = f", {words.duration(view.eta_seconds)} left" if view.eta_seconds is not None else ""
        last = ", the last before stopping" if view.stop_after_file else ""
        rows.append(("file", f"{words.clean(job.file_name)} (job {job.job_id}, {job.state.value}{last})"))
        rows.append(("progress", f"{_bar(job.done_steps, job.total_steps)}{of}{left}"))
    if view.loss is not None:
        learned = f"{words.loss(view.loss)} training, {words.loss(view.validation_loss)} validation, gap {words.gap(view.gap)}"
        rows.append(("loss", learned))
    if view.think_tag_percent is not None:
        rows.append(("think tags", f"{view.think_tag_percent:.0f} % of the samples"))
    if view.tokens_per_second is not None:
        rows.append(("speed", f"{words.count(view.tokens_per_second, grouped=grouped)} tokens/s"))
    return rows


def _bar(done: int, total: int) -> str:
    if not total:
        return ""
    filled = min(_BAR_CELLS, round(_BAR_CELLS * done / total))
    return f"{'█' * filled}{'░' * (_BAR_CELLS - filled)} {100 * done // total} %  "


def _safe(view: StatusView, grouped: bool) -> str:
    if not view.checkpoint_step:
        return "no checkpoint yet"
    at = f", saved {words.ago(view.checkpoint_at)}" if view.checkpoint_at else ""
    lost = view.global_step - view.checkpoint_step
    behind = f"; {words.plural(lost, 'step')} since" if lost > 0 else ""
    return f"step {words.count(view.checkpoint_step, grouped=grouped)}{at}{behind}"


def _processes(view: StatusView) -> str:
    parts = [f"service {view.service.pid}" if view.service else "no service"]
    if view.trainer is not None:
        told = ", ".join(part for part in (view.trainer.phase, view.trainer.device) if part)
        parts.append(f"trainer {view.trainer.pid}" + (f" ({told})" if told else ""))
    else:
        parts.append("no trainer")
    return ", ".join(parts)


def _metrics(result: verbs.MetricsResult, grouped: bool) -> RenderableType:
    if not result.rows:
        return Text("No step was trained yet.")
    shown = table(
        "step",
        "loss",
        "lr",
        "tokens",
        "grad norm",
        "s",
        "file",
        numbers=("step", "loss", "lr", "tokens", "grad norm", "s"),
    )
    rows = result.rows[-_METRICS_SHOWN:] if grouped else result.rows
    for row in rows:
        shown.add_row(
            words.count(row.step, grouped=grouped),
            words.loss(row.loss),
            f"{row.lr:.2e}",
            words.count(row.tokens, grouped=grouped),
            f"{row.grad_norm:.3f}",
            f"{row.seconds:.2f}",
            Text(words.clean(row.file)),
        )
    hidden = len(result.rows) - len(rows)
    return (
        Group(Text(f"{words.plural(hidden, 'earlier step')} not shown; --start and --end choose."), shown)
        if hidden
        else shown
    )


def _evaluations(result: verbs.EvaluationsResult, grouped: bool) -> RenderableType:
    if not result.rows:
        return Text("No evaluation yet.")
    numbers = ("step", "validation", "training", "own held-out")
    shown = table("step", "validation", "training", "gap", "own held-out", "when", numbers=numbers)
    for row in result.rows:
        shown.add_row(
            words.count(row.step, grouped=grouped),
            words.loss(row.validation_loss),
            words.loss(row.train_loss),
            words.gap(row.gap),
            words.loss(row.heldout_loss),
            words.ago(row.at),
        )
    return shown


def _samples(result: verbs.SamplesResult, grouped: bool) -> RenderableType:
    if not result.rows:
        return Text("No sample yet.")
    blocks = []
    for row in result.rows:
        blocks.append(Text(f"step {words.count(row.step, grouped=grouped)}: {words.clean(row.prompt)}", style="bold"))
        blocks.append(Text(words.clean(row.text) + "\n"))
    return Group(*blocks)


def _logs(result: verbs.LogsResult, grouped: bool) -> RenderableType:
    return Text("\n".join(words.clean(line) for line in result.lines) or "The log is empty.")


def _config(result: verbs.ConfigResult, grouped: bool) -> RenderableType:
    shown = table("setting", "value", "default", "what it does", numbers=("value", "default"))
    for view in result.settings:
        changed = view.value != view.default
        value = Text(f"{setting_value(view.value)} {view.unit}".strip(), style="bold" if changed else "")
        told = f"{view.title}. {view.help}" + (" Locked once trained." if view.locked else "")
        shown.add_row(view.key, value, setting_value(view.default), Text(told))
    return shown


def setting_value(value: object) -> str:
    """A setting's value as it is typed at a prompt."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _base(result: verbs.BaseResult, grouped: bool) -> RenderableType:
    base = result.base
    if base is None:
        return Text("No base model yet. `base set` takes a folder, a .gguf file or a Hub id like org/name.")
    rows: list[tuple[str, Any]] = [
        ("base model", base.base_id),
        ("state", base.state + (f": {base.reason}" if base.reason else "")),
    ]
    if base.num_parameters:
        rows.append(("parameters", words.count(base.num_parameters, grouped=grouped)))
    if base.model_type:
        rows.append(("kind", base.model_type))
    rows += [("from", words.clean(base.source)), ("folder", base.folder)]
    if result.lineage is not None:
        rows.append(("lineage", _lineage_words(result.lineage)))
    return facts(rows)


def _lineage_words(lineage: Any) -> str:
    return (
        f"{lineage.lineage_id}, r={lineage.lora_r}, alpha={lineage.lora_alpha:g}, {lineage.target_modules}, "
        f"{lineage.quantization}/{lineage.dtype}, at step {words.count(lineage.head_step)}"
    )


def _validation(result: verbs.ValidationView, grouped: bool) -> RenderableType:
    if not result.validation_id:
        return Text("No validation set yet. It is taken from the first file, or `validation set FILE` names your own.")
    return facts(
        [
            ("validation set", result.validation_id[:16]),
            ("rows", words.count(result.num_rows, grouped=grouped)),
            ("from", words.clean(result.source)),
            ("made", words.ago(result.created_at)),
        ]
    )


def _lineage(result: verbs.LineageNewResult, grouped: bool) -> RenderableType:
    return Text(f"Lineage {_lineage_words(result.lineage)}. What was trained before stays.")


def _checkpoints(result: verbs.CheckpointsResult, grouped: bool) -> RenderableType:
    if not result.checkpoints:
        return Text("No checkpoint yet.")
    shown = table("step", "job", "size", "lineage", "verified", "folder", numbers=("step", "job", "size", "lineage"))
    for view in result.checkpoints:
        verified = words.ago(view.verified_at) if view.verified_at else "not yet"
        shown.add_row(
            words.count(view.global_step, grouped=grouped),
            str(view.job_id),
            words.size(view.size_bytes),
            str(view.lineage_id),
            verified,
            view.path,
        )
    return shown


def _dataset(view: DatasetView, grouped: bool) -> RenderableType:
    rows: list[tuple[str, Any]] = [
        ("file", words.clean(view.file_name)),
        ("sha256", view.dataset_id),
        ("size", words.size(view.size_bytes)),
    ]
    report = view.report
    if report is None:
        return facts([*rows, ("report", "it is being checked")])
    if report.refusal is not None:
        rows.append(("refused", Text(words.clean(f"{report.refusal.message} {report.refusal.hint}"), style=_BAD)))
    rows += [
        ("format", report.format or words.NOTHING),
        ("rows", f"{words.count(report.num_rows)} read, {words.count(report.num_train)} to train on"),
        (
            "held out",
            f"{words.count(report.num_validation)} for validation, {words.count(report.num_heldout)} of this file",
        ),
        (
            "set aside",
            f"{words.count(report.num_rejected)} unusable, {words.count(report.num_excluded)} repeat the validation set",
        ),
        ("cut", f"{words.count(report.num_cut)} rows, {words.count(report.num_supervised_lost)} learned tokens lost"),
        ("tokens", f"{words.count(report.num_tokens)}, of them learned {words.count(report.num_supervised)}"),
        ("longest row", f"{words.count(report.longest_row_tokens)} tokens, {report.mean_row_tokens:.0f} on average"),
    ]
    parts: list[RenderableType] = [facts(rows)]
    if report.problems:
        parts.append(_problems(view))
    for preview in report.previews:
        parts.append(
            Text(f"\nLine {preview.line} as the model sees it (the learned part is underlined):", style="bold")
        )
        parts.append(
            Text.assemble(
                *((words.clean(text), "green underline" if learned else "") for text, learned in preview.pieces)
            )
        )
    return Group(*parts)


def _problems(view: DatasetView) -> Table:
    shown = table("line", "problem", "", numbers=("line",))
    for problem in view.report.problems if view.report else []:
        told = words.clean(problem.message) + ("" if problem.dropped else " (still trained on)")
        shown.add_row(str(problem.line), problem.kind, Text(told))
    return shown


def _undone(result: verbs.UndoResult, grouped: bool) -> RenderableType:
    return Text(result.done)


def _done(result: verbs.Done, grouped: bool) -> RenderableType:
    return Text(result.done)


_RENDERERS: dict[type[Struct], Callable[[Any, bool], RenderableType]] = {
    verbs.AddResult: _added,
    verbs.QueueResult: _queue,
    verbs.QueueStatus: _queue_status,
    verbs.UndoResult: _undone,
    verbs.MetricsResult: _metrics,
    verbs.EvaluationsResult: _evaluations,
    verbs.SamplesResult: _samples,
    verbs.LogsResult: _logs,
    verbs.ConfigResult: _config,
    verbs.BaseResult: _base,
    verbs.ValidationView: _validation,
    verbs.LineageNewResult: _lineage,
    verbs.CheckpointsResult: _checkpoints,
    verbs.Done: _done,
    StatusView: _status,
    DatasetView: _dataset,
}
