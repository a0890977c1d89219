"""The first five minutes: the panel that brings a base model, the sample file that follows the sample model, and the
rows of the first file ever, shown as the model will see them.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from backend.contract.errors import ErrorBody
from backend.contract.jobs import JobState
from backend.contract.models import SAMPLE, SAMPLE_SETTINGS
from gui.actions.registry import Actions
from gui.dialogs.first_run import FirstRun
from gui.state.stores import Stores

SAMPLE_FILE = Path(__file__).resolve().parents[2] / "resources" / "sample" / "training.jsonl"


class FirstSteps(QObject):
    """Shows the panel what the service says, and takes its wishes to the actions."""

    base_chosen = Signal()
    preview_requested = Signal(int)  # job_id

    def __init__(self, actions: Actions, stores: Stores, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stores = stores
        self._had_base = True
        self._has_previewed = False
        self.panel = FirstRun()
        self._actions = actions
        self._base = stores.base
        self._wants_sample_file = False
        self.panel.sample_requested.connect(self._on_sample_requested)
        self.panel.base_requested.connect(self._on_base_requested)
        self._base.changed.connect(self._on_base_changed)
        stores.queue.rowsInserted.connect(self._on_queue_changed)
        stores.queue.dataChanged.connect(self._on_queue_changed)

    def _on_sample_requested(self) -> None:
        self._wants_sample_file = True
        self._make_quick()
        self._on_base_requested(SAMPLE)

    def _make_quick(self) -> None:
        # Only a workspace without a model gets here, so nobody's choice is overruled that a checkpoint rests on.
        for key, value in SAMPLE_SETTINGS.items():
            self._actions.set_config(key, str(value))

    def _on_base_requested(self, source: str) -> None:
        self._actions.set_base(source).failed.connect(self._on_failed)

    def _on_failed(self, error: ErrorBody) -> None:
        self._wants_sample_file = False
        self.panel.show_failure(error)

    def _on_base_changed(self) -> None:
        if self._base.preparing is not None:
            self.panel.follow(self._base.preparing)
        has_base = self._base.base is not None
        if has_base and not self._had_base:
            self.base_chosen.emit()
        self._had_base = has_base
        if has_base and self._wants_sample_file:
            self._wants_sample_file = False
            self._actions.add_files([str(SAMPLE_FILE)])

    def _on_queue_changed(self) -> None:
        """The first file of a workspace is shown once it was checked; later ones are a click away."""
        if self._has_previewed:
            return
        jobs = self._stores.queue.jobs()
        if self._stores.metrics.newest_step or len(jobs) > 1:
            self._has_previewed = True
        elif jobs and jobs[0].state is not JobState.CHECKING:
            self._has_previewed = True
            if jobs[0].state in (JobState.QUEUED, JobState.STARTING, JobState.TRAINING):
                self.preview_requested.emit(jobs[0].job_id)
