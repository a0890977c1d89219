"""One function a result type: what a verb's answer looks like to a person. Builds renderables, prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from backend.cli import words
from backend.cli.printing import BAD, facts, table
from backend.cli.queue_view import added_view, queue_view
from backend.cli.status_view import status_view
from backend.contract import results
from backend.contract.datasets import DatasetView, Preview
from backend.contract.events import (
    BaseChanged,
    CheckpointCommitted,
    EvaluationDone,
    JobChanged,
    Notice,
    RunStateChanged,
    ServiceEvent,
)
from backend.contract.status import StatusView

_METRICS_SHOWN = 50
"""Rows of `metrics` a person sees without --json; a program gets all."""


def render(result: Struct, console: Console) -> RenderableType:
    """What to print for a result."""
    return _RENDERERS[type(result)](result, console.is_terminal)


def _queue_status(result: results.QueueStatus, grouped: bool) -> RenderableType:
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


def _metrics(result: results.MetricsResult, grouped: bool) -> RenderableType:
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


def _history(result: results.HistoryResult, grouped: bool) -> RenderableType:
    if not result.step:
        return Text("No step was trained yet.")
    names = ("to step", "loss", "lowest", "highest", "lr", "grad norm", "tokens/s", "tokens")
    shown = table(*names, numbers=names)
    for place in range(len(result.step))[-_METRICS_SHOWN if grouped else 0 :]:
        rate, norm, speed = (
            column[place] for column in (result.learning_rate, result.grad_norm, result.tokens_per_second)
        )
        shown.add_row(
            words.count(result.step[place], grouped=grouped),
            words.loss(result.loss[place]),
            words.loss(result.loss_min[place]),
            words.loss(result.loss_max[place]),
            words.NOTHING if rate is None else f"{rate:.2e}",
            words.NOTHING if norm is None else f"{norm:.3f}",
            words.NOTHING if speed is None else f"{speed:.0f}",
            words.count(result.tokens[place], grouped=grouped),
        )
    return shown


def _marks(result: results.HistoryMarksResult, grouped: bool) -> RenderableType:
    shown = table("steps", "what", numbers=())
    for span in result.files:
        steps = f"{words.count(span.first_step, grouped=grouped)}-{words.count(span.last_step, grouped=grouped)}"
        shown.add_row(steps, Text(words.clean(span.file_name)))
    for mark in result.resumes:
        shown.add_row(words.count(mark.step, grouped=grouped), Text(words.clean(f"Went on: {mark.reason}")))
    return Group(shown, _evaluations(results.EvaluationsResult(rows=result.evaluations), grouped))


def _events(result: results.EventsResult, grouped: bool) -> RenderableType:
    if not result.events:
        return Text("Nothing happened yet.")
    shown = table("when", "what", numbers=())
    for event in result.events:
        shown.add_row(words.ago(event.at), Text(words.clean(event_words(event))))
    return shown


def event_words(event: ServiceEvent) -> str:
    """What happened, in a few words."""
    match event:
        case Notice(title=title, message=message):
            return f"{title}. {message}"
        case JobChanged(job=job):
            return f"{job.file_name}: {job.state.value}. {job.reason}".rstrip()
        case CheckpointCommitted(checkpoint=checkpoint):
            return f"Checkpoint at step {words.count(checkpoint.global_step)}"
        case EvaluationDone(evaluation=evaluation):
            return f"Evaluated at step {words.count(evaluation.global_step)}"
        case BaseChanged(base=base):
            return f"Base model {base.base_id}: {base.state}. {base.reason}".rstrip()
        case RunStateChanged(run_state=run_state, cause=cause):
            return f"{run_state} ({cause})" if cause else run_state
    return str(event.__struct_config__.tag).replace("_", " ")


def _evaluations(result: results.EvaluationsResult, grouped: bool) -> RenderableType:
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


def _samples(result: results.SamplesResult, grouped: bool) -> RenderableType:
    if not result.rows:
        return Text("No sample yet.")
    blocks = []
    for row in result.rows:
        blocks.append(Text(f"step {words.count(row.step, grouped=grouped)}: {words.clean(row.prompt)}", style="bold"))
        blocks.append(Text(words.clean(row.text) + "\n"))
    return Group(*blocks)


def _logs(result: results.LogsResult, grouped: bool) -> RenderableType:
    return Text("\n".join(words.clean(line) for line in result.lines) or "The log is empty.")


def _config(result: results.ConfigResult, grouped: bool) -> RenderableType:
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


def _base(result: results.BaseResult, grouped: bool) -> RenderableType:
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


def _validation(result: results.ValidationView, grouped: bool) -> RenderableType:
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


def _lineage(result: results.LineageNewResult, grouped: bool) -> RenderableType:
    return Text(f"Lineage {_lineage_words(result.lineage)}. What was trained before stays.")


def _checkpoints(result: results.CheckpointsResult, grouped: bool) -> RenderableType:
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
        rows.append(("refused", Text(words.clean(f"{report.refusal.message} {report.refusal.hint}"), style=BAD)))
    rows += [
        ("format", report.format or words.NOTHING),
        ("rows", f"{words.count(report.num_rows)} read, {words.count(report.num_train)} to train on"),
        (
            "held out",
            f"{words.count(report.num_validation)} for validation, {words.count(report.num_heldout)} of this file",
        ),
        (
            "set aside",
            f"{words.count(report.num_rejected)} unusable, {words.count(report.num_excluded)} in the validation set",
        ),
        ("cut", f"{words.count(report.num_cut)} rows, {words.count(report.num_supervised_lost)} learned tokens lost"),
        ("tokens", f"{words.count(report.num_tokens)}, of them learned {words.count(report.num_supervised)}"),
        ("longest row", f"{words.count(report.longest_row_tokens)} tokens, {report.mean_row_tokens:.0f} on average"),
    ]
    parts: list[RenderableType] = [facts(rows)]
    if report.problems:
        parts.append(_problems(view))
    for preview in report.previews:
        parts.append(_preview(preview, grouped))
    return Group(*parts)


def _preview(preview: Preview, in_terminal: bool) -> RenderableType:
    """A row with its learned part marked: underlined in a terminal, between signs in a pipe."""
    shown = "underlined" if in_terminal else "between ⟦ and ⟧"
    head = Text(f"\nLine {preview.line} as the model sees it (the learned part is {shown}):", style="bold")
    row = Text()
    for text, is_learned in preview.pieces:
        told = words.clean(text)
        row.append(f"⟦{told}⟧" if is_learned and not in_terminal else told, "green underline" if is_learned else "")
    return Group(head, row)


def _problems(view: DatasetView) -> Table:
    shown = table("line", "problem", "", numbers=("line",))
    for problem in view.report.problems if view.report else []:
        is_used = view.report is not None and view.report.ok and not problem.dropped
        told = words.clean(problem.message) + (" (still trained on)" if is_used else "")
        shown.add_row(str(problem.line), problem.kind, Text(told))
    return shown


def _undone(result: results.UndoResult, grouped: bool) -> RenderableType:
    return Text(result.done)


def _done(result: results.Done, grouped: bool) -> RenderableType:
    return Text(result.done)


_RENDERERS: dict[type[Struct], Callable[[Any, bool], RenderableType]] = {
    results.AddResult: added_view,
    results.QueueResult: queue_view,
    results.QueueStatus: _queue_status,
    results.UndoResult: _undone,
    results.MetricsResult: _metrics,
    results.HistoryResult: _history,
    results.HistoryMarksResult: _marks,
    results.EventsResult: _events,
    results.EvaluationsResult: _evaluations,
    results.SamplesResult: _samples,
    results.LogsResult: _logs,
    results.ConfigResult: _config,
    results.BaseResult: _base,
    results.ValidationView: _validation,
    results.LineageNewResult: _lineage,
    results.CheckpointsResult: _checkpoints,
    results.Done: _done,
    StatusView: status_view,
    DatasetView: _dataset,
}
