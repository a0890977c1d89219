"""A file as the model will see it: its first rows with the learned part coloured, its counts, its problems."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from PySide6.QtCore import QCoreApplication, QElapsedTimer, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from backend.contract.datasets import CheckReport, DatasetView, RowProblem
from backend.contract.errors import ErrorBody
from gui.dialogs.dialog import Dialog
from gui.dialogs.preview_text import PreviewText, learned_color
from gui.dialogs.working import FailurePanel, ProgressPanel
from gui.prompt_words import for_window
from gui.theme.palette import tokens_for
from gui.theme.tokens import GRID
from gui.widgets.labels import ElidedLabel, PlainLabel
from gui.widgets.numbers import count, percent, size

_NUM_PROBLEMS_SHOWN = 50
_SLICE_MS = 4
"""Of building, then the window has its turn."""


class DatasetPreview(Dialog):
    """Stands beside the window, which stays usable. Show it, then tell it what has come."""

    retry_requested = Signal()

    def __init__(self, file_name: str, parent: QWidget | None = None) -> None:
        super().__init__(file_name, parent)
        self.setModal(False)
        self.resize(760, 620)
        self._loading = ProgressPanel()
        self._failure = FailurePanel()
        self._content = QScrollArea()
        self._content.setWidgetResizable(True)
        self._content.setAccessibleName(self.tr("Preview"))
        self._content.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._stack = QStackedWidget()
        for panel in (self._loading, self._failure, self._content):
            self._stack.addWidget(panel)
        self.body.addWidget(self._stack, 1)
        self.close_button = self.add_button(self.tr("Close"))
        self.close_button.clicked.connect(self.accept)
        self._failure.retry_requested.connect(self.retry_requested)
        self._failure.back_requested.connect(self.reject)
        self.show_loading()

    def show_loading(self) -> None:
        """Nothing has come yet."""
        self._loading.show_progress(self.tr("Reading the report"), None, is_cancellable=False)
        self._stack.setCurrentWidget(self._loading)

    def show_failure(self, error: ErrorBody) -> None:
        """The report could not be had."""
        self._failure.show_error(error)
        self._stack.setCurrentWidget(self._failure)

    def show_dataset(self, dataset: DatasetView) -> None:
        """Fill the window; again when the report has changed."""
        self.set_title(dataset.file_name)
        if dataset.report is None:
            self._loading.show_progress(self.tr("This file is still being checked"), None, is_cancellable=False)
            self._stack.setCurrentWidget(self._loading)
            return
        page = _Report(dataset.report, dataset.size_bytes)
        old = self._content.takeWidget()
        if old is not None:
            old.deleteLater()
        self._content.setWidget(page)
        self._stack.setCurrentWidget(self._content)


class _Report(QWidget):
    """Counts, rows, problems, from the top to the bottom; built in slices, because a window shall not stutter."""

    def __init__(self, report: CheckReport, size_bytes: int) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, GRID, 0)
        self._layout.setSpacing(GRID)
        self._layout.addWidget(PlainLabel(summary(report, size_bytes), ink="text_muted", wrap=True))
        if report.refusal is not None:
            self._layout.addWidget(PlainLabel(for_window(report.refusal.sentence()), ink="stop", wrap=True))
        self._parts = chain(self._rows(report), self._problems(report))
        self._turns = QTimer(self)
        self._turns.timeout.connect(self._build_some)
        self._turns.start(0)

    def _build_some(self) -> None:
        clock = QElapsedTimer()
        clock.start()
        for _ in self._parts:
            if clock.elapsed() >= _SLICE_MS:
                return
        self._turns.stop()
        self._layout.addStretch(1)

    def _rows(self, report: CheckReport) -> Iterator[None]:
        if not report.previews:
            return
        self._layout.addSpacing(GRID // 2)
        head = QHBoxLayout()
        head.setSpacing(GRID)
        head.addWidget(PlainLabel(self.tr("As the model will see it"), size="strong"))
        head.addStretch(1)
        head.addWidget(_Swatch())
        head.addWidget(PlainLabel(self.tr("learned"), ink="text_muted"))
        head.addSpacing(GRID)
        head.addWidget(PlainLabel(self.tr("the rest is read only"), ink="text_muted"))
        self._layout.addLayout(head)
        yield
        for row in report.previews:
            words = self.tr("line %1 · %2 tokens, %3 learned")
            words = words.replace("%1", count(row.line)).replace("%2", count(row.num_tokens))
            words = words.replace("%3", count(row.num_supervised))
            self._layout.addWidget(PlainLabel(words, size="small", ink="text_muted"))
            text = PreviewText(row.pieces)
            text.setAccessibleName(words)
            self._layout.addWidget(text)
            yield

    def _problems(self, report: CheckReport) -> Iterator[None]:
        if not report.problem_counts and not report.problems:
            return
        self._layout.addSpacing(GRID)
        self._layout.addWidget(PlainLabel(self.tr("What was found"), size="strong"))
        for kind, number in sorted(report.problem_counts.items(), key=lambda item: -item[1]):
            self._layout.addWidget(PlainLabel(f"{count(number)} · {kind.replace('_', ' ')}", ink="warning"))
            yield
        for problem in report.problems[:_NUM_PROBLEMS_SHOWN]:
            self._layout.addLayout(self._problem(problem))
            yield
        num_more = sum(report.problem_counts.values()) - min(len(report.problems), _NUM_PROBLEMS_SHOWN)
        if num_more > 0:
            more = self.tr("and %1 more").replace("%1", count(num_more))
            self._layout.addWidget(PlainLabel(more, size="small", ink="text_muted"))

    def _problem(self, problem: RowProblem) -> QHBoxLayout:
        place = self.tr("line %1").replace("%1", count(problem.line)) if problem.line else self.tr("whole file")
        row = QHBoxLayout()
        row.setSpacing(GRID)
        where = PlainLabel(place, size="small", ink="text_muted")
        where.setMinimumWidth(72)
        row.addWidget(where)
        row.addWidget(ElidedLabel(problem.message, size="small"), 1)
        fate = self.tr("set aside") if problem.dropped else self.tr("kept")
        row.addWidget(PlainLabel(fate, size="small", ink="text_muted"))
        return row


class _Swatch(QLabel):
    """The colour of the learned part, for the legend."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Colour of the learned part"))

    def sizeHint(self) -> QSize:
        return QSize(22, 14)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(tokens.accent))
        painter.setBrush(QColor(learned_color(tokens)))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 3, 3)


def summary(report: CheckReport, size_bytes: int) -> str:
    """The counts of a report in one line."""
    learned = report.num_supervised / report.num_tokens if report.num_tokens else None
    parts = [
        _tr("%1 rows").replace("%1", count(report.num_rows)),
        _tr("%1 for training").replace("%1", count(report.num_train)),
    ]
    for number, words in (
        (report.num_validation, _tr("%1 for validation")),
        (report.num_heldout, _tr("%1 held out")),
        (report.num_excluded, _tr("%1 left out, they repeat the validation set")),
        (report.num_rejected, _tr("%1 set aside")),
        (report.num_cut, _tr("%1 cut")),
    ):
        if number:
            parts.append(words.replace("%1", count(number)))
    parts.append(_tr("%1 tokens, %2 learned").replace("%1", count(report.num_tokens)).replace("%2", percent(learned)))
    if report.format:
        parts.append(report.format.replace("_", " "))
    parts.append(size(size_bytes))
    return " · ".join(parts)


def _tr(text: str) -> str:
    return QCoreApplication.translate("DatasetPreview", text)
