"""What the queue says of a job: second line, badge, share done. Text out of files is passed on as it is."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, JobState, JobView
from gui.state.queue_groups import Group
from gui.state.wording import count, duration, loss, share

_DOT = " · "


def header(group: Group) -> str:
    """Heading of a group."""
    match group:
        case Group.RUNNING:
            return QCoreApplication.translate("QueueModel", "RUNNING")
        case Group.HIGH:
            return QCoreApplication.translate("QueueModel", "HIGH")
        case Group.NORMAL:
            return QCoreApplication.translate("QueueModel", "NORMAL")
        case Group.LOW:
            return QCoreApplication.translate("QueueModel", "LOW")
        case Group.ENDED:
            return QCoreApplication.translate("QueueModel", "ENDED")


def progress(job: JobView, check_progress: float | None) -> float | None:
    """Share done, 0..1; None when there is nothing to show or no telling."""
    if job.state is JobState.CHECKING:
        return check_progress
    if job.total_steps <= 0 or job.state is JobState.FINISHED:
        return None
    if job.state in ACTIVE_STATES or job.done_steps > 0:
        return min(1.0, job.done_steps / job.total_steps)
    return None


def eta_seconds(job: JobView, seconds_per_step: float | None) -> float | None:
    """Time this file still takes: the service's word, else from the speed of the file that runs."""
    if job.state in TERMINAL_STATES:
        return None
    if job.eta_seconds is not None:
        return job.eta_seconds
    if seconds_per_step is None or job.total_steps <= 0:
        return None
    return max(0, job.total_steps - job.done_steps) * seconds_per_step


def detail(job: JobView, *, seconds_per_step: float | None, check_progress: float | None) -> str:
    """The second line of a row."""
    if job.state in ACTIVE_STATES:
        return _running(job, seconds_per_step)
    if job.state in TERMINAL_STATES:
        return _ended(job)
    match job.state:
        case JobState.CHECKING:
            done = "" if check_progress is None else share(check_progress)
            return _joined(state_word(job.state), done, job.reason)
        case JobState.BLOCKED:
            return _joined(state_word(job.state), job.reason)
        case JobState.HELD:
            return _joined(state_word(job.state), _examples(job))
    eta = eta_seconds(job, seconds_per_step)
    return _joined(_examples(job), duration(eta) if eta is not None else "", _continues(job))


def badge(job: JobView) -> str:
    """A short remark beside the name: rows that were set aside or cut."""
    if job.num_problems == 0:
        return ""
    if job.num_problems == 1:
        return QCoreApplication.translate("QueueModel", "1 line set aside")
    return QCoreApplication.translate("QueueModel", "{0} lines set aside").format(count(job.num_problems))


def state_word(state: JobState) -> str:
    """A state as a person reads it."""
    translate = QCoreApplication.translate
    return {
        JobState.CHECKING: translate("QueueModel", "checking"),
        JobState.BLOCKED: translate("QueueModel", "needs you"),
        JobState.QUEUED: translate("QueueModel", "waiting"),
        JobState.HELD: translate("QueueModel", "held"),
        JobState.STARTING: translate("QueueModel", "starting"),
        JobState.TRAINING: translate("QueueModel", "training"),
        JobState.EVALUATING: translate("QueueModel", "evaluating"),
        JobState.SAVING: translate("QueueModel", "saving"),
        JobState.PAUSED: translate("QueueModel", "paused"),
        JobState.STOPPING: translate("QueueModel", "stopping"),
        JobState.FINISHED: translate("QueueModel", "finished"),
        JobState.SKIPPED: translate("QueueModel", "skipped"),
        JobState.FAILED: translate("QueueModel", "failed"),
        JobState.QUARANTINED: translate("QueueModel", "set aside"),
    }[state]


def spoken(job: JobView, second_line: str) -> str:
    """A row for a screen reader."""
    return ", ".join(part for part in (job.file_name, state_word(job.state), second_line, badge(job)) if part)


def _running(job: JobView, seconds_per_step: float | None) -> str:
    steps = ""
    if job.total_steps:
        pattern = QCoreApplication.translate("QueueModel", "step {0} of {1}")
        steps = pattern.format(count(job.done_steps), count(job.total_steps))
    if job.state is JobState.STARTING:  # its reason is why it starts again
        return _joined(state_word(job.state), job.reason)
    if job.state is not JobState.TRAINING:
        return _joined(state_word(job.state), steps, job.reason)
    eta = eta_seconds(job, seconds_per_step)
    left = QCoreApplication.translate("QueueModel", "{0} left").format(duration(eta)) if eta is not None else ""
    return _joined(steps, left)


def _ended(job: JobView) -> str:
    if job.state is JobState.SKIPPED and job.total_steps:
        pattern = QCoreApplication.translate("QueueModel", "skipped at step {0} of {1}")
        return pattern.format(count(job.done_steps), count(job.total_steps))
    if job.state is not JobState.FINISHED:
        return _joined(state_word(job.state), job.reason)
    last = ""
    if job.last_loss is not None:
        last = QCoreApplication.translate("QueueModel", "last loss {0}").format(loss(job.last_loss))
    return _joined(last or state_word(job.state), _examples(job))


def _examples(job: JobView) -> str:
    if job.num_rows == 0:
        return ""
    if job.num_rows == 1:
        return QCoreApplication.translate("QueueModel", "1 example")
    return QCoreApplication.translate("QueueModel", "{0} examples").format(count(job.num_rows))


def _continues(job: JobView) -> str:
    if job.done_steps == 0:
        return job.reason
    pattern = QCoreApplication.translate("QueueModel", "goes on at step {0}")
    return pattern.format(count(job.done_steps))


def _joined(*parts: str) -> str:
    return _DOT.join(part for part in parts if part)
