"""The list of the queue: keyboard, mouse, rows dragged inside it and files dragged into it. It emits wishes only."""

from __future__ import annotations

from collections.abc import Callable, Collection

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QItemSelectionRange,
    QMimeData,
    QModelIndex,
    QPoint,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QAbstractItemView, QWidget

from backend.contract.jobs import WAITING_STATES, JobView
from gui.pages.train.queue_delegate import GUTTER, HEADER_HEIGHT, JOB_HEIGHT, RUNNING_HEIGHT, QueueDelegate
from gui.pages.train.queue_drag import QueueDrag
from gui.pages.train.queue_landing import Landing, move_args
from gui.pages.train.row_table import RowTable
from gui.state.queue_groups import Group
from gui.state.queue_model import QueueModel
from gui.theme.palette import tokens_for
from gui.widgets.drops import paths_in

CursorAction = QAbstractItemView.CursorAction
Key = Qt.Key
Select = QItemSelectionModel.SelectionFlag


def has_paths(data: QMimeData) -> bool:
    """Whether there are files of this computer among what is dragged."""
    return data.hasUrls() and any(url.isLocalFile() for url in data.urls())


class QueueView(RowTable):
    """Shows the queue and asks for its jobs to be moved, removed, previewed."""

    move_requested = Signal(object)  # MoveArgs
    priority_requested = Signal(list, object)  # job_ids, Priority
    files_dropped = Signal(list, object)  # paths, Landing | None
    preview_requested = Signal(int)  # job_id
    remove_requested = Signal(list)  # job_ids
    menu_requested = Signal(object)  # QPoint on the screen
    find_requested = Signal()

    def __init__(self, queue: QueueModel, parent: QWidget | None = None) -> None:
        super().__init__(
            self.tr("Queue of training files"), row_height=JOB_HEIGHT, least_height=HEADER_HEIGHT, parent=parent
        )
        self._queue = queue
        self._delegate = QueueDelegate(self)
        self._drag = QueueDrag(self, queue)
        self._pressed_at = QPoint()
        self._accepts: Callable[[QMimeData], bool] = has_paths
        self._kept: tuple[list[int], int | None, int] = [], None, 0  # selected, current and scroll place over a reset
        self._dress()
        self.setModel(queue)
        self._fit_rows()
        self._connect_signals()

    @property
    def drag(self) -> QueueDrag:
        """What is held over the list."""
        return self._drag

    def set_file_judge(self, accepts: Callable[[QMimeData], bool]) -> None:
        """Who says which files from outside may land; of the others the window says why not."""
        self._accepts = accepts

    def selected_jobs(self) -> list[JobView]:
        """The selected jobs in the order of the queue."""
        jobs = map(self._queue.job, self.selected_ids())
        return [job for job in jobs if job is not None]

    def selected_ids(self) -> list[int]:
        """Their numbers; read off the ranges, for all of 10,000 may be selected."""
        numbers = self._queue.numbers()
        chosen = self.selectionModel().selection()
        spans = sorted((chosen.at(at).top(), chosen.at(at).bottom() + 1) for at in range(chosen.count()))
        return [number for first, end in spans for number in numbers[first:end] if number > 0]

    def first_waiting(self, without: Collection[int]) -> int | None:
        """The job that trains next, these left out."""
        numbers = self._queue.numbers()
        places = (section for section in self._drag.sections() if section.priority is not None)
        rows = (row for section in places for row in range(section.first, section.end))
        return next((numbers[row] for row in rows if numbers[row] not in without), None)

    def select_jobs(self, job_ids: list[int]) -> None:
        """Select these jobs and bring the first into view."""
        self.selectionModel().clearSelection()
        found = [index for index in map(self._queue.index_of, job_ids) if index.isValid()]
        for index in found:
            self.selectionModel().select(index, Select.Select | Select.Rows)
        if found:
            self.selectionModel().setCurrentIndex(found[0], Select.NoUpdate)
            self.scrollTo(found[0])

    def _dress(self) -> None:
        self.setItemDelegate(self._delegate)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragEnabled(True)
        self.setAcceptDrops(True)
        self.setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.verticalScrollBar().setSingleStep(JOB_HEIGHT // 2)

    def _connect_signals(self) -> None:
        queue = self._queue
        for signal in (queue.rowsInserted, queue.rowsRemoved, queue.rowsMoved, queue.layoutChanged, queue.modelReset):
            signal.connect(self._on_rows_changed)
        queue.modelAboutToBeReset.connect(self._on_about_to_reset)
        queue.modelReset.connect(self._on_reset)
        self._drag.changed.connect(self._on_drag_changed)
        self._drag.rows_landed.connect(self._on_rows_landed)
        self.activated.connect(self._on_activated)

    def _fit_rows(self) -> None:
        """Give each row the height of its kind; what ran, or stands where something else stood, may have another."""
        rows = self.verticalHeader()
        heights = [JOB_HEIGHT] * self._queue.rowCount()
        for section in self._drag.sections():
            heights[section.header] = HEADER_HEIGHT
            if section.group == Group.RUNNING:
                heights[section.first : section.end] = [RUNNING_HEIGHT] * (section.end - section.first)
        for row, height in enumerate(heights):
            if rows.sectionSize(row) != height:
                rows.resizeSection(row, height)

    def _paint_landing(self, landing: Landing) -> None:
        last = self._queue.rowCount() - 1
        if landing.row <= last:
            y = self.rowViewportPosition(landing.row)
        else:
            y = self.rowViewportPosition(last) + self.rowHeight(last)
        y = max(4, min(y, self.viewport().height() - 4))
        tokens = tokens_for(self)
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens.accent), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(11, y, self.viewport().width() - 8, y)
        painter.setBrush(QColor(tokens.panel))
        painter.drawEllipse(QPoint(8, y), 3, 3)
        painter.end()

    @Slot()
    def _on_rows_changed(self) -> None:
        self._drag.rows_changed()
        self._fit_rows()

    @Slot()
    def _on_about_to_reset(self) -> None:
        current = self._queue.number_at(self.currentIndex().row())
        self._kept = self.selected_ids(), current, self.verticalScrollBar().value()

    @Slot()
    def _on_reset(self) -> None:
        selected, current, place = self._kept
        chosen = QItemSelection()
        for index in filter(QModelIndex.isValid, map(self._queue.index_of, selected)):
            chosen.append(QItemSelectionRange(index))
        self.selectionModel().select(chosen, Select.ClearAndSelect)
        if current is not None:
            self.selectionModel().setCurrentIndex(self._queue.index_of(current), Select.NoUpdate)
        self.updateGeometries()
        self.verticalScrollBar().setValue(place)

    @Slot()
    def _on_drag_changed(self) -> None:
        self._delegate.dragged_ids = frozenset(self._drag.job_ids)
        self.viewport().update()

    @Slot(list, object)
    def _on_rows_landed(self, job_ids: list[int], landing: Landing) -> None:
        args = move_args(job_ids, landing)
        if args is not None:
            self.move_requested.emit(args)
        else:
            self.priority_requested.emit(job_ids, landing.priority)

    @Slot(QModelIndex)
    def _on_activated(self, index: QModelIndex) -> None:
        job = self._queue.job_at(index)
        if job is not None:
            self.preview_requested.emit(job.job_id)

    # Qt's own names

    def startDrag(self, actions: Qt.DropAction) -> None:
        job_ids = [job.job_id for job in self.selected_jobs() if job.state in WAITING_STATES]
        if not job_ids:
            return
        picked = self._queue.job_at(self.indexAt(self._pressed_at))
        name = picked.file_name if picked is not None and picked.job_id in job_ids else ""
        self._drag.begin(job_ids, self._pressed_at, name=name)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = event.position().toPoint()
        if self._drag.is_active:
            self._drag.end()
            return
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag.job_ids and event.buttons() & Qt.MouseButton.LeftButton:
            self._drag.hover(event.position().toPoint())
            return
        self._drag.end()  # no button is held: its release, or the leaving of files from outside, was not told
        super().mouseMoveEvent(event)
        job = self._queue.job_at(self.indexAt(event.position().toPoint()))
        is_handle = job is not None and job.state in WAITING_STATES and event.position().x() < GUTTER
        shape = Qt.CursorShape.OpenHandCursor if is_handle else Qt.CursorShape.ArrowCursor
        if self.viewport().cursor().shape() != shape and not self._drag.is_active:
            self.viewport().setCursor(shape)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._drag.job_ids:
            self._drag.drop()
        else:
            super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._act_on_key(event):
            super().keyPressEvent(event)

    def _act_on_key(self, event: QKeyEvent) -> bool:
        key, is_alt = event.key(), event.modifiers() == Qt.KeyboardModifier.AltModifier
        if key == Key.Key_Escape and self._drag.is_active:
            self._drag.end()
        elif is_alt and key in (Key.Key_Up, Key.Key_Down):
            (self._queue.move_up if key == Key.Key_Up else self._queue.move_down)(self.selected_ids())
        elif event.matches(QKeySequence.StandardKey.Delete) and self.selected_ids():
            self.remove_requested.emit(self.selected_ids())
        elif event.matches(QKeySequence.StandardKey.Find):
            self.find_requested.emit()
        elif key in (Key.Key_Return, Key.Key_Enter) and self.currentIndex().isValid():
            self._on_activated(self.currentIndex())
        else:
            return False
        return True

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        last = self._queue.rowCount() - 1
        if action == CursorAction.MoveHome:
            return self._job_row(0, 1)
        if action == CursorAction.MoveEnd:
            return self._job_row(last, -1)
        index = super().moveCursor(action, modifiers)
        if not index.isValid() or self._queue.job_at(index) is not None:
            return index
        # A group's name is passed over, onwards first; beyond the first there is only the way back.
        step = -1 if index.row() < self.currentIndex().row() else 1
        onwards = self._job_row(index.row(), step)
        return onwards if onwards.isValid() else self._job_row(index.row(), -step)

    def _job_row(self, row: int, step: int) -> QModelIndex:
        while 0 <= row < self._queue.rowCount() and self._queue.job_at(self._queue.index(row, 0)) is None:
            row += step
        return self._queue.index(row, 0)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        at = event.globalPos()
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            at = self.viewport().mapToGlobal(self.visualRect(self.currentIndex()).center())
        self.menu_requested.emit(at)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self._drag.job_ids:
            self._drag.end()
        super().focusOutEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        self._drag.end()
        super().hideEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self._accepts(event.mimeData()):
            self.dragMoveEvent(event)
        else:
            event.ignore()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        event.setDropAction(Qt.DropAction.CopyAction)  # a source that offers a move might delete the file
        event.accept()
        self._drag.hover_files(event.position().toPoint())

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._drag.end()
        event.accept()

    def dropEvent(self, event: QDropEvent) -> None:
        landing = self._drag.landing
        self._drag.end()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        self.files_dropped.emit(paths_in(event.mimeData()), landing)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._drag.landing is not None:
            self._paint_landing(self._drag.landing)
