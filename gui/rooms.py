"""What stands behind the first frame: the service, what is known of it, what can be done, the page that shows it.

Built after the window is on the screen, because the chart library alone takes longer to load than all before it.
This file knows everybody; they know nobody but those below them.
"""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut

from gui.actions.registry import Actions
from gui.client.backend import Backend
from gui.client.connection_state import ConnectionState
from gui.excepthook import FaultWatch
from gui.pages.train.page import TrainPage
from gui.shell.asking import Asking
from gui.shell.command_line import Options
from gui.shell.drop_anywhere import Verdict
from gui.shell.first_steps import FirstSteps
from gui.shell.leaving import Leaving
from gui.shell.main_window import MainWindow
from gui.shell.notifier import Notifier
from gui.shell.single_instance import SingleInstance
from gui.shell.telling import Telling
from gui.shell.tray import Tray
from gui.shell.window_state import WindowState
from gui.shell.wishes import connect_page, connect_steering
from gui.shell.words import model_words
from gui.state.stores import Stores
from gui.state.sync import Sync
from gui.theme.palette import Look
from gui.widgets.labels import Ink

_log = logging.getLogger("everstep.window")
_TOKEN_OF: dict[ConnectionState, Ink] = {
    ConnectionState.LOCATING: "text_faint",
    ConnectionState.STARTING: "warning",
    ConnectionState.CONNECTED: "good",
    ConnectionState.SILENT: "warning",
}
_STARTABLE = (ConnectionState.GONE, ConnectionState.REFUSED)


class Rooms(QObject):
    """Everything that is not the frame."""

    page_shown = Signal()
    live = Signal()
    """The stores hold everything as it is now."""

    def __init__(
        self, window: MainWindow, look: Look, state: WindowState, options: Options, *, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._look = look
        self._options = options
        self.backend = Backend(options.workspace, self)
        self.stores = Stores(self)
        self.sync = Sync(self.backend, self.stores, self)
        self.actions = Actions(self.backend, self.stores, self)
        self.tray = Tray(look.tokens, self)
        self.notifier = Notifier(self.tray, self)
        self.asking = Asking(window, self.actions, self)
        self.telling = Telling(window, self.tray, self.notifier, self.stores, self)
        self.leaving = Leaving(window, self.tray, state, self.stores, self.actions, parent=self)
        self.first_steps = FirstSteps(self.actions, self.stores, self)
        self.page = TrainPage(
            self.stores.session,
            self.stores.queue,
            history=self.stores.metrics,
            samples=self.stores.samples,
            events=self.stores.events,
        )
        self._pending_files = list(options.files)

    def join(self, instance: SingleInstance, faults: FaultWatch) -> None:
        """Connect everybody, show the page, and only then look for the service."""
        self._connect_state()
        connect_steering(self._window.header, self.tray, self.actions)
        connect_page(self.page, self.actions, self.asking)
        self._connect_window()
        self._connect_edges(instance, faults)
        self.page.place_first_run(self.first_steps.panel)
        self.first_steps.preview_requested.connect(self.asking.offer_preview)
        self.first_steps.base_chosen.connect(self.page.setFocus)
        self._window.add_page("train", self.tr("Train"), "train", self.page)
        self._window.help_sheet.explain_page("train")
        self.page.setFocus()
        self._show_connection(self.stores.session.connection)
        self.tray.start()
        QTimer.singleShot(0, self._on_page_shown)

    def leave(self) -> None:
        """Let go of everything that is not ours: service, bus, tray. Training goes on."""
        self.backend.close()
        self.notifier.close()
        self.tray.stop()

    def _connect_state(self) -> None:
        session, header, bar = self.stores.session, self._window.header, self._window.status_bar
        session.status_changed.connect(self._show_model)
        self.stores.base.changed.connect(self._show_model)
        session.status_changed.connect(header.show_status)
        session.status_changed.connect(bar.show_status)
        session.status_changed.connect(self.tray.show_status)
        session.connection_changed.connect(self._show_connection)
        header.start_requested.connect(self.backend.process.start)
        self.sync.loaded.connect(self._on_loaded)
        self._look.changed.connect(self.tray.set_tokens)

    def _connect_window(self) -> None:
        window = self._window
        window.palette_of_commands.set_source(self.actions.commands)
        window.drops.dropped.connect(self._on_dropped)
        window.drops.hovered.connect(self._on_hovered)
        window.drops.left.connect(self.page.show_drop_idle)
        window.close_requested.connect(self.leaving.close)
        window.minimized_changed.connect(self.page.set_resting)
        self.tray.open_requested.connect(window.come_forward)
        self.tray.quit_requested.connect(self.leaving.quit)
        self.notifier.opened.connect(window.come_forward)
        self.leaving.left.connect(self.leave)
        self.leaving.notice_posted.connect(self.notifier.notify)
        selection = self.page.queue_card.view.selectionModel()
        selection.selectionChanged.connect(self._on_selection_changed)
        keys = (
            ("Ctrl+O", self.asking.ask_for_files),
            ("Ctrl+P", self._pause_or_resume),
            ("Ctrl+Z", self.actions.undo),  # also when the list, empty now, cannot have the keyboard
            ("Ctrl+Shift+Z", self.actions.redo),  # a text field with the keyboard takes both before the window
            ("Ctrl+T", window.look_requested.emit),
            ("Ctrl+W", window.close),
            ("Ctrl+Q", self.leaving.quit),
        )
        for pressed, act in keys:
            QShortcut(QKeySequence(pressed), window).activated.connect(act)

    def _connect_edges(self, instance: SingleInstance, faults: FaultWatch) -> None:
        instance.paths_received.connect(self.actions.add_files)
        instance.activated.connect(self._window.come_forward)
        faults.fault_seen.connect(self.telling.tell_fault)
        self.actions.failed.connect(self.telling.tell_failure)
        self.actions.done.connect(self.telling.tell_done)
        self.actions.files.refused.connect(self.telling.tell_refused)
        self.actions.files.stopped.connect(lambda sentence: self._window.toasts.post("info", sentence))
        self.page.chart_exported.connect(self.telling.tell_exported)
        self.page.chart_export_failed.connect(self.telling.tell_not_exported)

    def _show_connection(self, connection: ConnectionState) -> None:
        if connection is ConnectionState.CONNECTED:
            sentence = self.tr("backend connected")
        else:
            sentence = self.backend.process.sentence or connection.sentence
            self._window.header.show_away(sentence, can_start=connection in _STARTABLE)
        self._window.status_bar.show_connection(sentence, _TOKEN_OF.get(connection, "stop"))

    def _show_model(self) -> None:
        status = self.stores.session.status
        self._window.header.show_model(model_words(status, self.stores.base.lineage) if status is not None else "")

    def _pause_or_resume(self) -> None:
        can_pause = not self.actions.why_not("pause")
        (self.actions.pause if can_pause else self.actions.resume)()

    def _on_selection_changed(self) -> None:
        self.actions.set_selection(self.page.queue_card.view.selected_ids())

    def _on_page_shown(self) -> None:
        self.page_shown.emit()
        self.backend.start()

    def _on_loaded(self) -> None:
        self.live.emit()
        if self._pending_files:
            self.actions.add_files(self._pending_files)
            self._pending_files = []

    def _on_hovered(self, verdict: Verdict) -> None:
        self.page.show_drop_hover(verdict.is_accepted, verdict.sentence())

    def _on_dropped(self, verdict: Verdict) -> None:
        if verdict.refused:
            self.telling.tell_refused_names(verdict.refused)
        if verdict.paths:
            self.actions.add_files(verdict.paths)
