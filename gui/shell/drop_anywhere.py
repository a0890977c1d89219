"""Files dropped anywhere in the window: what is taken, what is not and why, said while they still hover.

Looks at names and at what the file system says of the first ones; opens no file. The service judges again.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QWidget

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".txt")
MAX_LOOKED_AT = 200
"""Of so many files the file system is asked while they hover; of 5 000 the rest is judged by name."""


@dataclass(frozen=True)
class Verdict:
    """What would happen if it were dropped now."""

    paths: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Sentences, one a file."""

    @property
    def is_accepted(self) -> bool:
        """True when at least one file would be taken."""
        return bool(self.paths)

    def sentence(self) -> str:
        """For the person whose mouse holds the files."""
        if not self.paths:
            return self.refused[0] if self.refused else _tr("Nothing here that can be trained on.")
        taken = (
            _tr("Drop to add {name}").format(name=Path(self.paths[0]).name)
            if len(self.paths) == 1
            else _tr("Drop to add {count} files").format(count=len(self.paths))
        )
        if not self.refused:
            return taken
        more = "" if len(self.refused) == 1 else _tr(" and {count} more").format(count=len(self.refused) - 1)
        return f"{taken} · {self.refused[0]}{more}"


def judge(data: QMimeData) -> Verdict:
    """Who of the dragged may come in."""
    paths: list[str] = []
    refused: list[str] = []
    for number, url in enumerate(data.urls()):
        why = _why_refused(url, is_looked_at=number < MAX_LOOKED_AT)
        if why:
            refused.append(why)
        else:
            paths.append(url.toLocalFile())
    return Verdict(paths, refused)


def _why_refused(url: QUrl, *, is_looked_at: bool) -> str:
    if not url.isLocalFile():
        return _tr("{name} is not on this computer.").format(name=url.toDisplayString()[:80])
    path = url.toLocalFile()
    name = Path(path).name or path
    if is_looked_at:
        try:
            found = Path(path).stat()
        except OSError:
            return _tr("{name} cannot be found.").format(name=name)
        if stat.S_ISDIR(found.st_mode):
            return ""
        if not stat.S_ISREG(found.st_mode):
            return _tr("{name} is a device, not a file.").format(name=name)
        if found.st_size == 0:
            return _tr("{name} is empty.").format(name=name)
        if not os.access(path, os.R_OK):
            return _tr("{name} cannot be read by you.").format(name=name)
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES or (not is_looked_at and not suffix):
        return ""
    return _tr("{name} is not training data ({kinds}).").format(name=name, kinds=" ".join(SUFFIXES))


def _tr(text: str) -> str:
    return QCoreApplication.translate("DropAnywhere", text)


class DropAnywhere(QObject):
    """Watches one window. A widget inside it that takes drops itself, as the queue does, is asked first by Qt."""

    hovered = Signal(object)  # Verdict
    left = Signal()
    dropped = Signal(object)  # Verdict

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._verdict = Verdict()
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind == QEvent.Type.DragEnter and isinstance(event, QDragEnterEvent):
            if not event.mimeData().hasUrls():
                return False
            self._verdict = judge(event.mimeData())
            self._answer(event)
            self.hovered.emit(self._verdict)
            return True
        if kind == QEvent.Type.DragMove and isinstance(event, QDragMoveEvent):
            self._answer(event)
            return True
        if kind == QEvent.Type.DragLeave:
            self.left.emit()
            return True
        if kind == QEvent.Type.Drop and isinstance(event, QDropEvent):
            self._take(event)
            return True
        return False

    def _answer(self, event: QDropEvent) -> None:
        # Also refused files are let in, as long as they hover: otherwise the sentence would leave with them.
        event.setDropAction(Qt.DropAction.CopyAction)  # a source that offers to move would delete the user's file
        event.accept()

    def _take(self, event: QDropEvent) -> None:
        verdict = judge(event.mimeData())
        self.left.emit()
        if verdict.is_accepted:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
        else:
            event.ignore()
        self.dropped.emit(verdict)
