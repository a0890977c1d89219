"""Collects Python's reference cycles on the thread that owns the widgets, and only there.

Python collects on whichever thread happens to allocate. A cycle that holds a widget, an item or a painter path is then
taken apart beside the thread that paints it, and the process dies inside Qt. The window has threads that allocate a lot
(large answers, exported charts), so the automatic collection is switched off and done here, between two events.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer, Slot

_LOOK_MS = 250
_YOUNG_THRESHOLD, _MIDDLE_THRESHOLD, _OLD_THRESHOLD = gc.get_threshold()


class Collector(QObject):
    """Takes over from Python's own collector for as long as it lives; made on the thread of the window."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_enabled = gc.isenabled()
        gc.disable()
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    @Slot()
    def look(self) -> None:
        """Collect the oldest generation that is due, as Python itself would choose."""
        num_young, num_middle, num_old = gc.get_count()
        if num_young <= _YOUNG_THRESHOLD:
            return
        if num_middle <= _MIDDLE_THRESHOLD:
            gc.collect(0)
        elif num_old <= _OLD_THRESHOLD:
            gc.collect(1)
        else:
            gc.collect(2)

    def settle(self) -> None:
        """What is there now stays until the end: leave it out of every later look, so that each is short."""
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """Give the work back to Python."""
        self._timer.stop()
        if self._was_enabled:
            gc.enable()
