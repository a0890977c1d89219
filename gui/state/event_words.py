"""What happened, in one line for a person. Text that came out of files and messages is passed on as it is."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from backend.contract.events import (
    BaseChanged,
    CheckpointCommitted,
    ConfigChanged,
    EvaluationDone,
    JobChanged,
    Notice,
    RunStateChanged,
    ServiceEvent,
)
from backend.contract.jobs import JobState, JobView
from backend.contract.models import BaseModelView
from backend.contract.settings import Config, describe
from backend.contract.status import RunState
from gui.prompt_words import for_window
from gui.state.wording import count, loss

INFO, GOOD, WARNING, ERROR = "info", "good", "warning", "error"
_TOLD_CAUSES = frozenset({"interrupted"})


def words(event: ServiceEvent) -> tuple[str, str] | None:
    """(level, text), past and live events alike; None for what is not worth a line."""
    match event:
        case Notice(level=level, title=title, message=message):
            return (level if level in (WARNING, ERROR) else INFO), f"{title}: {for_window(_first_sentence(message))}"
        case JobChanged(job=job, cause=cause) if cause == job.state or cause in _TOLD_CAUSES:
            return _job(job)
        case CheckpointCommitted(checkpoint=checkpoint):
            pattern = QCoreApplication.translate("Events", "checkpoint {0} verified")
            return INFO, pattern.format(count(checkpoint.global_step))
        case EvaluationDone(evaluation=evaluation):
            return INFO, _evaluation(evaluation.validation_loss, evaluation.gap, evaluation.heldout_loss)
        case BaseChanged(base=base):
            return _base(base)
        case RunStateChanged(run_state=state, cause=cause):
            return INFO, _run_state(state, cause)
        case ConfigChanged(key=key, new=new):
            return INFO, QCoreApplication.translate("Events", "{0} is now {1}").format(_setting(key), new)
    return None


def more(event: ServiceEvent) -> str:
    """What one line had no room for."""
    match event:
        case Notice(title=title, message=message):
            return f"{title}\n{for_window(message)}"
        case JobChanged(job=job):
            return for_window(job.reason)
        case RunStateChanged(cause=cause):
            return _cause(cause)
    return ""


def _job(job: JobView) -> tuple[str, str] | None:
    match job.state:
        case JobState.STARTING if job.reason:  # the trainer ended and starts again
            return WARNING, f"{job.file_name}: {for_window(job.reason)}"
        case JobState.STARTING:
            return INFO, QCoreApplication.translate("Events", "{0} started").format(job.file_name)
        case JobState.FINISHED:
            pattern = QCoreApplication.translate("Events", "{0} done, {1} examples")
            return GOOD, pattern.format(job.file_name, count(job.num_rows))
        case JobState.SKIPPED:
            return INFO, QCoreApplication.translate("Events", "{0} skipped").format(job.file_name)
        case JobState.BLOCKED:
            pattern = QCoreApplication.translate("Events", "{0} needs you: {1}")
            return WARNING, pattern.format(job.file_name, for_window(job.reason))
        case JobState.FAILED:
            pattern = QCoreApplication.translate("Events", "{0} failed: {1}")
            return ERROR, pattern.format(job.file_name, for_window(job.reason))
        case JobState.QUARANTINED:
            return ERROR, QCoreApplication.translate("Events", "{0} was set aside").format(job.file_name)
        case JobState.QUEUED if job.reason:  # interrupted
            return INFO, f"{job.file_name}: {for_window(job.reason)}"
    return None


def _evaluation(validation_loss: float | None, gap: float | None, heldout_loss: float | None) -> str:
    if validation_loss is not None and gap is not None:
        pattern = QCoreApplication.translate("Events", "evaluation: validation {0}, gap {1}")
        return pattern.format(loss(validation_loss), f"{gap:.2f}")
    if validation_loss is not None:
        return QCoreApplication.translate("Events", "evaluation: validation {0}").format(loss(validation_loss))
    if heldout_loss is not None:
        return QCoreApplication.translate("Events", "evaluation: held-out {0}").format(loss(heldout_loss))
    return QCoreApplication.translate("Events", "evaluation: no rows to measure with")


def _base(base: BaseModelView) -> tuple[str, str] | None:
    match base.state:
        case "ready":
            return GOOD, QCoreApplication.translate("Events", "base model {0} is ready").format(base.base_id)
        case "failed":
            pattern = QCoreApplication.translate("Events", "base model {0} failed: {1}")
            return ERROR, pattern.format(base.source, for_window(base.reason))
        case "damaged":
            return ERROR, QCoreApplication.translate("Events", "base model {0} is damaged").format(base.base_id)
    return None  # its progress is shown where it is being prepared


def _run_state(state: str, cause: str) -> str:
    match state:
        case RunState.PAUSED:
            return QCoreApplication.translate("Events", "training paused")
        case RunState.STOPPED if cause:
            return QCoreApplication.translate("Events", "training stopped: {0}").format(_cause(cause))
        case RunState.STOPPED:
            return QCoreApplication.translate("Events", "training stopped")
    return QCoreApplication.translate("Events", "training resumed")


def _cause(cause: str) -> str:
    """Why the state changed; the prompt's own words are what a person did."""
    return {
        "stop --now": QCoreApplication.translate("Events", "at once, by you"),
        "stop": QCoreApplication.translate("Events", "by you"),
        "pause": QCoreApplication.translate("Events", "by you"),
        "resume": QCoreApplication.translate("Events", "by you"),
    }.get(cause) or for_window(cause)


def _setting(key: str) -> str:
    """Title of a setting as its declaration says it; the key itself where a newer service has one we do not know."""
    return next((view.title for view in describe(Config()) if view.key == key), key)


def _first_sentence(message: str) -> str:
    head, mark, _ = message.partition(". ")
    return head + ("." if mark else "")
