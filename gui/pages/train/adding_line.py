"""How far the adding of many files is, and the way to stop it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gui.theme.tokens import GRID
from gui.widgets import numbers
from gui.widgets.buttons import FlatButton
from gui.widgets.labels import ElidedLabel
from gui.widgets.progress_line import ProgressLine


class AddingLine(QWidget):
    """Words, a line that fills, Cancel; there only while it is needed."""

    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words = ElidedLabel(size="small", ink="text_muted")
        self._line = ProgressLine()
        self._line.setAccessibleName(self.tr("Files added"))
        self._cancel = FlatButton(self.tr("Cancel"))
        self._is_ending = False
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self._words, 1)
        row.addWidget(self._cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self._line)
        self._cancel.clicked.connect(self._on_cancel_clicked)
        self.hide()

    def show_progress(self, num_done: int, num_all: int) -> None:
        """So many of so many; of none when nothing is being added any more."""
        self.setVisible(num_all > 0)
        if num_all <= 0:
            self._end(is_ending=False)
            return
        if not self._is_ending:
            words = self.tr("Adding files: {0} of {1}")
            self._words.show_text(words.format(numbers.count(num_done), numbers.count(num_all)))
        self._line.set_share(num_done / num_all)

    @Slot()
    def _on_cancel_clicked(self) -> None:
        self._end(is_ending=True)
        self._words.show_text(self.tr("Stopping; what was added stays"))
        self.cancel_requested.emit()

    def _end(self, *, is_ending: bool) -> None:
        self._is_ending = is_ending
        self._cancel.setEnabled(not is_ending)
