"""The companion in the tray: a ring with the progress, a tooltip with step and time left, the few verbs of a pause.

A bonus, never the only way back: `is_available` is asked again every few seconds, because a panel may come after us
or leave, and nobody may hide a window behind an icon that is not there.
"""

from __future__ import annotations

import html

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from backend.contract.status import Activity, RunState, StatusView
from gui.shell.words import activity_word, what_trains
from gui.theme.tokens import Tokens
from gui.widgets.plain import plain
from gui.widgets.progress_ring import ring_pixmap

LOOK_EVERY_MS = 5000
_ICON_OF = {
    "info": QSystemTrayIcon.MessageIcon.Information,
    "warning": QSystemTrayIcon.MessageIcon.Warning,
    "error": QSystemTrayIcon.MessageIcon.Critical,
}
SIZES = (16, 22, 24, 32, 48)


class Tray(QObject):
    """The icon and its menu. Emits wishes; shows the last status it was given."""

    open_requested = Signal()
    pause_requested = Signal()
    resume_requested = Signal()
    stop_after_file_requested = Signal()
    quit_requested = Signal()

    def __init__(self, tokens: Tokens, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tokens = tokens
        self._status: StatusView | None = None
        self._drawn: tuple[int, Activity | None, str] | None = None
        self._menu = QMenu()
        self._open = self._menu.addAction(self.tr("Open"))
        self._menu.addSeparator()
        self._pause = self._menu.addAction(self.tr("Pause"))
        self._resume = self._menu.addAction(self.tr("Resume"))
        self._stop = self._menu.addAction(self.tr("Stop after file"))
        self._menu.addSeparator()
        self._quit = self._menu.addAction(self.tr("Quit"))
        self._icon = QSystemTrayIcon(self)
        self._icon.setContextMenu(self._menu)
        self._look = QTimer(self)
        self._look.setInterval(LOOK_EVERY_MS)
        self._connect_signals()
        self._draw()

    @property
    def is_available(self) -> bool:
        """Whether there is a tray that shows the icon now."""
        return QSystemTrayIcon.isSystemTrayAvailable()

    def start(self) -> None:
        """Show the icon as soon as there is a place for it."""
        self._look.start()
        self._on_look()

    def stop(self) -> None:
        """Take the icon away."""
        self._look.stop()
        self._icon.hide()

    def set_tokens(self, tokens: Tokens) -> None:
        """Take on another look."""
        self._tokens = tokens
        self._drawn = None
        self._draw()

    def show_status(self, status: StatusView | None) -> None:
        """Show what is so now."""
        self._status = status
        is_paused = status is not None and status.run_state is not RunState.RUNNING
        can_act = status is not None
        self._pause.setVisible(not is_paused)
        self._resume.setVisible(is_paused)
        self._pause.setEnabled(can_act)
        self._stop.setEnabled(status is not None and status.job is not None and not status.stop_after_file)
        self._draw()

    def show_message(self, level: str, title: str, message: str) -> bool:
        """Tell something beside the icon; False where there is none to tell it."""
        if not self.is_available:
            return False
        self._icon.showMessage(title, message, _ICON_OF.get(level, QSystemTrayIcon.MessageIcon.Information))
        return True

    def tool_tip(self) -> str:
        """One or two lines: what it does, where it is, how long still."""
        if self._status is None:
            return self.tr("Everstep · not connected")
        lines = [f"Everstep · {activity_word(self._status)}", what_trains(self._status)]
        return "\n".join(plain(line, 200) for line in lines if line)

    def _draw(self) -> None:
        status = self._status
        job = status.job if status is not None else None
        share = job.done_steps / job.total_steps if job is not None and job.total_steps else None
        text = self.tool_tip()
        drawn = (round(share * 100) if share is not None else -1, status.activity if status else None, text)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        color = self._color(status)
        icon = QIcon()
        for size in SIZES:
            icon.addPixmap(ring_pixmap(size, share, color, self._tokens.track))
        self._icon.setIcon(icon)
        self._icon.setToolTip(html.escape(text).replace("\n", "<br>") if "<" in text else text)

    def _color(self, status: StatusView | None) -> str:
        if status is None:
            return self._tokens.text_faint
        return {
            Activity.TRAINING: self._tokens.accent,
            Activity.CHECKING: self._tokens.accent,
            Activity.NEEDS_YOU: self._tokens.stop,
            Activity.RECOVERING: self._tokens.warning,
        }.get(status.activity, self._tokens.text_muted)

    def _connect_signals(self) -> None:
        for action, wish in (
            (self._open, self.open_requested),
            (self._pause, self.pause_requested),
            (self._resume, self.resume_requested),
            (self._stop, self.stop_after_file_requested),
            (self._quit, self.quit_requested),
        ):
            action.triggered.connect(wish)
        self._icon.activated.connect(self._on_activated)
        self._look.timeout.connect(self._on_look)

    def _on_look(self) -> None:
        self._icon.setVisible(self.is_available)

    def _on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason in (QSystemTrayIcon.ActivationReason.Trigger, QSystemTrayIcon.ActivationReason.DoubleClick):
            self.open_requested.emit()
