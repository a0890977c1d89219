"""The queue, kept true to the service's last word, as a flat list: group headers and jobs.

A move is shown at once and corrected when the service answers. While something is dragged the rows stand still:
what the service says meanwhile is shown when the drag ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QModelIndex, QObject, Qt, QTimer, Signal

from backend.contract.arguments import MoveArgs, PriorityArgs
from backend.contract.jobs import WAITING_STATES, JobView
from gui.state import queue_text
from gui.state.queue_groups import (
    PRIORITY_OF,
    Group,
    Groups,
    Move,
    Place,
    as_one,
    group_of,
    header_group,
    header_row,
    one_down,
    one_up,
    place_at,
)
from gui.state.queue_order import QueueOrder
from gui.state.queue_summary import Summary, summed
from gui.state.row_list_model import AnyIndex, RowListModel

_ANSWER_MS = 15_000
"""A move the service said nothing about for so long is no longer shown."""
_SUMMARY_MS = 50
_NOWHERE = QModelIndex()
_Flag = Qt.ItemFlag


class QueueRole(IntEnum):
    """What a row says beside its name."""

    JobRole = Qt.ItemDataRole.UserRole + 1
    """JobView; None for a header."""
    HeaderRole = Qt.ItemDataRole.UserRole + 2
    """Heading of the group; None for a job."""
    GroupRole = Qt.ItemDataRole.UserRole + 3
    """Group the row is shown in, also while a move there is not answered yet."""
    ProgressRole = Qt.ItemDataRole.UserRole + 4
    """0..1; None when there is nothing to show."""
    DetailRole = Qt.ItemDataRole.UserRole + 5
    """Second line."""
    BadgeRole = Qt.ItemDataRole.UserRole + 6
    """A short remark beside the name, or ''."""
    EtaRole = Qt.ItemDataRole.UserRole + 7
    """Seconds this file still takes; None when unknown."""


class QueueModel(RowListModel):
    """Rows change only by what the service says, and by moves until it says its word."""

    move_requested = Signal(list, object)  # job ids; MoveArgs, or PriorityArgs for a group without jobs
    summary_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._order = QueueOrder()
        self._filter = ""
        self._is_dragging = False
        self._gone: dict[int, JobView] = {}  # left the queue and still shown: in a drag, or until the next turn
        self._check_progress: dict[int, float] = {}
        self._seconds_per_step: float | None = None
        self._waiting_summary: Summary | None = None  # kept: thousands of files are summed up
        self._unsent: list[Move] = []
        self._send_timer = self._timer(0, self._send_moves)
        self._answer_timer = self._timer(_ANSWER_MS, self.reject_moves)
        self._summary_timer = self._timer(_SUMMARY_MS, self.summary_changed.emit)
        self._gather_timer = self._timer(0, self._on_gathered)
        self._is_due = False

    def gather(self, milliseconds: int) -> None:
        """Show what the service says of thousands of jobs in turns of so long, the first word at once."""
        self._gather_timer.setInterval(milliseconds)

    # -- the service's word

    def load(self, jobs: Sequence[JobView]) -> None:
        """Take the whole queue, in the order the service lists it."""
        known = self._order.jobs
        changed = [job.job_id for job in jobs if known.get(job.job_id) not in (None, job)]
        if self._is_dragging:
            self._gone |= known
        self._order.load(jobs)
        self._render()
        self._tell_changed(changed)
        self._tell_summary()

    def upsert(self, job: JobView) -> None:
        """Take one job as it is now."""
        known = self._order.jobs.get(job.job_id)
        if known == job:  # repeated events are normal after a reconnect
            return
        is_regrouped = self._order.upsert(job)
        if is_regrouped:
            self._render_soon()
        if known is not None:
            self._tell_changed([job.job_id])
        self._tell_summary(is_of_running=not is_regrouped and group_of(job) is Group.RUNNING)

    def remove(self, job_id: int) -> None:
        """A job left the queue."""
        job = self._order.remove(job_id)
        if job is not None:
            self._gone[job_id] = job
            self._render_soon()
            self._tell_summary()

    def reorder(self, job_ids: Sequence[int]) -> None:
        """Take the order of all waiting jobs."""
        self._order.reorder(job_ids)
        self._render_soon()

    def set_check_progress(self, progress: Mapping[int, float]) -> None:
        """How far the checks are, by job."""
        touched = {*self._check_progress, *progress}
        self._check_progress = dict(progress)
        self._tell_changed(touched)

    def set_seconds_per_step(self, seconds: float | None) -> None:
        """How fast the running file goes; what waits is estimated from it. Unknown keeps the last known speed."""
        last = self._seconds_per_step
        if seconds is None or seconds <= 0 or (last is not None and abs(seconds - last) < 0.02 * last):
            return  # not worth repainting every row
        self._seconds_per_step = seconds
        if self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))
        self._tell_summary()

    # -- moves

    def show_move(self, args: MoveArgs | PriorityArgs) -> None:
        """Show a move that somebody asks the service for; those asked for here are shown already."""
        if any(move.args() == args for move in self._order.moves):
            return
        move = self._understood(args)
        if move is not None:
            self._ask(move)

    def reject_moves(self) -> None:
        """The service refused, or does not answer: what it said last holds."""
        self._answer_timer.stop()
        self._order.moves.clear()
        self._render()

    def move_up(self, job_ids: Sequence[int]) -> None:
        """One place up, over the border of a group too; asks the service."""
        self._request(one_up(self._order.shown(), job_ids))

    def move_down(self, job_ids: Sequence[int]) -> None:
        """One place down, over the border of a group too; asks the service."""
        self._request(one_down(self._order.shown(), job_ids))

    def place_at(self, row: int) -> Place | None:
        """Where something dropped above this row lands (row count: below the last); None where it cannot."""
        return place_at(self._rows, max(0, min(row, len(self._rows))))

    # -- what is there

    def job(self, job_id: int) -> JobView | None:
        """A job by its number, shown or not."""
        return self._order.jobs.get(job_id)

    def jobs(self) -> list[JobView]:
        """All jobs, in no order to rely on."""
        return list(self._order.jobs.values())

    def job_at(self, index: AnyIndex) -> JobView | None:
        """The job of a row; None for a header."""
        number = self.number_at(index.row()) if index.isValid() else None
        return None if number is None else self._order.jobs.get(number) or self._gone.get(number)

    def index_of(self, job_id: int) -> QModelIndex:
        """The row of a job; invalid when it is not shown."""
        row = self.row_of(job_id)
        return QModelIndex() if row is None else self.index(row)

    def shown_job_ids(self) -> list[int]:
        """Jobs in the order shown."""
        return [number for number in self._rows if number > 0]

    @property
    def summary(self) -> Summary:
        """How many files run or wait, and how long all that may train takes."""
        if self._waiting_summary is None:
            waiting = (job for job in self._order.jobs.values() if group_of(job) is not Group.RUNNING)
            self._waiting_summary = summed(waiting, self._seconds_per_step)
        return self._waiting_summary.plus(summed(self._order.running(), self._seconds_per_step))

    # -- how it is looked at

    def set_filter(self, text: str) -> None:
        """Show only jobs whose file name contains this."""
        wanted = text.strip().casefold()
        if wanted != self._filter:
            self._filter = wanted
            self._render()

    @property
    def show_empty_groups(self) -> bool:
        """True while something is dragged: priorities without jobs have a header to drop at, rows stand still."""
        return self._is_dragging

    @show_empty_groups.setter
    def show_empty_groups(self, is_shown: bool) -> None:
        if is_shown:
            self.begin_drag()
        else:
            self.end_drag()

    def begin_drag(self) -> None:
        """From here on rows change only by the drag's own moves."""
        if not self._is_dragging:
            self._is_dragging = True
            self._render(is_own=True)

    def end_drag(self) -> None:
        """Show what the service said meanwhile."""
        if self._is_dragging:
            self._is_dragging = False
            self._render()

    # -- private

    def _timer(self, milliseconds: int, work: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(work)
        return timer

    def _understood(self, args: MoveArgs | PriorityArgs) -> Move | None:
        """Where a wish leads; None when that cannot be said before the service has said it."""
        shown = self._order.shown()
        if isinstance(args, PriorityArgs):
            group = next(group for group, priority in PRIORITY_OF.items() if priority == args.priority)
            others = [job_id for job_id in shown[group] if job_id not in args.job_ids]
            return Move(job_ids=tuple(args.job_ids), place=Place(group=group, after=others[-1] if others else None))
        anchor = args.before if args.before is not None else args.after
        for group in PRIORITY_OF:
            if anchor in shown[group]:
                place = Place(group=group, before=args.before, after=args.after)
                return Move(job_ids=tuple(args.job_ids), place=place)
        return None

    def _request(self, moves: Sequence[Move]) -> None:
        for move in moves:
            self._ask(move)
            self.move_requested.emit(list(move.job_ids), move.args())

    def _ask(self, move: Move) -> None:
        self._order.moves.append(move)
        self._answer_timer.start()
        self._render(is_own=True)

    def _send_moves(self) -> None:
        """One wish for what one drop moved row by row, if it stands together now."""
        moves, self._unsent = self._unsent, []
        one = as_one(self._order.shown(), [job_id for move in moves for job_id in move.job_ids])
        if one is not None:
            self._order.moves = [move for move in self._order.moves if move not in moves] + [one]
            moves = [one]
        for move in moves:
            self.move_requested.emit(list(move.job_ids), move.args())

    def _render(self, *, is_own: bool = False) -> None:
        if is_own or not self._is_dragging:
            self._is_due = False
            self.show_rows(self._wanted_rows(self._order.shown()))
            if not self._is_dragging:
                self._gone.clear()

    def _render_soon(self) -> None:
        """Each change of rows costs what is selected: with 5,000 selected, 5,000 changes would take minutes."""
        if self._gather_timer.isActive():
            self._is_due = True
            return
        self._render()
        if self._gather_timer.interval():
            self._gather_timer.start()

    def _on_gathered(self) -> None:
        if self._is_due:
            self._render()
            self._gather_timer.start()

    def _wanted_rows(self, groups: Groups) -> list[int]:
        rows: list[int] = []
        jobs = self._order.jobs
        for group in Group:
            members = groups[group]
            if self._filter:
                members = [job_id for job_id in members if self._filter in jobs[job_id].file_name.casefold()]
            if members or (self._is_dragging and group in PRIORITY_OF):
                rows.append(header_row(group))
                rows += members
        return rows

    def _tell_summary(self, *, is_of_running: bool = False) -> None:
        if not is_of_running:
            self._waiting_summary = None
        if not self._summary_timer.isActive():
            self._summary_timer.start()

    def _tell_changed(self, job_ids: Iterable[int]) -> None:
        for job_id in job_ids:
            row = self.row_of(job_id)
            if row is not None:
                self.dataChanged.emit(self.index(row), self.index(row))

    def _group_at(self, row: int) -> Group:
        headers = [(group, self.row_of(header_row(group))) for group in Group]
        return max(group for group, place in headers if place is not None and place <= row)

    def _job_data(self, job: JobView, role: int) -> Any:
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return job.file_name
            case QueueRole.JobRole:
                return job
            case QueueRole.ProgressRole:
                return queue_text.progress(job, self._check_progress.get(job.job_id))
            case QueueRole.DetailRole:
                return self._detail(job)
            case QueueRole.BadgeRole:
                return queue_text.badge(job)
            case QueueRole.EtaRole:
                return queue_text.eta_seconds(job, self._seconds_per_step)
            case Qt.ItemDataRole.AccessibleTextRole:
                return queue_text.spoken(job, self._detail(job))
        return None

    def _detail(self, job: JobView) -> str:
        return queue_text.detail(
            job, seconds_per_step=self._seconds_per_step, check_progress=self._check_progress.get(job.job_id)
        )

    # -- Qt

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        number = self.number_at(index.row()) if index.isValid() else None
        if number is None:
            return None
        if role == QueueRole.GroupRole:
            return self._group_at(index.row())
        group = header_group(number)
        if group is not None:
            is_heading = role in (
                Qt.ItemDataRole.DisplayRole,
                QueueRole.HeaderRole,
                Qt.ItemDataRole.AccessibleTextRole,
            )
            return queue_text.header(group) if is_heading else None
        job = self.job_at(index)
        return None if job is None else self._job_data(job, role)

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        if not index.isValid():
            return _Flag.ItemIsDropEnabled
        job = self.job_at(index)
        if job is None:
            return _Flag.ItemIsEnabled | _Flag.ItemNeverHasChildren
        flags = _Flag.ItemIsEnabled | _Flag.ItemIsSelectable | _Flag.ItemNeverHasChildren
        return flags | _Flag.ItemIsDragEnabled if job.state in WAITING_STATES else flags

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    def moveRows(self, source: AnyIndex, first: int, count: int, target: AnyIndex, before: int) -> bool:
        """What a view calls for each row that was dropped. Where a row cannot go, it stays."""
        moving = self._rows[first : first + count] if first >= 0 else []
        jobs = [self._order.jobs.get(number) for number in moving]
        is_movable = all(job is not None and job.state in WAITING_STATES for job in jobs)
        if not moving or not is_movable or source.isValid() or target.isValid() or first <= before <= first + count:
            return False
        others = self._rows[:first] + self._rows[first + count :]
        place = place_at(others, before if before < first else before - count)
        if place is None:
            return False
        move = Move(job_ids=tuple(moving), place=place)
        self._unsent.append(move)
        self._send_timer.start()
        self._ask(move)
        return True
