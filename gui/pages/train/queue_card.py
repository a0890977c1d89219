"""The queue's card: how much there is, undo and redo, search, the list, and words where there is nothing to list."""

from __future__ import annotations

import re

from PySide6.QtCore import QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QLineEdit, QStackedWidget, QToolButton, QWidget

from backend.contract.arguments import PriorityArgs
from gui.pages.train.adding_line import AddingLine
from gui.pages.train.queue_menu import QueueMenu, QueueWishes
from gui.pages.train.queue_view import QueueView
from gui.state.queue_model import QueueModel
from gui.theme.tokens import GRID
from gui.widgets import numbers
from gui.widgets.buttons import FlatButton
from gui.widgets.card import Card
from gui.widgets.empty_state import EmptyState
from gui.widgets.labels import PlainLabel
from gui.widgets.plain import plain, tooltip

_SEARCH_FROM_JOBS = 15
_HINT_FROM_ROWS = 4
_SEARCH_MS = 120
_SUMMARY_MS = 200
_JOB = re.compile(r"\bjob (\d{1,12})\b")
_VIEW_INSET = 8


class QueueCard(Card):
    """Shows the queue; all wishes of its jobs are those of `wishes`."""

    files_dropped = Signal(list, object)  # paths, Landing | None
    undo_requested = Signal()
    redo_requested = Signal()
    cancel_adding_requested = Signal()

    def __init__(self, queue: QueueModel, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.wishes = QueueWishes(self)
        self._queue = queue
        self._is_resting = False
        self.view = QueueView(queue)
        self._undo = FlatButton(icon="undo", name=self.tr("Undo"))
        self._redo = FlatButton(icon="redo", name=self.tr("Redo"))
        self._search = _SearchField()
        self._adding = AddingLine()
        self._empty = EmptyState("file", *self._words_for_nothing(is_searching=False))
        self._stack = QStackedWidget()
        self._hint = PlainLabel(
            self.tr("Drag to reorder · drop between groups to change priority · Ctrl+Z to undo"),
            size="small",
            ink="text_muted",
            wrap=True,
        )
        self._search_timer = QTimer(self, singleShot=True, interval=_SEARCH_MS)
        self._summary_timer = QTimer(self, singleShot=True, interval=_SUMMARY_MS)
        self._build()
        self._connect_signals()
        self._refresh()

    def set_resting(self, is_resting: bool) -> None:
        """Whether the window is minimised: shown, as Qt has it, and yet not seen."""
        self._is_resting = is_resting
        if is_resting:
            self._summary_timer.stop()
        elif self.isVisible():
            self._refresh()

    def set_history(self, can_undo: str, can_redo: str) -> None:
        """What undo and redo would do, in the service's words; '' for nothing."""
        for button, what, name in (
            (self._undo, can_undo, self.tr("Undo")),
            (self._redo, can_redo, self.tr("Redo")),
        ):
            words = f"{name}: {self._with_names(what)}" if what else name
            button.setEnabled(bool(what))
            button.setAccessibleName(plain(words))
            button.setToolTip(tooltip(words))

    def show_adding(self, num_done: int, num_all: int) -> None:
        """How far the adding of many files is; of none when it is through."""
        self._adding.show_progress(num_done, num_all)

    def start_search(self) -> None:
        """Put the keyboard into the search field."""
        self._search.show()
        self._search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._search.selectAll()

    def _build(self) -> None:
        self.set_title(self.tr("Queue"))
        self.add_to_header(self._undo)
        self.add_to_header(self._redo)
        self._search.setPlaceholderText(self.tr("Search the queue"))
        self._search.setAccessibleName(self.tr("Search the queue"))
        self._search.setClearButtonEnabled(True)
        for button in self._search.findChildren(QToolButton):
            button.setAccessibleName(self.tr("Empty the search field"))
        self._search.hide()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._empty)
        self.body.addWidget(self._adding)
        self.body.addWidget(self._search)
        self.body.addWidget(self._stack, 1)
        self.body.addWidget(self._hint)
        self.view.setMinimumHeight(120)
        self.setMinimumWidth(240)

    def _connect_signals(self) -> None:
        queue, view, wishes = self._queue, self.view, self.wishes
        for signal in (queue.rowsInserted, queue.rowsRemoved, queue.modelReset, queue.summary_changed):
            signal.connect(self._on_queue_changed)
        self._summary_timer.timeout.connect(self._refresh)
        self._search_timer.timeout.connect(self._on_search_settled)
        self._search.textEdited.connect(self._on_search_edited)
        self._search.left.connect(self._on_search_left)
        self._undo.clicked.connect(self.undo_requested)
        self._redo.clicked.connect(self.redo_requested)
        self._adding.cancel_requested.connect(self.cancel_adding_requested)
        view.find_requested.connect(self.start_search)
        view.menu_requested.connect(self._on_menu_requested)
        view.files_dropped.connect(self.files_dropped)
        view.move_requested.connect(wishes.move_requested)
        view.priority_requested.connect(wishes.priority_requested)
        view.remove_requested.connect(wishes.remove_requested)
        view.preview_requested.connect(wishes.preview_requested)
        queue.move_requested.connect(self._on_move_requested)

    def _with_names(self, what: str) -> str:
        """The service says `job 4`; people know files."""

        def name(match: re.Match[str]) -> str:
            job = self._queue.job(int(match[1]))
            return match[0] if job is None else job.file_name

        return _JOB.sub(name, what)

    def _num_shown(self) -> int:
        return self._queue.rowCount()

    @Slot()
    def _on_queue_changed(self) -> None:
        if self.isVisible() and not self._is_resting and not self._summary_timer.isActive():
            self._summary_timer.start()

    @Slot()
    def _refresh(self) -> None:
        num_files, seconds, is_least = self._queue.summary
        word = self.tr("1 file") if num_files == 1 else self.tr("{0} files").format(numbers.count(num_files))
        parts = [word] if num_files else []
        if seconds:
            time = numbers.duration(seconds)
            parts.append(self.tr("≥ {0}").format(time) if is_least else time)
        self.set_detail(" · ".join(parts))
        num_shown = self._num_shown()
        is_searching = bool(self._search.text())
        self._search.setVisible(is_searching or self._search.hasFocus() or num_shown > _SEARCH_FROM_JOBS)
        if num_shown == 0:
            self._empty.set_words(*self._words_for_nothing(is_searching=is_searching))
        self._stack.setCurrentIndex(0 if num_shown or self.view.drag.is_active else 1)
        room = self._stack.height() + (self._hint.height() + GRID if self._hint.isVisible() else 0)
        fits = self.view.verticalHeader().length() + self._hint.heightForWidth(self._stack.width()) + GRID < room
        self._hint.setVisible(num_shown > _HINT_FROM_ROWS and fits and not is_searching)

    def _words_for_nothing(self, *, is_searching: bool) -> tuple[str, str]:
        if is_searching:
            return self.tr("No file of this name"), self.tr("Press Escape to see the whole queue.")
        return (
            self.tr("Nothing is waiting"),
            self.tr("Drop files above, or anywhere in the window. Each is checked line by line and then trained."),
        )

    @Slot(str)
    def _on_search_edited(self, text: str) -> None:
        self._search_timer.start()

    @Slot()
    def _on_search_settled(self) -> None:
        self._queue.set_filter(self._search.text())
        self._refresh()

    @Slot()
    def _on_search_left(self) -> None:
        self._search.clear()
        self._queue.set_filter("")
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)
        self._refresh()

    @Slot(object)
    def _on_menu_requested(self, at: QPoint) -> None:
        menu = QueueMenu(
            self.view.selected_jobs(),
            self._queue.jobs(),
            self.wishes,
            top=self.view.first_waiting,
            parent=self.view,
        )
        menu.popup(at)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._on_queue_changed()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._on_queue_changed()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._summary_timer.stop()

    @Slot(list, object)
    def _on_move_requested(self, job_ids: list[int], args: object) -> None:
        if isinstance(args, PriorityArgs):
            self.wishes.priority_requested.emit(job_ids, args.priority)
        else:
            self.wishes.move_requested.emit(args)


class _SearchField(QLineEdit):
    """Escape leaves it and empties it."""

    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
            return
        super().keyPressEvent(event)
