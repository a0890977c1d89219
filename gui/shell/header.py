"""One glance tells all: the state, what trains, when it is done, and the buttons that steer it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from backend.contract.status import Activity, RunState, StatusView
from gui.prompt_words import for_window
from gui.shell.words import activity_word, is_leaving, model_name, what_trains
from gui.theme.palette import tokens_for
from gui.widgets.buttons import ControlButton, Tone
from gui.widgets.labels import ElidedLabel
from gui.widgets.plain import tooltip
from gui.widgets.state_pill import PillTone, StatePill

HEIGHT = 56
NARROW = 900
"""Below this width the buttons show their drawing alone; the words stay in tooltip and accessible name."""
NARROW_AWAY = 1300
"""The same where nobody answers: then the sentence that says why needs the room."""

_TONES: dict[Activity, PillTone] = {
    Activity.IDLE: "neutral",
    Activity.CHECKING: "accent",
    Activity.TRAINING: "good",
    Activity.PAUSED: "neutral",
    Activity.RECOVERING: "warning",
    Activity.NEEDS_YOU: "stop",
    Activity.STOPPED: "neutral",
}


class SteerButton(ControlButton):
    """A control that changes its word with the state, and loses it where there is no room."""

    focus_released = Signal()

    def __init__(self, title: str, icon: str, parent: QWidget, tone: Tone = "normal") -> None:
        super().__init__(title, icon=icon, tone=tone, name=title, parent=parent)
        self._title = title
        self._is_narrow = False

    def set_title(self, title: str, icon: str) -> None:
        """Another act on the same button."""
        self._title = title
        self.set_icon(icon)
        self.setAccessibleName(title)
        self.set_text("" if self._is_narrow else title)

    def set_narrow(self, is_narrow: bool) -> None:
        """With or without the word."""
        self._is_narrow = is_narrow
        self.set_text("" if is_narrow else self._title)

    def allow(self, is_allowed: bool, why: str) -> None:
        """Enable it; the tooltip says what it does, or why it cannot."""
        if self.hasFocus() and not is_allowed:
            self.focus_released.emit()  # before Qt gives the keyboard to whatever comes next
        self.setEnabled(is_allowed)
        self.setToolTip(tooltip(f"{self._title}: {why}"))


class Header(QWidget):
    """Shows the status and emits the wish of the button that was pressed."""

    pause_requested = Signal()
    resume_requested = Signal()
    skip_requested = Signal()
    stop_after_file_requested = Signal()
    stop_now_requested = Signal()
    start_requested = Signal()
    focus_released = Signal()
    """The button that had the keyboard can no longer be pressed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        self.setAccessibleName(self.tr("State and controls"))
        self._status: StatusView | None = None
        self._model = ""
        self._pill = StatePill(parent=self)
        self._title = ElidedLabel(size="strong", parent=self)
        self._details = ElidedLabel(ink="text_muted", parent=self)
        self._start = SteerButton(self.tr("Start"), "play", self, tone="primary")
        self._pause = SteerButton(self.tr("Pause"), "pause", self)
        self._skip = SteerButton(self.tr("Skip file"), "skip", self)
        self._stop_after = SteerButton(self.tr("Stop after file"), "stop_after", self)
        self._stop_now = SteerButton(self.tr("Stop now"), "stop", self, tone="danger")
        self._buttons = (self._start, self._pause, self._skip, self._stop_after, self._stop_now)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(18, 0, 12, 0)
        layout.setSpacing(14)
        layout.addWidget(self._pill)
        layout.addWidget(self._title)
        layout.addWidget(self._details, 1)
        for button in self._buttons:
            layout.addWidget(button)
        self._connect_signals()
        self.show_status(None)

    def show_model(self, name: str) -> None:
        """Name what is trained."""
        self._model = name
        self._show_words()

    def show_status(self, status: StatusView | None) -> None:
        """Show what is so now."""
        self._status = status
        self._offer_start(is_offered=False)
        self._pill.set_state(activity_word(status), _tone(status))
        self._show_words()
        self._show_pause(status)
        self._show_stops(status)

    def show_away(self, sentence: str, *, can_start: bool = False) -> None:
        """There is nobody to steer: say why, and offer to start it where that is for a person to wish."""
        self.show_status(None)
        self._details.show_text(for_window(sentence))
        self._offer_start(is_offered=can_start)

    def _offer_start(self, *, is_offered: bool) -> None:
        self._start.allow(is_offered, self.tr("the service; training goes on where it was"))
        self._start.setVisible(is_offered)
        self._fit()

    def _show_words(self) -> None:
        status = self._status
        name = self._model or (model_name(status.base_id) if status is not None else "")
        self._title.show_text(name)
        self._title.setVisible(bool(name))
        if status is None:
            self._details.show_text(self.tr("looking for the service"))
        elif not status.base_id and status.activity is Activity.IDLE:
            self._details.show_text(self.tr("no base model yet"))
        elif status.activity in (Activity.NEEDS_YOU, Activity.RECOVERING) and status.sentence:
            self._details.show_text(for_window(status.sentence))
        else:
            self._details.show_text(what_trains(status) or for_window(status.sentence))

    def _show_pause(self, status: StatusView | None) -> None:
        if status is None or status.run_state is RunState.RUNNING:
            self._pause.set_title(self.tr("Pause"), "pause")
            self._pause.allow(status is not None, self.tr("holds within one micro-batch; nothing is lost. Ctrl+P"))
        elif status.stop_file:
            self._pause.allow(False, self.tr("a .stop file lies in the workspace; remove it first"))
        else:
            self._pause.set_title(self.tr("Resume"), "play")
            self._pause.allow(True, self.tr("goes on where it was. Ctrl+P"))

    def _show_stops(self, status: StatusView | None) -> None:
        has_job = status is not None and status.job is not None
        is_running = status is not None and status.run_state is RunState.RUNNING
        self._skip.allow(
            has_job,
            self.tr("saves and leaves the present file; retry continues it") if has_job else self.tr("no file trains"),
        )
        if status is not None and status.stop_after_file:
            self._stop_after.set_title(self.tr("Keep going"), "play")
            self._stop_after.allow(True, self.tr("now it stops when this file is finished"))
        else:
            self._stop_after.set_title(self.tr("Stop after file"), "stop_after")
            why = self.tr("finishes the present file first") if has_job else self.tr("no file trains")
            self._stop_after.allow(has_job and is_running, why)
        self._stop_now.allow(
            status is not None and status.run_state is not RunState.STOPPED,
            self.tr("saves the last step and ends the trainer; Resume goes on"),
        )

    def _connect_signals(self) -> None:
        for button in self._buttons:
            button.focus_released.connect(self.focus_released)
        self._start.clicked.connect(self.start_requested)
        self._pause.clicked.connect(self._on_pause_clicked)
        self._skip.clicked.connect(self.skip_requested)
        self._stop_after.clicked.connect(self._on_stop_after_clicked)
        self._stop_now.clicked.connect(self.stop_now_requested)

    def _on_pause_clicked(self) -> None:
        is_running = self._status is None or self._status.run_state is RunState.RUNNING
        (self.pause_requested if is_running else self.resume_requested).emit()

    def _on_stop_after_clicked(self) -> None:
        will_stop = self._status is not None and self._status.stop_after_file
        (self.resume_requested if will_stop else self.stop_after_file_requested).emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self._title.setMaximumWidth(self.width() // 4)
        is_away = not self._start.isHidden()
        for button in self._buttons:
            button.set_narrow(self.width() < (NARROW_AWAY if is_away and button is not self._start else NARROW))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QColor(tokens_for(self).border))
        painter.drawLine(0, self.height() - 1, self.width(), self.height() - 1)


def _tone(status: StatusView | None) -> PillTone:
    return "neutral" if status is None or is_leaving(status) else _TONES[status.activity]
