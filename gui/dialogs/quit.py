"""What leaving means while something trains."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from gui.dialogs.dialog import Dialog
from gui.widgets.labels import PlainLabel


class QuitQuestion(Dialog):
    """Keep training in the background (the default), save and stop, or stay. Exactly one signal comes."""

    keep_training_requested = Signal()
    save_and_stop_requested = Signal()
    cancelled = Signal()

    def __init__(self, what_trains: str = "", parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Close the window and keep training?"), parent)
        self.setMinimumWidth(480)
        if what_trains:
            self.body.addWidget(PlainLabel(what_trains, ink="text_muted", wrap=True))
        words = self.tr(
            "Training does not need this window: it goes on in the background, and the next start shows it as it is "
            "then. “Save and stop” writes a checkpoint first; no step is lost either way."
        )
        self.body.addWidget(PlainLabel(words, wrap=True))
        self.body.addStretch(1)
        self.cancel_button = self.add_button(self.tr("Cancel"))
        self.stop_button = self.add_button(self.tr("Save and stop"), icon="stop")
        self.keep_button = self.add_button(self.tr("Keep training"), tone="primary")
        self.cancel_button.clicked.connect(self.reject)
        self.stop_button.clicked.connect(self._on_stop_clicked)
        self.keep_button.clicked.connect(self._on_keep_clicked)
        self.rejected.connect(self.cancelled)
        self.keep_button.focus_by_keys()

    def _on_keep_clicked(self) -> None:
        self.keep_training_requested.emit()
        self.accept()

    def _on_stop_clicked(self) -> None:
        self.save_and_stop_requested.emit()
        self.accept()
