"""The Train page: three columns, wired to stores, emitting wishes. It knows no service and changes no row."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QMimeData, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from backend.contract.status import StatusView
from gui.pages.train.columns import Columns
from gui.pages.train.curves import Curves
from gui.pages.train.events_card import EventsCard
from gui.pages.train.generalisation_card import GeneralisationCard
from gui.pages.train.queue_card import QueueCard
from gui.pages.train.sample_card import SampleCard
from gui.state.event_log import EventLog
from gui.state.metric_history import MetricHistory
from gui.state.queue_model import QueueModel
from gui.state.sample_store import SampleStore
from gui.state.session_store import SessionStore
from gui.widgets.drop_zone import DropZone
from gui.widgets.drops import paths_in


class TrainPage(QWidget):
    """Drop it, see it learn."""

    files_dropped = Signal(list, object)  # paths, Landing | None
    open_requested = Signal()
    move_requested = Signal(object)  # MoveArgs
    priority_requested = Signal(list, object)  # job_ids, Priority
    hold_requested = Signal(list)
    release_requested = Signal(list)
    retry_requested = Signal(list)
    remove_requested = Signal(list)
    clear_requested = Signal(str)
    undo_requested = Signal()
    redo_requested = Signal()
    cancel_adding_requested = Signal()
    preview_requested = Signal(int)  # job_id
    pause_requested = Signal()
    resume_requested = Signal()
    skip_requested = Signal()
    chart_exported = Signal(str)  # path
    chart_export_failed = Signal(str)  # a sentence
    evaluate_requested = Signal()
    sample_requested = Signal()

    def __init__(
        self,
        session: SessionStore,
        queue: QueueModel,
        *,
        history: MetricHistory,
        samples: SampleStore,
        events: EventLog,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._history = history
        self.drop_zone = DropZone()
        self.queue_card = QueueCard(queue)
        self.curves = Curves(history, session)
        self.generalisation = GeneralisationCard()
        self.sample = SampleCard(samples)
        self.events = EventsCard(events)
        self._columns = Columns(
            drop_zone=self.drop_zone,
            queue=self.queue_card,
            curves=self.curves,
            generalisation=self.generalisation,
            sample=self.sample,
            events=self.events,
        )
        self._first_run: QWidget | None = None
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(self._columns)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.setAccessibleName(self.tr("Train"))
        self._connect_signals()
        if session.status is not None:
            self._on_status_changed(session.status)

    def place_first_run(self, panel: QWidget) -> None:
        """Take the panel that is shown in place of the curves until there is a base model."""
        self._first_run = panel
        self._columns.place_first_run(panel)
        self._refresh_first_run()

    def set_file_judge(self, accepts: Callable[[QMimeData], bool]) -> None:
        """Who says which files may be dropped between the rows of the queue."""
        self.queue_card.view.set_file_judge(accepts)

    def show_adding(self, num_done: int, num_all: int) -> None:
        """How far the adding of many files is; of none when it is through."""
        self.queue_card.show_adding(num_done, num_all)

    def set_resting(self, is_resting: bool) -> None:
        """Whether nobody can see the window although it is shown: minimised. What came meanwhile is shown after it."""
        for part in (self.curves, self.queue_card, self.events):
            part.set_resting(is_resting)

    def show_drop_hover(self, is_accepted: bool, sentence: str) -> None:
        """Files hover over the window: say whether they would be taken."""
        self.drop_zone.show_hover(is_accepted, sentence)

    def show_drop_idle(self) -> None:
        """Nothing hovers any more."""
        self.drop_zone.show_idle()

    def _connect_signals(self) -> None:
        wishes, card = self.queue_card.wishes, self.queue_card
        for name in (
            "move_requested",
            "priority_requested",
            "hold_requested",
            "release_requested",
            "retry_requested",
            "remove_requested",
            "clear_requested",
            "preview_requested",
            "pause_requested",
            "resume_requested",
            "skip_requested",
        ):
            getattr(wishes, name).connect(getattr(self, name))
        card.files_dropped.connect(self.files_dropped)
        card.undo_requested.connect(self.undo_requested)
        card.redo_requested.connect(self.redo_requested)
        card.cancel_adding_requested.connect(self.cancel_adding_requested)
        self.curves.exported.connect(self.chart_exported)
        self.curves.export_failed.connect(self.chart_export_failed)
        self.drop_zone.open_requested.connect(self.open_requested)
        self.drop_zone.paths_pasted.connect(self._on_paths_pasted)
        self.generalisation.evaluate_requested.connect(self.evaluate_requested)
        self.sample.sample_requested.connect(self.sample_requested)
        self._session.status_changed.connect(self._on_status_changed)
        self._history.changed.connect(self._refresh_first_run)
        self._history.marks_changed.connect(self._on_marks_changed)

    @Slot(object)
    def _on_status_changed(self, status: StatusView) -> None:
        self.generalisation.show_status(status)
        self.sample.show_status(status)
        self.queue_card.set_history(status.can_undo, status.can_redo)
        self._refresh_first_run()

    @Slot()
    def _on_marks_changed(self) -> None:
        self.generalisation.show_evaluation(self._history.evaluations[-1] if self._history.evaluations else None)

    @Slot()
    def _refresh_first_run(self) -> None:
        status = self._session.status
        is_new = status is not None and not status.base_id and not self._history.newest_step
        self._columns.show_first_run(is_new and self._first_run is not None)

    @Slot(list)
    def _on_paths_pasted(self, paths: list[str]) -> None:
        if paths:
            self.files_dropped.emit(paths, None)

    # Qt's own names

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        view = self.queue_card.view
        (view if view.isVisible() else self).setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Paste):
            self._on_paths_pasted(paths_in(QGuiApplication.clipboard().mimeData()))
            return
        if event.matches(QKeySequence.StandardKey.Find):
            self.queue_card.start_search()
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._columns.arrange(self.width())
