"""What needs a file or a look before it can be done: the file chooser, the preview of a file, another base model.

All of it stands beside the window; nothing here waits.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QStandardPaths, Qt
from PySide6.QtWidgets import QFileDialog, QWidget

from backend.contract.datasets import DatasetView
from backend.contract.errors import ErrorBody
from gui.actions.registry import Actions
from gui.dialogs.preview import DatasetPreview
from gui.shell.drop_anywhere import SUFFIXES
from gui.shell.model_choice import ModelChoice


class Asking(QObject):
    """Opens what asks, and hands the answer to the action."""

    def __init__(self, window: QWidget, actions: Actions, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._window = window
        self._actions = actions
        self._previews: dict[int, DatasetPreview] = {}
        self._folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.HomeLocation)
        actions.input_requested.connect(self._on_input_requested)
        actions.dataset_requested.connect(self.show_preview)

    def ask_for_files(self) -> None:
        """Choose training files."""
        dialog = QFileDialog(self._window, self.tr("Add training files"), self._folder)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        dialog.setNameFilters([self.tr("Training data ({kinds})").format(kinds=kinds), self.tr("All files (*)")])
        dialog.filesSelected.connect(self._on_files_selected)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def ask_for_base(self) -> None:
        """Choose another base model."""
        dialog = ModelChoice(self._window)
        dialog.base_requested.connect(self._on_base_requested)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def show_preview(self, job_id: int) -> None:
        """Rows of a file as the model will see them."""
        preview = self._preview(job_id)
        preview.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating, False)
        preview.show()
        preview.raise_()
        preview.activateWindow()

    def offer_preview(self, job_id: int) -> None:
        """The same where nobody asked for it: the keyboard stays where it is, in whatever window that may be."""
        if job_id in self._previews:
            return
        preview = self._preview(job_id)
        preview.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        preview.show()

    def _preview(self, job_id: int) -> DatasetPreview:
        known = self._previews.get(job_id)
        if known is None:
            known = DatasetPreview("", self._window)
            known.finished.connect(lambda: self._forget(job_id))
            known.retry_requested.connect(lambda: self._fill(job_id))
            self._previews[job_id] = known
            self._fill(job_id)
        return known

    def _fill(self, job_id: int) -> None:
        reply = self._actions.show_dataset(job_id)

        def show(dataset: DatasetView) -> None:
            if job_id in self._previews:
                self._previews[job_id].show_dataset(dataset)

        def fail(error: ErrorBody) -> None:
            if job_id in self._previews:
                self._previews[job_id].show_failure(error)

        reply.done.connect(show)
        reply.failed.connect(fail)

    def _forget(self, job_id: int) -> None:
        preview = self._previews.pop(job_id, None)
        if preview is not None:
            preview.deleteLater()

    def _on_files_selected(self, paths: list[str]) -> None:
        if paths:
            self._folder = paths[0].rpartition("/")[0]
            self._actions.add_files(paths)

    def _on_base_requested(self, source: str) -> None:
        self._actions.set_base(source)

    def _on_input_requested(self, verb: str) -> None:
        if verb == "base.set":
            self.ask_for_base()
        else:
            self.ask_for_files()
