"""The window's table of contents.

1  read the command line, open the log, catch faults
2  hand files to a window that is already open on this workspace, and end
3  build the frame and show it: the first frame talks to nobody
4  join the rooms behind it: service, state, actions, page (gui/rooms.py, loaded only now)
5  go on until the user leaves; training does not care
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from gui.collector import Collector
from gui.excepthook import FaultWatch, log_file, open_log
from gui.shell.command_line import Options, parse
from gui.shell.main_window import MainWindow
from gui.shell.screenshots import Screenshots
from gui.shell.single_instance import SingleInstance
from gui.shell.window_state import WindowState, settings_file
from gui.theme.icons import icon_pixmap
from gui.theme.palette import Look
from gui.theme.tokens import Theme
from gui.widgets.plain import plain

_log = logging.getLogger("everstep.window")


def main(argv: list[str]) -> int:
    """Open the window and stay until it is left. Returns the exit code."""
    options = parse(argv)
    if options.screenshots is not None and not _has_display():
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if not _has_display() and not os.environ.get("QT_QPA_PLATFORM"):
        sys.stderr.write("There is no display here. `main.py status` and the other verbs work without one.\n")
        return 1
    application = _make_application()
    open_log(log_file())
    faults = FaultWatch(application)
    faults.install()
    instance = SingleInstance(application)
    if options.screenshots is None and not instance.claim(options.workspace, options.files):
        return 0
    everstep = Everstep(application, options, instance, faults)
    everstep.open()
    code = application.exec()
    everstep.close()
    faults.uninstall()
    return code


def _has_display() -> bool:
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _make_application() -> QApplication:
    QApplication.setApplicationName("everstep")
    QApplication.setApplicationDisplayName("Everstep")
    QApplication.setDesktopFileName("everstep")  # before the first window, or Wayland calls it python3
    application = QApplication(sys.argv[:1])
    application.setQuitOnLastWindowClosed(False)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C at the terminal ends the window at once: nothing is lost
    return application


class Everstep(QObject):
    """Everything this window is made of, in the order it comes to life."""

    rooms_joined = Signal()

    def __init__(
        self, application: QApplication, options: Options, instance: SingleInstance, faults: FaultWatch
    ) -> None:
        super().__init__(application)
        self._options = options
        self._instance = instance
        self._faults = faults
        self._collector = Collector(self)
        self._state = WindowState(settings_file())
        self._look = Look(application, self)
        self._look.choose(options.theme or self._state.theme)
        self._look.apply(application)
        application.setWindowIcon(QIcon(icon_pixmap("everstep", self._look.tokens.accent, 64)))
        self._window = MainWindow(plain(options.workspace.name, 60))  # the platform adds the program after it
        self._connect_signals()

    def open(self) -> None:
        """Show the frame; the rooms follow its first frame."""
        self._state.restore(self._window)
        self._window.show_theme(is_dark=self._look.tokens.theme is Theme.DARK)
        self._window.show()

    def close(self) -> None:
        """The event loop has ended."""
        self._collector.stop()

    def _connect_signals(self) -> None:
        self._window.first_frame_painted.connect(self._on_first_frame_painted)
        self._window.look_requested.connect(self._on_look_requested)
        self._look.changed.connect(self._on_look_changed)

    def _on_first_frame_painted(self) -> None:
        _log.info("first frame after %.3f s", seconds_since_start())
        QTimer.singleShot(0, self._join_rooms)

    def _join_rooms(self) -> None:
        # Loads state, page and chart library: 0.7 s that nobody has to wait for before there is a window.
        from gui.rooms import Rooms

        rooms = Rooms(self._window, self._look, self._state, self._options, parent=self)
        rooms.page_shown.connect(lambda: _log.info("page after %.3f s", seconds_since_start()))
        rooms.live.connect(self._on_live)
        rooms.join(self._instance, self._faults)
        if self._options.screenshots is not None:
            pictures = Screenshots(self._window, self._look, self._options.screenshots, self)
            rooms.live.connect(pictures.start)
            pictures.finished.connect(QApplication.exit)
        self.rooms_joined.emit()

    def _on_live(self) -> None:
        _log.info("live after %.3f s", seconds_since_start())
        self._collector.settle()

    def _on_look_requested(self) -> None:
        is_dark = self._look.tokens.theme is Theme.DARK
        choice = "light" if is_dark else "dark"
        self._look.choose(choice)
        self._state.theme = choice

    def _on_look_changed(self) -> None:
        self._window.show_theme(is_dark=self._look.tokens.theme is Theme.DARK)


def seconds_since_start() -> float:
    """How long ago this process began, set-up check and all; 0 where the system does not say."""
    try:
        with open("/proc/self/stat", encoding="ascii") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open("/proc/uptime", encoding="ascii") as file:
            uptime = float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return time.process_time()
    return uptime - ticks / os.sysconf("SC_CLK_TCK")
