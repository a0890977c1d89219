"""The context menu of the queue: what can be done with the selected jobs, enabled where it would do something."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from backend.contract.arguments import MoveArgs
from backend.contract.jobs import (
    ACTIVE_STATES,
    TERMINAL_STATES,
    WAITING_STATES,
    JobState,
    JobView,
    Priority,
)

_HELD_FROM = frozenset({JobState.QUEUED, JobState.CHECKING})
_DONE = frozenset({JobState.FINISHED, JobState.SKIPPED})
_FAILED = frozenset({JobState.FAILED, JobState.QUARANTINED})
_RETRIED_FROM = TERMINAL_STATES | {JobState.BLOCKED}


class QueueWishes(QObject):
    """What the queue can ask for; the card passes these on."""

    move_requested = Signal(object)  # MoveArgs
    priority_requested = Signal(list, object)  # job_ids, Priority
    hold_requested = Signal(list)
    release_requested = Signal(list)
    retry_requested = Signal(list)
    remove_requested = Signal(list)
    clear_requested = Signal(str)
    preview_requested = Signal(int)
    pause_requested = Signal()
    resume_requested = Signal()
    skip_requested = Signal()


def ids_in(jobs: Sequence[JobView], states: frozenset[JobState] | set[JobState]) -> list[int]:
    """Numbers of the jobs that are in one of these states."""
    return [job.job_id for job in jobs if job.state in states]


class QueueMenu(QMenu):
    """Built for one selection and thrown away when it closes."""

    def __init__(
        self,
        jobs: Sequence[JobView],
        everything: Sequence[JobView],
        wishes: QueueWishes,
        *,
        top: Callable[[Collection[int]], int | None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._top = top
        self._everything = everything
        self._wishes = wishes
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(self.tr("Actions for the selected files"))
        if ids_in(jobs, ACTIVE_STATES):
            self._add_running()
        self._add_looks()
        self._add_order()
        self._add_state()
        self._add_clearing()

    def _add_running(self) -> None:
        job = next(job for job in self._jobs if job.state in ACTIVE_STATES)
        if job.state == JobState.PAUSED:
            self._add(self.tr("Resume"), self._wishes.resume_requested.emit)
        else:
            self._add(self.tr("Pause"), self._wishes.pause_requested.emit)
        self._add(self.tr("Skip this file"), self._wishes.skip_requested.emit)
        self.addSeparator()

    def _add_looks(self) -> None:
        is_one = len(self._jobs) == 1
        preview = self._add(self.tr("Show rows as the model sees them"), self._preview, is_enabled=is_one)
        preview.setShortcut(QKeySequence(Qt.Key.Key_Return))
        self.addSeparator()

    def _add_order(self) -> None:
        waiting = ids_in(self._jobs, WAITING_STATES)
        top = self._top(waiting)
        is_movable = bool(waiting) and top is not None
        self._add(self.tr("Move to the top"), lambda: self._move_to_top(waiting, top), is_enabled=is_movable)
        menu = self.addMenu(self.tr("Priority"))
        menu.setEnabled(bool(waiting))
        for priority, word in (
            (Priority.HIGH, self.tr("High")),
            (Priority.NORMAL, self.tr("Normal")),
            (Priority.LOW, self.tr("Low")),
        ):
            action = menu.addAction(word)
            action.setCheckable(True)
            action.setChecked(bool(waiting) and all(job.priority == priority for job in self._jobs))
            action.triggered.connect(
                lambda _checked=False, wanted=priority: self._wishes.priority_requested.emit(waiting, wanted)
            )
        self.addSeparator()

    def _add_state(self) -> None:
        held, holdable = ids_in(self._jobs, {JobState.HELD}), ids_in(self._jobs, _HELD_FROM)
        if holdable or not held:
            self._add(self.tr("Hold"), lambda: self._wishes.hold_requested.emit(holdable), is_enabled=bool(holdable))
        if held:
            self._add(self.tr("Release"), lambda: self._wishes.release_requested.emit(held))
        again = ids_in(self._jobs, _RETRIED_FROM)
        self._add(self.tr("Retry"), lambda: self._wishes.retry_requested.emit(again), is_enabled=bool(again))
        gone = [job.job_id for job in self._jobs if job.state not in ACTIVE_STATES]
        remove = self._add(
            self.tr("Remove from the queue"), lambda: self._wishes.remove_requested.emit(gone), is_enabled=bool(gone)
        )
        remove.setShortcut(QKeySequence(QKeySequence.StandardKey.Delete))
        self.addSeparator()

    def _add_clearing(self) -> None:
        states = {job.state for job in self._everything}
        is_done, is_failed = not states.isdisjoint(_DONE), not states.isdisjoint(_FAILED)
        self._add(
            self.tr("Clear finished files"),
            lambda: self._wishes.clear_requested.emit("finished"),
            is_enabled=is_done,
        )
        if is_failed:
            self._add(self.tr("Clear failed files"), lambda: self._wishes.clear_requested.emit("failed"))

    def _add(self, text: str, act: Callable[[], object], *, is_enabled: bool = True) -> QAction:
        action = self.addAction(text)
        action.setEnabled(is_enabled)
        action.triggered.connect(lambda _checked=False: act())
        return action

    def _preview(self) -> None:
        self._wishes.preview_requested.emit(self._jobs[0].job_id)

    def _move_to_top(self, job_ids: list[int], top: int | None) -> None:
        if top is not None:
            self._wishes.move_requested.emit(MoveArgs(job_ids=job_ids, before=top))
