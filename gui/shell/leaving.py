"""How a window is left. Closing it never stops training; only an answer to a question does.

With a tray, closing puts the window behind the icon. Without one it never hides: it asks, where something trains, and
ends. Quitting always ends the window; the service and its trainer go on by themselves.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from backend.contract.jobs import ACTIVE_STATES
from gui.actions.registry import Actions
from gui.dialogs.quit import QuitQuestion
from gui.shell.main_window import MainWindow
from gui.shell.tray import Tray
from gui.shell.window_state import WindowState
from gui.shell.words import what_trains
from gui.state.stores import Stores

STOP_SECONDS = 20
"""After "Save and stop" the window waits so long for the service's word, then leaves: it stops without us too."""


class Leaving(QObject):
    """Asks, saves the window's place, and ends the program."""

    left = Signal()
    notice_posted = Signal(str, str, str)  # level, title, message: for the desktop, as the window is not to be seen

    def __init__(
        self,
        window: MainWindow,
        tray: Tray,
        state: WindowState,
        stores: Stores,
        actions: Actions,
        *,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._tray = tray
        self._state = state
        self._stores = stores
        self._actions = actions
        self._question: QuitQuestion | None = None
        self._has_left = False
        self._patience = QTimer(self, singleShot=True, interval=STOP_SECONDS * 1000)
        self._patience.timeout.connect(self._go)

    def close(self) -> None:
        """The window's own button was pressed."""
        if self._tray.is_available:
            self._state.save(self._window)
            self._window.hide()
            self._tell_of_tray()
        else:
            self.quit()

    def quit(self) -> None:
        """End the window; ask first where something trains."""
        if self._question is not None:
            self._question.raise_()
            return
        if not self._trains():
            self._go()
            return
        self._window.come_forward()
        status = self._stores.session.status
        self._question = QuitQuestion(what_trains(status) if status is not None else "", self._window)
        self._question.keep_training_requested.connect(self._go)
        self._question.save_and_stop_requested.connect(self._stop_and_go)
        self._question.finished.connect(self._on_answered)
        self._question.open()

    def _trains(self) -> bool:
        session = self._stores.session
        job = session.status.job if session.status is not None else None
        return session.is_connected and job is not None and job.state in ACTIVE_STATES

    def _tell_of_tray(self) -> None:
        if not self._state.has_told_of_tray:
            self._state.has_told_of_tray = True
            words = self.tr("Training goes on. The icon in the tray brings the window back.")
            self.notice_posted.emit("info", "Everstep", words)

    def _stop_and_go(self) -> None:
        reply = self._actions.shutdown()
        reply.done.connect(self._go)
        reply.failed.connect(self._go)
        self._patience.start()
        self._window.header.show_away(self.tr("Saving; this window leaves in a moment."))

    def _on_answered(self) -> None:
        if self._question is not None:
            self._question.deleteLater()
            self._question = None

    def _go(self) -> None:
        """Once: the answer may come, or patience end, when the window has left already."""
        if self._has_left:
            return
        self._has_left = True
        self._patience.stop()
        self._state.save(self._window)
        self.left.emit()
        self._window.close_for_good()
        QApplication.exit(0)
