"""A drag over the queue while it lasts: which jobs, where they would land, and what shows it.

Rows are dragged without QDrag, which would hold the event loop and need a window manager. So a row follows the
pointer on every platform, Escape takes it back, and the list may change meanwhile: places are named by jobs.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import QTableView

from backend.contract.jobs import Priority
from gui.pages.train.drag_visuals import EdgeScroller, Ghost
from gui.pages.train.queue_landing import Landing, Section, landing_at, leaves_order, sections_of
from gui.state.queue_groups import PRIORITY_OF, Group, header_row
from gui.state.queue_model import QueueModel

_PRIORITIES = tuple(PRIORITY_OF.get(group) for group in Group)


class QueueDrag(QObject):
    """Idle, or carrying jobs of the list, or with files from outside above it."""

    changed = Signal()
    """The landing is another one, or the drag began or ended."""
    rows_landed = Signal(list, object)  # job_ids, Landing

    def __init__(self, view: QTableView, queue: QueueModel) -> None:
        super().__init__(view)
        self._view = view
        self._queue = queue
        self._job_ids: list[int] = []
        self._is_foreign = False
        self._landing: Landing | None = None
        self._tip = QPoint()
        self._ghost: Ghost | None = None
        self._sections: list[Section] | None = None
        self._scroller = EdgeScroller(view)
        view.verticalScrollBar().valueChanged.connect(self._on_scrolled)

    @property
    def job_ids(self) -> list[int]:
        """The jobs that are being carried, in order."""
        return self._job_ids

    @property
    def is_active(self) -> bool:
        """Whether anything is held over the list."""
        return bool(self._job_ids) or self._is_foreign

    @property
    def landing(self) -> Landing | None:
        """Where it would land now."""
        return self._landing

    def sections(self) -> list[Section]:
        """The groups of the queue as they stand."""
        if self._sections is None:
            rows = [(group, self._queue.row_of(header_row(group))) for group in Group]
            headers = [(int(group), row) for group, row in rows if row is not None]
            self._sections = sections_of(headers, self._queue.rowCount(), _PRIORITIES)
        return self._sections

    def rows_changed(self) -> None:
        """The list changed; a drag goes on over the new one."""
        self._sections = None
        if self.is_active:
            self.hover(self._tip)

    def begin(self, job_ids: list[int], at: QPoint, *, name: str) -> None:
        """Take jobs up at a point of the viewport; `name` is shown beside the pointer."""
        self._job_ids = job_ids
        self._ghost = Ghost(self._view, name, num_rows=len(job_ids))
        self._view.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        self._queue.show_empty_groups = True
        self.hover(at)

    def hover_files(self, at: QPoint) -> None:
        """Files from outside are held over a point of the viewport."""
        if not self._is_foreign:
            self._is_foreign = True
            self._queue.show_empty_groups = True
        self.hover(at)

    def hover(self, at: QPoint) -> None:
        """What is held is over a point of the viewport."""
        self._tip = at
        if self._ghost is not None:
            self._ghost.follow(self._view.viewport().mapToGlobal(at))
        boundary = self._boundary_at(at.y())
        if self._is_foreign:
            boundary = self._usual_end(boundary)
        self._landing = landing_at(self.sections(), self._job_id_at, boundary, self._job_ids)
        self._scroller.hover(at)
        self.changed.emit()

    def drop(self) -> None:
        """Let the carried jobs go where they are."""
        job_ids, landing = self._job_ids, self._landing
        stays = landing is None or leaves_order(self.sections(), self._job_id_at, landing, job_ids)
        self.end()
        if landing is not None and not stays:
            self.rows_landed.emit(job_ids, landing)

    def end(self) -> None:
        """Nothing is held any more."""
        if not self.is_active:
            return
        self._job_ids = []
        self._is_foreign = False
        self._landing = None
        self._scroller.stop()
        if self._ghost is not None:
            self._ghost.hide()
            self._ghost.deleteLater()
            self._ghost = None
        self._view.viewport().unsetCursor()
        self._queue.show_empty_groups = False
        self.changed.emit()

    def _job_id_at(self, row: int) -> int:
        return self._queue.numbers()[row]

    def _usual_end(self, boundary: int) -> int:
        """New files held below all that waits go where files go that are dropped elsewhere: behind the normal ones."""
        places = [section for section in self.sections() if section.priority is not None]
        if not places or boundary <= places[-1].end:
            return boundary
        return next((place.end for place in places if place.priority is Priority.NORMAL), boundary)

    def _boundary_at(self, y: int) -> int:
        row = self._view.rowAt(y)
        if row < 0:
            return self._queue.rowCount() + 1 if y > 0 else 0
        middle = self._view.rowViewportPosition(row) + self._view.rowHeight(row) / 2
        return row if y < middle else row + 1

    @Slot()
    def _on_scrolled(self) -> None:
        if self.is_active:
            self.hover(self._tip)
