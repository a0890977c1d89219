"""What happened lately, on its card; words where nothing has."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from gui.pages.train.events_view import EventsView
from gui.state.event_log import EventLog
from gui.widgets.buttons import FlatButton
from gui.widgets.card import Card
from gui.widgets.labels import PlainLabel


class EventsCard(Card):
    """Shows the log."""

    switch_requested = Signal()

    def __init__(self, events: EventLog, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._events = events
        self.view = EventsView(events)
        self._switch = FlatButton(icon="chevron_right")
        self._stack = QStackedWidget()
        nothing = PlainLabel(
            self.tr("Checkpoints, evaluations, recoveries and whatever needs you are told here."),
            size="small",
            ink="text_muted",
            wrap=True,
        )
        nothing.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.set_title(self.tr("Events"))
        self.add_to_header(self._switch)
        self._switch.hide()
        self._stack.addWidget(self.view)
        self._stack.addWidget(nothing)
        self.body.addWidget(self._stack, 1)
        self._switch.clicked.connect(self.switch_requested)
        for signal in (events.rowsInserted, events.rowsRemoved, events.modelReset):
            signal.connect(self._refresh)
        self._refresh()

    def set_resting(self, is_resting: bool) -> None:
        """Whether the window is minimised: shown, as Qt has it, and yet not seen."""
        self.view.set_resting(is_resting)

    def set_switch(self, text: str) -> None:
        """The card this one takes turns with; '' when both stand side by side."""
        self._switch.set_text(text)
        self._switch.setAccessibleName(self.tr("Show {0}").format(text))
        self._switch.setVisible(bool(text))

    @Slot()
    def _refresh(self) -> None:
        self._stack.setCurrentIndex(0 if self._events.rowCount() else 1)
