"""Does it learn the thing or learn it by heart: the gap, and what the samples look like."""

from __future__ import annotations

from typing import cast

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from backend.contract.status import StatusView
from gui.widgets import numbers
from gui.widgets.buttons import FlatButton
from gui.widgets.card import Card
from gui.widgets.gap_gauge import GapGauge
from gui.widgets.labels import ElidedLabel, Ink, PlainLabel

_GOOD_THINK_PERCENT = 20.0


class GeneralisationCard(Card):
    """Shows the gap and the think-tag share; asks for an evaluation."""

    evaluate_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._gauge = GapGauge()
        self._share_name = ElidedLabel(self.tr("<think> tags in samples"), ink="text_muted")
        self._share = PlainLabel(size="strong")
        self._teaching = PlainLabel(
            self.tr("After the first evaluation this shows how far the validation loss lies above the training loss."),
            size="small",
            ink="text_muted",
            wrap=True,
        )
        self._evaluate = FlatButton(icon="evaluate", name=self.tr("Evaluate at the next step"))
        self._build()
        self._gauge.verdict_changed.connect(self._on_verdict_changed)
        self._evaluate.clicked.connect(self.evaluate_requested)
        self.show_status(None)

    def show_status(self, status: StatusView | None) -> None:
        """Take the newest numbers."""
        gap = status.gap if status is not None else None
        share = status.think_tag_percent if status is not None else None
        self._gauge.set_gap(gap)
        self._teaching.setVisible(gap is None)
        self._share_name.setVisible(share is not None)
        self._share.setVisible(share is not None)
        self._share.show_text(numbers.percent(share / 100) if share is not None else "")
        self._share.set_ink("good" if share is not None and share < _GOOD_THINK_PERCENT else "text")
        self._evaluate.setEnabled(status is not None and status.trainer is not None and status.job is not None)

    def _build(self) -> None:
        self.set_title(self.tr("Generalisation"))
        self.add_to_header(self._evaluate)
        self.body.addWidget(self._gauge)
        self.body.addWidget(self._teaching)
        row = QHBoxLayout()
        row.addWidget(self._share_name, 1)
        row.addWidget(self._share)
        self.body.addLayout(row)
        self.body.addStretch(1)

    @Slot(str, str)
    def _on_verdict_changed(self, word: str, ink: str) -> None:
        self.set_aside(word, cast(Ink, ink))
