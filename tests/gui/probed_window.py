"""The window as `main.py gui` opens it, plus a socket that answers where each widget is: mouse and keys are the test's.

`probed_window.py SOCKET gui --workspace DIR`. The probe looks and never touches: everything a test does goes through
the X server, as a person's hand does.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QPoint, QRect, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QApplication, QSystemTrayIcon, QWidget

import main


class Probe(QObject):
    """Answers on the window's own thread, between two of its events."""

    asked = Signal(object)

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.asked.connect(self._on_asked, Qt.ConnectionType.QueuedConnection)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self._path)
            server.listen()
            while True:
                with server.accept()[0] as connection, connection.makefile("rw") as stream:
                    answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
                    self.asked.emit(answer)
                    json.dump(answer.get(timeout=20), stream)

    def _on_asked(self, answer: Any) -> None:
        windows = [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
        found = [described(child) for window in windows for child in [window, *window.findChildren(QWidget)]]
        for icon in QApplication.instance().findChildren(QSystemTrayIcon):
            if icon.isVisible():
                found.append(described_icon(icon))
        answer.put([widget for widget in found if widget is not None])


def described_icon(icon: QSystemTrayIcon) -> dict[str, Any]:
    """The icon in the tray, in the words of a widget."""
    place = icon.geometry()
    words = dict.fromkeys(("name", "about", "title"), "")
    rect = [place.x(), place.y(), place.width(), place.height()]
    return {**words, "class": "QSystemTrayIcon", "text": icon.toolTip(), "rect": rect, "active": False}


def described(widget: QWidget) -> dict[str, Any] | None:
    """What a person sees of a widget and where on the screen."""
    if not widget.isVisible():
        return None
    text = getattr(widget, "text", "")
    seen = {
        "class": type(widget).__name__,
        "name": widget.accessibleName(),
        "about": widget.accessibleDescription(),
        "text": str(text() if callable(text) else text),
        "title": widget.windowTitle() if widget.isWindow() else "",
        "enabled": widget.isEnabled(),
        "focused": widget.hasFocus(),
        "active": widget.isActiveWindow(),
        "rect": on_screen(widget, widget.rect()),
    }
    if isinstance(widget, QAbstractItemView):
        seen["rows"] = list(rows_of(widget))
    return seen


def rows_of(view: QAbstractItemView) -> Any:
    model = view.model()
    for row in range(min(model.rowCount(), 200)):
        index = model.index(row, 0)
        roles = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole)
        texts = [str(index.data(role) or "") for role in roles]
        yield {
            "text": " ".join(dict.fromkeys(texts)),
            "rect": on_screen(view.viewport(), view.visualRect(index)),
            "selected": view.selectionModel().isSelected(index),
        }


def on_screen(widget: QWidget, rect: QRect) -> list[int]:
    corner = widget.mapToGlobal(QPoint(rect.x(), rect.y()))
    return [corner.x(), corner.y(), rect.width(), rect.height()]


if __name__ == "__main__":
    probe = Probe(sys.argv[1])
    sys.argv[0] = str(Path(main.__file__))
    code = main._run_role(sys.argv[2:])
    sys.stdout.flush()
    os._exit(code)  # the listening thread must not be waited for
