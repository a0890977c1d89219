"""The status in words: what the pill, the header, the tray and the title of the window say."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from backend.contract.status import Activity, RunState, StatusView
from gui.widgets import numbers

SEPARATOR = " · "


def activity_word(status: StatusView | None) -> str:
    """The word in the pill."""
    if status is None:
        return _tr("Not connected")
    return {
        Activity.IDLE: _tr("Idle"),
        Activity.CHECKING: _tr("Checking"),
        Activity.TRAINING: _tr("Training"),
        Activity.PAUSED: _tr("Paused"),
        Activity.RECOVERING: _tr("Recovering"),
        Activity.NEEDS_YOU: _tr("Needs you"),
        Activity.STOPPED: _tr("Stopped"),
    }[status.activity]


def what_trains(status: StatusView) -> str:
    """Where it is and when it is done; data names are left out, so that this needs no cleaning."""
    parts = []
    is_running = status.run_state is RunState.RUNNING
    if status.global_step:
        parts.append(_tr("step {step}").format(step=numbers.count(status.global_step)))
    job = status.job
    if job is not None and job.total_steps:
        share = min(job.done_steps / job.total_steps, 1.0)
        parts.append(_tr("file {share}").format(share=numbers.percent(share)))
        left = numbers.time_left(status.eta_seconds)
        if left and is_running:
            parts.append(left)
    done_at = numbers.done_at(status.queue_eta_seconds)
    if done_at and is_running:  # while it is held nobody knows
        parts.append(_tr("queue done {time}").format(time=done_at))
    return SEPARATOR.join(parts)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Words", text)
