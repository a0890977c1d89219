"""The status in words: what the pill, the header, the tray and the title of the window say."""

from __future__ import annotations

import re

from PySide6.QtCore import QCoreApplication

from backend.contract.jobs import JobState, JobView
from backend.contract.models import LineageView
from backend.contract.status import Activity, RunState, StatusView
from gui.widgets import numbers

SEPARATOR = " · "
_CONTENT_HASH = re.compile(r"(?<=.)-[0-9a-f]{8}$")
"""Tells two models of one name apart in folders; people need the name."""
_AT_WORK = (JobState.TRAINING, JobState.EVALUATING, JobState.SAVING)


def activity_word(status: StatusView | None) -> str:
    """The word in the pill; a file that is left is named so although its trainer still works."""
    if status is None:
        return _tr("Not connected")
    if is_leaving(status):
        is_saving = status.run_state is not RunState.STOPPED or (
            status.job is not None and status.job.state is JobState.SAVING
        )
        return _tr("Saving") if is_saving else _tr("Stopping")
    return {
        Activity.IDLE: _tr("Idle"),
        Activity.CHECKING: _tr("Checking"),
        Activity.TRAINING: _tr("Training"),
        Activity.PAUSED: _tr("Paused"),
        Activity.RECOVERING: _tr("Recovering"),
        Activity.NEEDS_YOU: _tr("Needs you"),
        Activity.STOPPED: _tr("Stopped"),
    }[status.activity]


def is_leaving(status: StatusView) -> bool:
    """True while the trainer saves and leaves its file because somebody told it to."""
    if status.activity not in (Activity.TRAINING, Activity.STOPPED) or status.job is None:
        return False
    was_stopped = status.run_state is RunState.STOPPED and status.job.state in _AT_WORK
    return was_stopped or status.job.state is JobState.STOPPING


def model_name(base_id: str) -> str:
    """A base model as people call it."""
    return _CONTENT_HASH.sub("", base_id)


def model_words(status: StatusView, lineage: LineageView | None) -> str:
    """The base model, and the adapter where it is known to be the one in training."""
    name = model_name(status.base_id)
    if not name or lineage is None or (lineage.lineage_id, lineage.base_id) != (status.lineage_id, status.base_id):
        return name
    kind = "LoRA" if lineage.quantization in ("", "none") else "QLoRA"
    return f"{name}{SEPARATOR}{kind} r{lineage.lora_r}"


def what_trains(status: StatusView) -> str:
    """Where it is and when it is done; data names are left out, so that this needs no cleaning."""
    parts = []
    is_running = status.run_state is RunState.RUNNING
    if status.global_step:
        parts.append(_tr("step {step}").format(step=numbers.count(status.global_step)))
    job = status.job
    if job is not None and job.total_steps:
        parts += _file_words(status, job)
    done_at = numbers.done_at(status.queue_eta_seconds)
    if done_at and is_running:  # while it is held nobody knows
        parts.append(_tr("queue done {time}").format(time=done_at))
    return SEPARATOR.join(parts)


def _file_words(status: StatusView, job: JobView) -> list[str]:
    """How far the file is, or what is done with it while no step is made: then its share and time stand still."""
    if job.state is JobState.EVALUATING:
        return [_tr("evaluating")]
    if job.state is JobState.SAVING:
        return [_tr("saving")]
    share = min(job.done_steps / job.total_steps, 1.0)
    is_moving = status.run_state is RunState.RUNNING and job.state is not JobState.STOPPING and share < 1.0
    left = numbers.time_left(status.eta_seconds) if is_moving else ""
    words = _tr("file {share}").format(share=numbers.percent(share))
    return [words, left] if left else [words]


def _tr(text: str) -> str:
    return QCoreApplication.translate("Words", text)
