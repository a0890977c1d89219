"""The arrangement of the Train page: three columns, two with a row below, or one that scrolls. Never sideways."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QVBoxLayout, QWidget

from gui.pages.train.curves import Curves
from gui.pages.train.events_card import EventsCard
from gui.pages.train.generalisation_card import GeneralisationCard
from gui.pages.train.queue_card import QueueCard
from gui.pages.train.sample_card import SampleCard
from gui.theme.tokens import GAP

_WIDE_FROM, _TWO_FROM = 1100, 680
_LEFT, _LEFT_NARROW, _RIGHT = 330, 272, 300
_SIDE_ROW = 158


class Arrangement(Enum):
    """What there is room for."""

    THREE = "three columns"
    TWO = "two columns, the third below the curves"
    ONE = "one column"


class Columns(QWidget):
    """Holds the cards and moves them when the room changes; owns no data."""

    def __init__(
        self,
        *,
        drop_zone: QWidget,
        queue: QueueCard,
        curves: Curves,
        generalisation: GeneralisationCard,
        sample: SampleCard,
        events: EventsCard,
    ) -> None:
        super().__init__()
        self._sample, self._events, self._generalisation, self._queue = sample, events, generalisation, queue
        self._arrangement: Arrangement | None = None
        self._curves = curves
        self._first_run: QWidget | None = None
        self._is_first_run = False
        self._shows_events = False
        self._left, self._middle, self._side = QWidget(), QWidget(), QWidget()
        left = QVBoxLayout(self._left)
        left.addWidget(drop_zone)
        left.addWidget(queue, 1)
        self._middle_layout = QVBoxLayout(self._middle)
        self._middle_layout.addWidget(self._curves)
        self._side_layout = QBoxLayout(QBoxLayout.Direction.TopToBottom, self._side)
        self._side_layout.addWidget(generalisation)
        self._side_layout.addWidget(sample)
        self._side_layout.addWidget(events, 1)
        for layout in (left, self._middle_layout, self._side_layout):
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(GAP)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(GAP, GAP, GAP, GAP)
        self._grid.setSpacing(GAP)
        sample.switch_requested.connect(self._on_switch_requested)
        events.switch_requested.connect(self._on_switch_requested)
        self.arrange(_WIDE_FROM)

    @property
    def arrangement(self) -> Arrangement:
        """As it is now."""
        return self._arrangement or Arrangement.THREE

    def place_first_run(self, panel: QWidget) -> None:
        """Put the panel of the first five minutes into the middle."""
        self._first_run = panel
        self._middle_layout.addWidget(panel)
        panel.setVisible(self._is_first_run)

    def show_first_run(self, is_shown: bool) -> None:
        """Panel or curves; what there is to see of training goes with the curves."""
        if is_shown == self._is_first_run:
            return
        self._is_first_run = is_shown
        self._curves.setVisible(not is_shown)
        if self._first_run is not None:
            self._first_run.setVisible(is_shown)
        self._side.setVisible(not is_shown)

    def arrange(self, width: int) -> None:
        """Take the arrangement for this width."""
        wanted = (
            Arrangement.THREE if width >= _WIDE_FROM else Arrangement.TWO if width >= _TWO_FROM else Arrangement.ONE
        )
        if wanted is self._arrangement:
            return
        self._arrangement = wanted
        for part in (self._left, self._middle, self._side):
            self._grid.removeWidget(part)
        {Arrangement.THREE: self._three, Arrangement.TWO: self._two, Arrangement.ONE: self._one}[wanted]()
        self._refresh_pair()

    def _three(self) -> None:
        self._grid.addWidget(self._left, 0, 0)
        self._grid.addWidget(self._middle, 0, 1)
        self._grid.addWidget(self._side, 0, 2)
        self._stretch(columns=(0, 1, 0), rows=(1, 0, 0))
        self._left.setFixedWidth(_LEFT)
        self._free(self._side, width=_RIGHT)
        self._side_layout.setDirection(QBoxLayout.Direction.TopToBottom)
        self._heights(page=540, queue=120, middle=0)

    def _two(self) -> None:
        self._grid.addWidget(self._left, 0, 0, 2, 1)
        self._grid.addWidget(self._middle, 0, 1)
        self._grid.addWidget(self._side, 1, 1)
        self._stretch(columns=(0, 1, 0), rows=(1, 0, 0))
        self._left.setFixedWidth(_LEFT_NARROW)
        self._free(self._side, height=_SIDE_ROW)
        self._side_layout.setDirection(QBoxLayout.Direction.LeftToRight)
        self._heights(page=560, queue=120, middle=0)

    def _one(self) -> None:
        self._grid.addWidget(self._left, 0, 0)
        self._grid.addWidget(self._middle, 1, 0)
        self._grid.addWidget(self._side, 2, 0)
        self._stretch(columns=(1, 0, 0), rows=(0, 0, 0))
        self._free(self._left)
        self._free(self._side)
        self._side_layout.setDirection(QBoxLayout.Direction.TopToBottom)
        self._heights(page=0, queue=280, middle=440)

    def _stretch(self, *, columns: tuple[int, int, int], rows: tuple[int, int, int]) -> None:
        for number in range(3):
            self._grid.setColumnStretch(number, columns[number])
            self._grid.setRowStretch(number, rows[number])

    def _free(self, part: QWidget, *, width: int = 0, height: int = 0) -> None:
        """Fix what is given, leave the rest to the layout."""
        part.setMinimumSize(width, height)
        part.setMaximumSize(width or 16_777_215, height or 16_777_215)

    def _heights(self, *, page: int, queue: int, middle: int) -> None:
        self.setMinimumHeight(page)
        self._queue.setMinimumHeight(queue)
        self._middle.setMinimumHeight(middle)

    def _refresh_pair(self) -> None:
        """Where the third column lies below, sample and events take turns."""
        is_row = self._arrangement is Arrangement.TWO
        self._sample.set_switch(self.tr("events") if is_row else "")
        self._events.set_switch(self.tr("sample") if is_row else "")
        self._sample.setVisible(not is_row or not self._shows_events)
        self._events.setVisible(not is_row or self._shows_events)
        self._curves.set_low(is_row)
        self._generalisation.set_low(is_row)
        self._sample.set_tall(is_row)
        self._events.setMinimumHeight(0 if is_row else 160)

    @Slot()
    def _on_switch_requested(self) -> None:
        self._shows_events = not self._shows_events
        self._refresh_pair()
        shown: QWidget = self._events if self._shows_events else self._sample
        shown.setFocus(Qt.FocusReason.OtherFocusReason)

    def heightForWidth(self, width: int) -> int:
        """The least height: what is left over is shared out, never scrolled to."""
        return max(self.minimumHeight(), self._grid.minimumHeightForWidth(width))
