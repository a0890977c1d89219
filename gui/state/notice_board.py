"""What a person is told without having looked: toasts in the window, notifications on the desktop.

Each thing is told once. What was old when the window opened is never told as new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from PySide6.QtCore import QObject, QTimer, Signal

from backend.contract.events import BaseChanged, JobChanged, Notice, ServiceEvent
from backend.contract.jobs import JobState, JobView
from gui.state.wording import count

_TOLD_STATES = {
    JobState.FINISHED: "info",
    JobState.BLOCKED: "warning",
    JobState.FAILED: "error",
    JobState.QUARANTINED: "error",
}
_GATHER_MS = 300
"""So long are ends of files gathered: a notice that says more about one takes its place, many become one."""
_SINGLY = 2
_REMEMBERED = 500
_QUIET_SECONDS = 60.0
"""The same words again within this time are not told again."""


class NoticeBoard(QObject):
    """Hears every event, posts what matters."""

    notice_posted = Signal(str, str, str)  # level, title, message

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._seen: deque[ServiceEvent] = deque(maxlen=_REMEMBERED)
        self._posted: dict[tuple[str, str], float] = {}
        self._newest_at: float | None = None
        self._ended: dict[int, JobView] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_GATHER_MS)
        self._timer.timeout.connect(self._post_ended)

    def load(self, events: Iterable[ServiceEvent]) -> None:
        """Take what happened before, oldest first. The first time all of it is old; later on, what happened since."""
        told = list(events)
        last = self._newest_at
        if last is None:
            self._seen.extend(event for event in told if self._is_told(event))
            self._newest_at = max((event.at for event in told), default=0.0)
            return
        for event in told:
            if event.at > last:
                self.see(event)

    def see(self, event: ServiceEvent) -> None:
        """Something just happened."""
        if not self._is_told(event) or event in self._seen:
            return
        self._seen.append(event)
        self._newest_at = max(self._newest_at or 0.0, event.at)
        match event:
            case Notice(level=level, title=title, message=message, job_id=job_id):
                if job_id is not None:
                    self._ended.pop(job_id, None)
                self._post(level, title, message, event.at)
            case JobChanged(job=job):
                self._ended[job.job_id] = job
                self._timer.start()
            case BaseChanged(base=base) if base.state == "ready":
                self._post("info", self.tr("The base model is ready"), base.base_id, event.at)
            case BaseChanged(base=base):
                self._post("error", self.tr("The base model cannot be used"), base.reason, event.at)

    def tell(self, level: str, title: str, message: str = "") -> None:
        """Post words of the window itself."""
        self.notice_posted.emit(level, title, message)

    def _is_told(self, event: ServiceEvent) -> bool:
        match event:
            case Notice():
                return True
            case JobChanged(job=job, cause=cause):
                return job.state in _TOLD_STATES and cause == job.state
            case BaseChanged(base=base):
                return base.state in ("ready", "failed")
        return False

    def _post(self, level: str, title: str, message: str, at: float) -> None:
        last = self._posted.get((title, message))
        if last is not None and at - last < _QUIET_SECONDS:
            return
        self._posted = {words: when for words, when in self._posted.items() if at - when < _QUIET_SECONDS}
        self._posted[title, message] = at
        self.notice_posted.emit(level, title, message)

    def _post_ended(self) -> None:
        ended, self._ended = list(self._ended.values()), {}
        for state, level in _TOLD_STATES.items():
            jobs = [job for job in ended if job.state is state]
            if len(jobs) > _SINGLY:
                self.notice_posted.emit(level, self._heading(state, len(jobs)), _names(jobs))
            else:
                for job in jobs:
                    self.notice_posted.emit(level, self._title(job), self._message(job))

    def _title(self, job: JobView) -> str:
        match job.state:
            case JobState.FINISHED:
                return self.tr("{0} is done").format(job.file_name)
            case JobState.BLOCKED:
                return self.tr("{0} needs you").format(job.file_name)
            case JobState.FAILED:
                return self.tr("{0} failed").format(job.file_name)
        return self.tr("{0} was set aside").format(job.file_name)

    def _message(self, job: JobView) -> str:
        if job.state is JobState.FINISHED:
            return self.tr("{0} examples, {1} steps.").format(count(job.num_rows), count(job.total_steps))
        return job.reason

    def _heading(self, state: JobState, number: int) -> str:
        match state:
            case JobState.FINISHED:
                return self.tr("{0} files are done").format(count(number))
            case JobState.BLOCKED:
                return self.tr("{0} files need you").format(count(number))
            case JobState.FAILED:
                return self.tr("{0} files failed").format(count(number))
        return self.tr("{0} files were set aside").format(count(number))


def _names(jobs: list[JobView]) -> str:
    names = [job.file_name for job in jobs[:3]]
    return ", ".join(names) + (" …" if len(jobs) > len(names) else "")
