"""`gui --screenshots DIR`: every page in both themes and two sizes, painted from the workspace as it is, then the end.

Writes PNG files through QSaveFile, outside of any workspace.
"""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path

from PySide6.QtCore import QIODevice, QObject, QSaveFile, QSize, QTimer, Signal

from gui.shell.main_window import MainWindow
from gui.theme.palette import Look

SIZES = (QSize(1440, 900), QSize(1024, 700))
THEMES = ("dark", "light")
SETTLE_MS = 900
"""Between the last change and the picture: a layout, a debounced request for finer data and its answer."""
GIVE_UP_MS = 30_000
"""Without a service a picture shows that there is none."""

_log = logging.getLogger("everstep.screenshots")


class Screenshots(QObject):
    """Goes from picture to picture by timer, so that the window lives as it always does."""

    finished = Signal(int)  # exit code

    def __init__(self, window: MainWindow, look: Look, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._window = window
        self._look = look
        self._folder = folder
        self._left = deque((page, theme, size) for page in window.page_names for theme in THEMES for size in SIZES)
        self._num_written = 0
        self._is_started = False
        QTimer.singleShot(GIVE_UP_MS, self, self.start)

    def start(self) -> None:
        """Begin, once."""
        if not self._is_started:
            self._is_started = True
            self._prepare()

    def _prepare(self) -> None:
        if not self._left:
            self.finished.emit(0)
            return
        page, theme, size = self._left[0]
        self._window.open_page(page)
        self._look.choose(theme)
        self._window.resize(size)
        QTimer.singleShot(SETTLE_MS, self, self._take)

    def _take(self) -> None:
        page, theme, size = self._left.popleft()
        path = self._folder / f"{page}-{theme}-{size.width()}x{size.height()}.png"
        self._folder.mkdir(parents=True, exist_ok=True)
        file = QSaveFile(str(path))
        if (
            file.open(QIODevice.OpenModeFlag.WriteOnly)
            and self._window.grab().save(file, "PNG")
            and file.commit()
        ):
            self._num_written += 1
            self._prepare()
        else:
            _log.error("%s could not be written: %s", path, file.errorString())
            self.finished.emit(1)
