"""Who is told what, and how: a toast in the window, and the desktop too where nobody looks at the window."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtGui import QDesktopServices

from backend.contract.errors import ErrorBody
from backend.contract.results import RefusedFile
from gui.excepthook import log_file
from gui.prompt_words import for_window
from gui.shell.main_window import MainWindow
from gui.shell.notifier import Notifier
from gui.shell.tray import Tray
from gui.state.stores import Stores
from gui.widgets.numbers import count

MAX_NAMED = 3


class Telling(QObject):
    """Takes facts from everywhere and says each once."""

    def __init__(
        self, window: MainWindow, tray: Tray, notifier: Notifier, stores: Stores, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._tray = tray
        self._notifier = notifier
        stores.notices.notice_posted.connect(self._on_notice_posted)

    def tell_failure(self, error: ErrorBody) -> None:
        """An act did not succeed."""
        words = " ".join(part for part in (error.message, error.hint) if part)
        self._window.toasts.post("error", error.title, for_window(words))

    def tell_done(self, sentence: str) -> None:
        """An act succeeded, and that is not plain to see."""
        self._window.toasts.post("good", sentence)

    def tell_refused(self, files: list[RefusedFile]) -> None:
        """Files that the service did not take."""
        self.tell_refused_names([f"{file.path.rpartition('/')[2]}: {for_window(file.message)}" for file in files])

    def tell_refused_names(self, sentences: list[str]) -> None:
        """Files that were not taken, one sentence each."""
        shown = "\n".join(sentences[:MAX_NAMED])
        more = len(sentences) - MAX_NAMED
        if more > 0:
            shown += "\n" + self.tr("and {count} more").format(count=count(more))
        title = (
            self.tr("1 file was not added")
            if len(sentences) == 1
            else self.tr("{count} files were not added").format(count=count(len(sentences)))
        )
        self._window.toasts.post("warning", title, shown)

    def tell_fault(self, sentence: str) -> None:
        """A fault of the window itself."""
        self._window.toasts.post(
            "error",
            self.tr("A fault of this window"),
            self.tr("{what} Training is not touched by it. The log says where.").format(what=sentence + "."),
            action=self.tr("Open the log"),
            do=_open_log,
        )

    def tell_exported(self, path: str) -> None:
        """A chart was written."""
        self._window.toasts.post("good", self.tr("The chart was saved"), path)

    def tell_not_exported(self, sentence: str) -> None:
        """A chart could not be written."""
        self._window.toasts.post("error", self.tr("The chart was not saved"), sentence)

    def _on_notice_posted(self, level: str, title: str, message: str) -> None:
        message = for_window(message)
        self._window.toasts.post(level, title, message)
        if not self._window.isActiveWindow():
            self._notifier.notify(level, title, message)


def _open_log() -> None:
    QDesktopServices.openUrl(log_file().as_uri())
