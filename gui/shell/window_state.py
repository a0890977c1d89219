"""What the window remembers of itself: place, size, looks. An ini file of the user, never in a workspace."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings, QSize, QStandardPaths
from PySide6.QtWidgets import QWidget

VERSION = 1
"""Of what is stored; another one is not read."""
FIRST_SIZE = QSize(1440, 900)
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
        """Give the window its last place, or a good first one."""
        geometry = self._settings.value("geometry")
        if isinstance(geometry, QByteArray) and window.restoreGeometry(geometry):
            return
        screen = window.screen().availableGeometry()
        size = FIRST_SIZE.boundedTo(screen.size())
        window.resize(size)
        if size == screen.size():
            window.move(screen.topLeft())

    def save(self, window: QWidget) -> None:
        """Keep the place of the window. Only on close: each save under some window managers drifts by its frame."""
        self._put("geometry", window.saveGeometry())
        self._settings.sync()

    def _put(self, key: str, value: object) -> None:
        self._settings.setValue("version", VERSION)
        self._settings.setValue(key, value)
