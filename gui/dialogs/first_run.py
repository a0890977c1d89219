"""What stands in the page while there is no base model: the sample, or three ways to bring one."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from backend.contract.errors import ErrorBody
from backend.contract.models import BaseModelView
from gui.dialogs.model_source import hub_id
from gui.dialogs.working import FailurePanel, ProgressPanel
from gui.theme.tokens import GRID
from gui.widgets.buttons import ControlButton
from gui.widgets.card import Card
from gui.widgets.labels import PlainLabel
from gui.widgets.plain import plain

_WIDTH = 760


class FirstRun(QWidget):
    """Choose, watch it come, or read why it did not. Emits wishes; `follow` shows the service's word.

    `can_cancel` is for who can stop a preparation; without it no button promises that.
    """

    sample_requested = Signal()
    base_requested = Signal(str)  # folder, .gguf file or Hub id
    cancel_requested = Signal()

    def __init__(self, parent: QWidget | None = None, *, can_cancel: bool = False) -> None:
        super().__init__(parent)
        self._can_cancel = can_cancel
        self._last_wish = ""
        self._choice = _Choice()
        self._progress = ProgressPanel()
        self._failure = FailurePanel()
        middle = QWidget()
        middle.setMaximumWidth(_WIDTH)
        middle.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._stack = QStackedLayout(middle)  # not without a parent: it would show its first panel as a window
        for panel in (self._choice, self._progress, self._failure):
            self._stack.addWidget(panel)
        row = QHBoxLayout(self)
        row.addStretch(1)
        row.addWidget(middle, 100)
        row.addStretch(1)
        self.setAccessibleName(self.tr("First steps"))
        self._connect_signals()

    def show_choice(self) -> None:
        """The ways to get a model."""
        self._stack.setCurrentWidget(self._choice)

    def show_progress(self, what: str, share: float | None = None) -> None:
        """Say what is being fetched or converted; `share` None where nobody knows the end."""
        note = self.tr("It goes on when this window is closed. Files that you drop meanwhile wait for it.")
        self._progress.show_progress(what, share, note=note, is_cancellable=self._can_cancel)
        self._stack.setCurrentWidget(self._progress)

    def show_failure(self, error: ErrorBody) -> None:
        """Say what went wrong, with the way back and a second try."""
        self._failure.show_error(error, can_retry=bool(self._last_wish))
        self._stack.setCurrentWidget(self._failure)

    def follow(self, base: BaseModelView | None) -> None:
        """Show what the service says of the base model. The page decides when this panel is needed at all."""
        if base is None:
            if self._stack.currentWidget() is not self._failure:
                self.show_choice()
        elif base.state in ("failed", "damaged"):
            self._last_wish = self._last_wish or base.source
            self.show_failure(_failure_of(base))
        elif base.state != "ready":
            self.show_progress(_doing(base), base.progress)

    def _connect_signals(self) -> None:
        self._choice.sample_requested.connect(self._on_sample_requested)
        self._choice.base_requested.connect(self._on_base_requested)
        self._progress.cancel_requested.connect(self._on_cancel_requested)
        self._failure.retry_requested.connect(self._on_retry_requested)
        self._failure.back_requested.connect(self.show_choice)

    def _on_sample_requested(self) -> None:
        self._last_wish = "sample"
        self.show_progress(self.tr("Getting the sample model"))
        self.sample_requested.emit()

    def _on_base_requested(self, source: str) -> None:
        self._last_wish = source
        self.show_progress(self.tr("Looking at %1").replace("%1", source))
        self.base_requested.emit(source)

    def _on_retry_requested(self) -> None:
        if self._last_wish == "sample":
            self._on_sample_requested()
        else:
            self._on_base_requested(self._last_wish)

    def _on_cancel_requested(self) -> None:
        self.cancel_requested.emit()
        self.show_choice()


class _Choice(QWidget):
    sample_requested = Signal()
    base_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        title = PlainLabel(self.tr("Which model shall learn?"), size="figure")
        title.setWordWrap(True)
        lead = PlainLabel(
            self.tr(
                "Everstep trains on top of a model that stays on this computer. Drop files on it whenever you like."
            ),
            ink="text_muted",
            wrap=True,
        )
        self._sample_button = ControlButton(self.tr("Try the sample"), icon="sample", tone="primary")
        self._folder_button = ControlButton(self.tr("Folder…"), icon="folder")
        self._gguf_button = ControlButton(self.tr("GGUF file…"), icon="file")
        self._hub_field = QLineEdit()
        self._hub_button = ControlButton(self.tr("Get it"), icon="download")
        self._hint = PlainLabel("", size="small", ink="text_muted", wrap=True)
        self._file_dialog: QFileDialog | None = None
        cards = QHBoxLayout()
        cards.setSpacing(GRID + 4)
        cards.addWidget(self._sample_card(), 1)
        cards.addWidget(self._base_card(), 1)
        layout = QVBoxLayout(self)
        layout.setSpacing(GRID)
        layout.addStretch(1)
        layout.addWidget(title)
        layout.addWidget(lead)
        layout.addSpacing(2 * GRID)
        layout.addLayout(cards)
        layout.addStretch(2)
        self._connect_signals()

    def _sample_card(self) -> Card:
        card = Card(self.tr("Try the sample"))
        words = self.tr(
            "A small model (135 million parameters) and 256 short conversations. The model is fetched once, about "
            "93\u202fMB; then it learns on this computer, and you see its answer to one question change."
        )
        card.body.addWidget(PlainLabel(words, ink="text_muted", wrap=True))
        card.body.addStretch(1)
        row = QHBoxLayout()
        row.addWidget(self._sample_button)
        row.addStretch(1)
        card.body.addLayout(row)
        return card

    def _base_card(self) -> Card:
        card = Card(self.tr("Choose a base model"))
        words = self.tr("A folder with config.json and safetensors, a GGUF file, or a model from the Hugging Face Hub.")
        card.body.addWidget(PlainLabel(words, ink="text_muted", wrap=True))
        card.body.addStretch(1)
        files = QHBoxLayout()
        files.setSpacing(GRID)
        files.addWidget(self._folder_button)
        files.addWidget(self._gguf_button)
        files.addStretch(1)
        card.body.addLayout(files)
        self._hub_field.setPlaceholderText(self.tr("organisation/name"))
        self._hub_field.setAccessibleName(self.tr("Model on the Hugging Face Hub, organisation/name"))
        self._hub_field.setClearButtonEnabled(True)
        self._hub_field.setTextMargins(5, 0, 5, 0)
        hub = QHBoxLayout()
        hub.setSpacing(GRID)
        hub.addWidget(self._hub_field, 1)
        hub.addWidget(self._hub_button)
        card.body.addLayout(hub)
        card.body.addWidget(self._hint)
        self._on_hub_text_changed("")
        return card

    def _connect_signals(self) -> None:
        self._sample_button.clicked.connect(self.sample_requested)
        self._folder_button.clicked.connect(self._on_folder_clicked)
        self._gguf_button.clicked.connect(self._on_gguf_clicked)
        self._hub_button.clicked.connect(self._on_hub_entered)
        self._hub_field.returnPressed.connect(self._on_hub_entered)
        self._hub_field.textChanged.connect(self._on_hub_text_changed)

    def _on_folder_clicked(self) -> None:
        self._ask(self.tr("Folder of the base model"), QFileDialog.FileMode.Directory, "")

    def _on_gguf_clicked(self) -> None:
        self._ask(self.tr("GGUF file"), QFileDialog.FileMode.ExistingFile, self.tr("GGUF models (*.gguf *.GGUF)"))

    def _ask(self, title: str, mode: QFileDialog.FileMode, name_filter: str) -> None:
        """Open a chooser beside everything; the answer comes by signal."""
        if self._file_dialog is not None:
            self._file_dialog.deleteLater()
        dialog = QFileDialog(self, title)
        dialog.setFileMode(mode)
        if name_filter:
            dialog.setNameFilter(name_filter)
        dialog.fileSelected.connect(self.base_requested)
        self._file_dialog = dialog
        dialog.open()

    def _on_hub_text_changed(self, text: str) -> None:
        is_good = bool(hub_id(text))
        self._hub_button.setEnabled(is_good)
        if text.strip() and not is_good:
            self._hint.set_ink("warning")
            self._hint.show_text(self.tr("A Hub id has the form organisation/name, for example Qwen/Qwen3-0.6B."))
        else:
            self._hint.set_ink("text_muted")
            self._hint.show_text(self.tr("Only weights and tokenizer are fetched; no code from the Hub is run."))

    def _on_hub_entered(self) -> None:
        found = hub_id(self._hub_field.text())
        if found:
            self.base_requested.emit(found)


def _doing(base: BaseModelView) -> str:
    words = {
        "fetching": _tr("Getting %1"),
        "converting": _tr("Converting %1"),
        "checking": _tr("Looking at %1"),
        "copying": _tr("Copying %1"),
    }
    return words.get(base.state, _tr("Preparing %1")).replace("%1", _source_name(base))


def _source_name(base: BaseModelView) -> str:
    if base.source == "sample":
        return _tr("the sample model")
    return plain(base.source.rstrip("/").rsplit("/", 1)[-1] if base.source.startswith("/") else base.source, 80)


def _failure_of(base: BaseModelView) -> ErrorBody:
    return ErrorBody(
        code="model",
        title=_tr("The model could not be taken"),
        message=base.reason or _tr("The service gave no reason."),
        hint=_tr("Nothing was changed. You can try again or choose another one."),
    )


def _tr(text: str) -> str:
    return QCoreApplication.translate("FirstRun", text)
