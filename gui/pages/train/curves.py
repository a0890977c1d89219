"""The loss chart over a row of small ones, fed from the metric history. Costs nothing while it cannot be seen.

What comes is shown in several turns of the event loop, a few curves in each: the window answers in between.
"""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from backend.contract.status import ResumeMark, StatusView
from gui.pages.train.small_curve import SmallCurve
from gui.state.metric_history import MetricHistory
from gui.state.session_store import SessionStore
from gui.theme.palette import tokens_for
from gui.theme.tokens import GAP
from gui.widgets import numbers
from gui.widgets.card import Card
from gui.widgets.chart import Band, LossChart, Mark

_REPAINT_MS = 200
_TURN_MS = 25
"""Between two turns: longer than a picture takes to reach the screen, or they would be painted as one after all."""
_SMALL_IN_A_TURN = 2


class Curves(QWidget):
    """Joins history and chart: new points at most five times a second, finer ones where the user looks closer."""

    exported = Signal(str)  # path
    export_failed = Signal(str)  # a sentence

    def __init__(self, history: MetricHistory, session: SessionStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = history
        self._session = session
        self._has_new_points = True
        self._has_new_marks = True
        self._is_resting = False
        self.chart = LossChart(self.tr("Loss"))
        self._small = [
            SmallCurve(self.tr("Learning rate"), "learning_rate", numbers.scientific, "accent"),
            SmallCurve(self.tr("Gradient norm"), "grad_norm", numbers.compact, "accent"),
            SmallCurve(self.tr("Throughput"), "tokens_per_second", numbers.token_rate, "good"),
            SmallCurve(self.tr("Memory"), "memory_bytes", numbers.memory, "text_muted"),
        ]
        self._timer = QTimer(self, interval=_REPAINT_MS, singleShot=True)
        self._turns = QTimer(self, interval=_TURN_MS)
        self._due: list[SmallCurve] = []
        """Small curves that wait for their turn; the chart is after the last."""
        self._build()
        self._connect_signals()
        self._dress()

    def set_low(self, is_low: bool) -> None:
        """Whether height is short: the chart keeps it."""
        for small in self._small:
            small.set_low(is_low)

    def set_resting(self, is_resting: bool) -> None:
        """Whether the window is minimised: shown, as Qt has it, and yet not seen."""
        self._is_resting = is_resting
        if is_resting:
            self._rest()
        elif self.isVisible():
            self._refresh()

    def _build(self) -> None:
        card = Card()
        card.body.addWidget(self.chart, 1)
        card.setAccessibleName(self.tr("Loss curve"))
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for small in self._small:
            row.addWidget(small, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(card, 1)
        layout.addLayout(row)

    def _connect_signals(self) -> None:
        history, chart = self._history, self.chart
        history.changed.connect(self._on_points_changed)
        history.appended.connect(self._on_points_changed)
        history.marks_changed.connect(self._on_marks_changed)
        self._session.status_changed.connect(self._on_status_changed)
        self._timer.timeout.connect(self._begin)
        self._turns.timeout.connect(self._take_turn)
        chart.range_changed.connect(self._on_range_changed)
        chart.axis_changed.connect(self._on_axis_changed)
        chart.exported.connect(self.exported)
        chart.export_failed.connect(self.export_failed)
        chart.hovered.connect(self._on_hovered)
        for small in self._small:
            small.hovered.connect(self._on_hovered)

    def _dress(self) -> None:
        self.chart.set_tokens(tokens_for(self))

    def _soon(self) -> None:
        is_seen = self.isVisible() and not self._is_resting
        if is_seen and not (self._timer.isActive() or self._turns.isActive()):
            self._timer.start()

    def _show_points(self) -> None:
        history = self._history
        self.chart.set_raw(
            history.axis(self.chart.axis),
            history.series("loss"),
            history.series("loss_min"),
            history.series("loss_max"),
            step=history.series("step"),
        )

    def _show_small(self, curves: list[SmallCurve]) -> None:
        x = self._history.axis(self.chart.axis)
        for small in curves:
            small.set_data(x, self._history.series(small.column))

    def _show_marks(self) -> None:
        history, axis = self._history, self.chart.axis
        x, losses = history.validation_points(axis)
        measured = (row for row in history.evaluations if row.validation_loss is not None)
        gaps = [math.nan if row.gap is None else row.gap for row in measured]
        self.chart.set_validation(x, losses, gap=gaps)
        self.chart.set_bands(
            [
                Band(history.on_axis(axis, span.first_step), history.on_axis(axis, span.last_step), span.file_name)
                for span in history.files
            ]
        )
        self.chart.set_marks([Mark(history.on_axis(axis, mark.step), self._words_of(mark)) for mark in history.resumes])

    def _words_of(self, mark: ResumeMark) -> str:
        resumed = self.tr("resumed at {0}").format(numbers.count(mark.step))
        again = self.tr("{0} steps again").format(numbers.count(mark.num_replayed)) if mark.num_replayed else ""
        return " · ".join(part for part in (resumed, again, mark.reason.rstrip(".")) if part)

    @Slot()
    def _begin(self) -> None:
        self._due = list(self._small) if self._has_new_points else []
        self._turns.start()
        self._take_turn()

    @Slot()
    def _take_turn(self) -> None:
        if self._due:
            self._show_small(self._due[:_SMALL_IN_A_TURN])
            del self._due[:_SMALL_IN_A_TURN]
            return
        self._turns.stop()
        self._show_chart()

    def _refresh(self) -> None:
        """All of it, now."""
        self._rest()
        if self._has_new_points:
            self._show_small(self._small)
        self._show_chart()

    def _rest(self) -> None:
        self._timer.stop()
        self._turns.stop()
        self._due = []

    def _show_chart(self) -> None:
        if self._has_new_points:
            self._has_new_points = False
            self._show_points()
        if self._has_new_marks:
            self._has_new_marks = False
            self._show_marks()

    @Slot()
    def _on_points_changed(self) -> None:
        self._has_new_points = True
        self._soon()

    @Slot()
    def _on_marks_changed(self) -> None:
        self._has_new_marks = True
        self._soon()

    @Slot(object)
    def _on_status_changed(self, status: StatusView) -> None:
        on_card = status.trainer is not None and status.trainer.device.startswith("cuda")
        self._small[-1].set_name(self.tr("GPU memory") if on_card else self.tr("Memory"))

    @Slot(float, float, int)
    def _on_range_changed(self, first: float, last: float, num_pixels: int) -> None:
        axis = self.chart.axis
        steps = self._history.step_at(axis, first), self._history.step_at(axis, last)
        self._history.look(int(steps[0]), int(steps[1]) + 1, num_pixels)

    @Slot(str)
    def _on_axis_changed(self, axis: str) -> None:
        self._has_new_points = self._has_new_marks = True
        self._refresh()

    @Slot(object)
    def _on_hovered(self, x: float | None) -> None:
        if self.sender() is not self.chart:
            self.chart.set_hover(x)
        for small in self._small:
            small.set_hover(x)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._dress()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._is_resting:
            self._refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._rest()
