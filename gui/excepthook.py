"""Where a fault of the window goes: into its log file and into a notice, never past the user.

Catches what Python, its threads and Qt's own messages report, and lets faulthandler write the stacks of a crash.
Touches one file, `window.log` in the user's folder for state, and the process-wide hooks.
"""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from PySide6.QtCore import QMessageLogContext, QObject, QStandardPaths, QtMsgType, Signal, qInstallMessageHandler

MAX_LOG_BYTES = 2_000_000
MAX_FAULTS = 50
"""A fault in a paint event comes back sixty times a second; after so many the log has the picture."""

_log = logging.getLogger("everstep.window")
_LEVEL_OF = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def log_file() -> Path:
    """The window's own log; the service has another one in the workspace."""
    state = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericStateLocation)
    return Path(state) / "everstep" / "window.log"


def open_log(path: Path) -> None:
    """Send every log record, and the stacks of a crash, to this file; the one before is kept as `.1`."""
    handler: logging.StreamHandler[Any]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError:  # a full or foreign disk must not keep the window from opening
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    if handler.stream is not None:
        faulthandler.enable(handler.stream)


class FaultWatch(QObject):
    """Hooks in once; tells of each different fault once."""

    fault_seen = Signal(str)  # one sentence

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._told: set[str] = set()
        self._num_faults = 0
        self._lock = threading.Lock()

    def install(self) -> None:
        """Take over the hooks of the process."""
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception
        sys.unraisablehook = self._on_unraisable
        qInstallMessageHandler(self._on_qt_message)

    def uninstall(self) -> None:
        """Give the hooks back."""
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__
        sys.unraisablehook = sys.__unraisablehook__
        qInstallMessageHandler(None)

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, traceback)
            return
        self._report(error, traceback)

    def _on_thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._report(args.exc_value, args.exc_traceback)

    def _on_unraisable(self, args: sys.UnraisableHookArgs) -> None:
        if args.exc_value is not None:
            self._report(args.exc_value, args.exc_traceback)

    def _on_qt_message(self, kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
        _log.log(_LEVEL_OF.get(kind, logging.WARNING), "Qt: %s", message)

    def _report(self, error: BaseException, traceback: TracebackType | None) -> None:
        with self._lock:
            self._num_faults += 1
            num_faults = self._num_faults
        if num_faults > MAX_FAULTS:
            return
        _log.error("A fault of the window", exc_info=(type(error), error, traceback))
        if num_faults == MAX_FAULTS:
            _log.error("That was fault %d; later ones are not written.", MAX_FAULTS)
        sentence = f"{type(error).__name__}: {error}"
        if sentence not in self._told:
            self._told.add(sentence)
            self.fault_seen.emit(sentence)
