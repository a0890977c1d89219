"""The one glance: what trains, how far, is it learning, is it safe, what waits."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from backend.cli import words
from backend.cli.printing import BAD, BUSY, WATCH, facts
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
_ACTIVITY_STYLES = {
    Activity.CHECKING: BUSY,
    Activity.TRAINING: BUSY,
    Activity.PAUSED: WATCH,
    Activity.RECOVERING: WATCH,
    Activity.NEEDS_YOU: BAD,
    Activity.STOPPED: BAD,
}
_BAR_CELLS = 24


def status_view(view: StatusView, grouped: bool) -> RenderableType:
    """The whole status; `grouped` puts thin spaces into numbers."""
    head = Text(ACTIVITY_WORDS[view.activity], style=f"bold {_ACTIVITY_STYLES.get(view.activity, '')}".strip())
    head.append(f"  {words.clean(view.sentence)}", style="not bold default")
    rows: list[tuple[str, Any]] = []
    if view.error:
        rows.append(("error", Text(words.clean(view.error), style=BAD)))
    if view.stop_file:
        rows.append(
            ("stop file", Text("in force: nothing trains until .stop is removed from the workspace", style=BAD))
        )
    if view.safe_mode:
        rows.append(("safe mode", Text("the service starts no training", style=BAD)))
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
        of = f"step {words.count(job.done_steps)} of {words.count(job.total_steps)} of this file"
        left = f", {words.duration(view.eta_seconds)} left" if view.eta_seconds is not None else ""
        last = ", the last before stopping" if view.stop_after_file else ""
        rows.append(("file", f"{words.clean(job.file_name)} (job {job.job_id}, {job.state.value}{last})"))
        rows.append(("progress", f"{_bar(job.done_steps, job.total_steps)}{of}{left}"))
        if job.num_problems:
            aside = f"{words.plural(job.num_problems, 'row')} set aside or cut; `dataset show {job.job_id}` shows them"
            rows.append(("check", aside))
    if view.loss is not None:
        losses = f"{words.loss(view.loss)} training, {words.loss(view.validation_loss)} validation"
        rows.append(("loss", f"{losses}, gap {words.gap(view.gap)}"))
    if view.think_tag_percent is not None:
        told = f"{view.think_tag_percent:.0f} % of the sample answers hold <think>; under 20 is good, 0 is best"
        rows.append(("think tags", told))
    if view.tokens_per_second is not None:
        rows.append(("speed", f"{words.count(view.tokens_per_second)} tokens/s"))
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
    return f"step {words.count(view.checkpoint_step)} in all, over all files{at}{behind}"


def _processes(view: StatusView) -> str:
    parts = [f"service {view.service.pid}" if view.service else "no service"]
    if view.trainer is not None:
        told = ", ".join(part for part in (view.trainer.phase, view.trainer.device) if part)
        parts.append(f"trainer {view.trainer.pid}" + (f" ({told})" if told else ""))
    else:
        parts.append("no trainer")
    return ", ".join(parts)
