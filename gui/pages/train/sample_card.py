"""What the model answers now, beside what it answered before."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QPalette, QResizeEvent, QTextOption
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QWidget

from backend.contract.status import SampleRow, StatusView
from gui.state.sample_store import SampleStore
from gui.widgets import numbers
from gui.widgets.buttons import FlatButton
from gui.widgets.card import Card
from gui.widgets.labels import PlainLabel
from gui.widgets.plain import plain, plain_lines

_LEAST_LINES, _MOST_LINES = 3, 9
_PROMPT_LETTERS = 200
_ANSWER_LETTERS = 8_000


class SampleCard(Card):
    """Shows the newest sample, on wish the one before of the same prompt; asks for another."""

    sample_requested = Signal()
    switch_requested = Signal()

    def __init__(self, samples: SampleStore, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._samples = samples
        self._prompt = PlainLabel(ink="text_muted", wrap=True)
        self._answer = QPlainTextEdit()
        self._teaching = PlainLabel(
            self.tr("The model answers a few prompts as it trains; its newest answer stands here."),
            size="small",
            ink="text_muted",
            wrap=True,
        )
        self._before = FlatButton(icon="clock", name=self.tr("Show the answer before this one"))
        self._next = FlatButton(icon="chevron_right", name=self.tr("Show the next prompt"))
        self._is_tall = False
        self._switch = FlatButton(icon="chevron_right")
        self._again = FlatButton(icon="sample", name=self.tr("Sample at the next step"))
        self._build()
        self._connect_signals()
        self._refresh()

    def show_status(self, status: StatusView | None) -> None:
        """A sample can be asked for while something trains."""
        self._again.setEnabled(status is not None and status.trainer is not None and status.job is not None)

    def set_switch(self, text: str) -> None:
        """The card this one takes turns with; '' when both stand side by side."""
        self._switch.set_text(text)
        self._switch.setAccessibleName(self.tr("Show {0}").format(text))
        self._switch.setVisible(bool(text))

    def set_tall(self, is_tall: bool) -> None:
        """Whether the card fills the height it is given; else it is as high as its text, up to some lines."""
        self._is_tall = is_tall
        self._fit()

    def _fit(self) -> None:
        line = self._answer.fontMetrics().lineSpacing()
        if self._is_tall:
            self._answer.setMinimumHeight(3 * line)
            self._answer.setMaximumHeight(16_777_215)
            return
        # In a plain text document the height counts lines as they are wrapped.
        num_lines = round(self._answer.document().size().height())
        self._answer.setFixedHeight(min(max(num_lines, _LEAST_LINES), _MOST_LINES) * line + 2)

    def _build(self) -> None:
        self.set_title(self.tr("Latest sample"))
        self._before.setCheckable(True)
        self.add_to_header(self._before)
        self.add_to_header(self._again)
        self.add_to_header(self._switch)
        self._switch.hide()
        self._answer.setReadOnly(True)
        self._answer.setFrameShape(QFrame.Shape.NoFrame)
        self._answer.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        self._answer.setPalette(palette)
        self._answer.document().setDocumentMargin(0)
        self._answer.viewport().setAutoFillBackground(False)
        self._answer.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._answer.setTabChangesFocus(True)
        self._answer.setAccessibleName(self.tr("Answer of the model"))
        row = QHBoxLayout()
        row.addWidget(self._prompt, 1)
        row.addWidget(self._next, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(row)
        self.body.addWidget(self._answer, 1)
        self.body.addWidget(self._teaching)

    def _connect_signals(self) -> None:
        self._samples.changed.connect(self._refresh)
        self._before.toggled.connect(self._refresh)
        self._again.clicked.connect(self.sample_requested)
        self._next.clicked.connect(self._on_next_clicked)
        self._switch.clicked.connect(self.switch_requested)

    @Slot()
    def _refresh(self) -> None:
        latest, previous = self._samples.latest, self._samples.previous
        self._before.setVisible(previous is not None)
        self._next.setVisible(len(self._samples.prompts) > 1)
        shown = previous if self._before.isChecked() and previous is not None else latest
        self._show(shown)

    @Slot()
    def _on_next_clicked(self) -> None:
        prompts = self._samples.prompts
        self._samples.choose(prompts[(prompts.index(self._samples.prompt) + 1) % len(prompts)])

    def _show(self, sample: SampleRow | None) -> None:
        self._prompt.setVisible(sample is not None)
        self._answer.setVisible(sample is not None)
        self._teaching.setVisible(sample is None)
        if sample is None:
            self.set_aside("")
            return
        self.set_aside(self.tr("step {0}").format(numbers.count(sample.step)))
        self._prompt.show_text(plain(sample.prompt, _PROMPT_LETTERS))
        text = plain_lines(sample.text, _ANSWER_LETTERS)
        if text != self._answer.toPlainText():
            self._answer.setPlainText(text)
            self._fit()

    # Qt's own names

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()
