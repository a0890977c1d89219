"""What happened, newest first, as a list for the Events panel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from backend.contract.events import ServiceEvent
from gui.state.event_words import more, words

MAX_ROWS = 2000
_MOMENTS_SECONDS = 10.0
_NOWHERE = QModelIndex()
_Index = QModelIndex | QPersistentModelIndex


class EventRole(IntEnum):
    """What a row says."""

    AtRole = Qt.ItemDataRole.UserRole + 1
    """Unix time."""
    LevelRole = Qt.ItemDataRole.UserRole + 2
    """info, good, warning or error."""
    TextRole = Qt.ItemDataRole.UserRole + 3
    MoreRole = Qt.ItemDataRole.UserRole + 4
    """What one line had no room for; '' when nothing."""


@dataclass(frozen=True)
class EventLine:
    """One line of the log."""

    at: float
    level: str
    text: str
    more: str


class EventLog(QAbstractListModel):
    """Past and live events, in the same words."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lines: list[EventLine] = []

    def load(self, events: Iterable[ServiceEvent]) -> None:
        """Take what happened before, oldest first."""
        lines: list[EventLine] = []
        for event in events:
            line = _line(event)
            if line is not None and not (lines and _says_again(line, lines[-1])):
                lines.append(line)
        self.beginResetModel()
        self._lines = lines[::-1][:MAX_ROWS]
        self.endResetModel()

    def add(self, event: ServiceEvent) -> None:
        """Take what just happened, if it is worth a line and was not told already."""
        line = _line(event)
        if line is None or line in self._lines[:20] or (self._lines and _says_again(line, self._lines[0])):
            return
        self.beginInsertRows(_NOWHERE, 0, 0)
        self._lines.insert(0, line)
        self.endInsertRows()
        if len(self._lines) > MAX_ROWS:
            self.beginRemoveRows(_NOWHERE, MAX_ROWS, len(self._lines) - 1)
            del self._lines[MAX_ROWS:]
            self.endRemoveRows()

    def line_at(self, row: int) -> EventLine | None:
        """One line; None when there is no such row."""
        return self._lines[row] if 0 <= row < len(self._lines) else None

    def rowCount(self, parent: _Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._lines)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        line = self.line_at(index.row()) if index.isValid() else None
        if line is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole | EventRole.TextRole:
                return line.text
            case EventRole.AtRole:
                return line.at
            case EventRole.LevelRole:
                return line.level
            case EventRole.MoreRole:
                return line.more
        return None


def _says_again(line: EventLine, last: EventLine) -> bool:
    """The same words in a row, within moments: one thing, told in two events."""
    return (line.level, line.text) == (last.level, last.text) and abs(line.at - last.at) < _MOMENTS_SECONDS


def _line(event: ServiceEvent) -> EventLine | None:
    told = words(event)
    return None if told is None else EventLine(event.at, *told, more(event))
