"""Another base model, asked for in a dialog: a folder, a GGUF file, or a Hub id."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from gui.dialogs.dialog import Dialog
from gui.dialogs.first_run import FirstRun


class ModelChoice(Dialog):
    """The first steps once more, for who has a model already."""

    base_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Choose a base model"), parent)
        self.setMinimumWidth(720)
        choice = FirstRun(self)
        self.body.addWidget(choice, 1)
        choice.sample_requested.connect(lambda: self._choose("sample"))
        choice.base_requested.connect(self._choose)
        self.add_button(self.tr("Cancel")).clicked.connect(self.reject)

    def _choose(self, source: str) -> None:
        self.base_requested.emit(source)
        self.accept()
