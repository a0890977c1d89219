"""What the window remembers of itself: place, size, looks. An ini file of the user, never in a workspace."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QMargins, QRect, QSettings, QSize, QStandardPaths
from PySide6.QtWidgets import QWidget

VERSION = 1
"""Of what is stored; another one is not read."""
FIRST_SIZE = QSize(1440, 900)
FRAME = QMargins(8, 40, 8, 8)
"""Room for what a window manager puts around a window: its own size is not known before the window is shown."""
THEMES = ("system", "light", "dark")


def settings_file() -> Path:
    """Where it is kept."""
    config = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    return Path(config) / "everstep" / "window.ini"


class WindowState:
    """Reads at start, writes on close. A damaged file reads as an empty one, so every value has a default."""

    def __init__(self, path: Path) -> None:
        self._settings = QSettings(str(path), QSettings.Format.IniFormat)
        if self._settings.value("version", 0, type=int) != VERSION:
            self._settings.clear()

    @property
    def theme(self) -> str:
        """system, light or dark."""
        kept = str(self._settings.value("theme", "system", type=str))
        return kept if kept in THEMES else "system"

    @theme.setter
    def theme(self, choice: str) -> None:
        self._put("theme", choice)

    @property
    def has_told_of_tray(self) -> bool:
        """Whether the user was told once that a closed window lives on in the tray."""
        return bool(self._settings.value("told_of_tray", False, type=bool))

    @has_told_of_tray.setter
    def has_told_of_tray(self, told: bool) -> None:
        self._put("told_of_tray", told)

    def restore(self, window: QWidget) -> None:
        """Give the window its last place, or a good first one; never larger than the screen of today."""
        geometry = self._settings.value("geometry")
        is_known = isinstance(geometry, QByteArray) and window.restoreGeometry(geometry)
        screen = window.screen().availableGeometry()
        if not is_known:
            window.resize(FIRST_SIZE.boundedTo(screen.marginsRemoved(FRAME).size()))
            if window.size() != FIRST_SIZE:  # else the window manager knows a good place
                window.move(screen.topLeft())
        elif not (window.isMaximized() or window.isFullScreen()):
            window.setGeometry(fitted(window.geometry(), screen))

    def save(self, window: QWidget) -> None:
        """Keep the place of the window. Only on close: each save under some window managers drifts by its frame."""
        self._put("geometry", window.saveGeometry())
        self._settings.sync()

    def _put(self, key: str, value: object) -> None:
        self._settings.setValue("version", VERSION)
        self._settings.setValue(key, value)


def fitted(window: QRect, screen: QRect) -> QRect:
    """Where a window stands that is to be seen whole, frame and all."""
    room = screen.marginsRemoved(FRAME)
    size = window.size().boundedTo(room.size())
    x = min(max(window.x(), room.left()), room.right() + 1 - size.width())
    y = min(max(window.y(), room.top()), room.bottom() + 1 - size.height())
    return QRect(x, y, size.width(), size.height())
