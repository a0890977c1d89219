"""Does it learn the thing or learn it by heart: the gap, and what the samples look like."""

from __future__ import annotations

from typing import cast

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from backend.contract.status import EvaluationRow, StatusView
from gui.widgets import numbers
from gui.widgets.buttons import FlatButton
from gui.widgets.card import Card
from gui.widgets.gap_gauge import GapGauge
from gui.widgets.labels import ElidedLabel, Ink, PlainLabel
from gui.widgets.plain import tooltip

_GOOD_THINK_PERCENT = 20.0


class GeneralisationCard(Card):
    """Shows the gap and the think-tag share; asks for an evaluation."""

    evaluate_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._gauge = GapGauge()
        self._tags = QWidget()
        self._share_name = ElidedLabel(self.tr("<think> tags in samples"), ink="text_muted")
        self._share = PlainLabel(size="strong")
        self._teaching = PlainLabel(
            self.tr("After the first evaluation this shows how far the validation loss lies above the training loss."),
            size="small",
            ink="text_muted",
            wrap=True,
        )
        self._losses = PlainLabel(size="small", ink="text_muted", wrap=True, max_lines=2)
        self._evaluate = FlatButton(icon="evaluate", name=self.tr("Evaluate at the next step"))
        self._is_low = False
        self._about_gap = self.tr(
            "The loss on validation rows, which are never trained on, less the loss on rows of the file in training. "
            "Both are measured at the same step without dropout, so the gap says how much of what was learned holds "
            "for new rows. Below 0.3 is good; from 0.5 the model learns rows by heart."
        )
        self._build()
        self._gauge.verdict_changed.connect(self._on_verdict_changed)
        self._evaluate.clicked.connect(self.evaluate_requested)
        self.show_status(None)
        self.show_evaluation(None)

    def show_evaluation(self, row: EvaluationRow | None) -> None:
        """Name both losses that the gap compares, as they were measured last."""
        is_measured = row is not None and row.validation_loss is not None and row.train_loss is not None
        words = ""
        if row is not None and is_measured:
            words = self.tr("validation {0} · train {1}, dropout off, on rows of this file").format(
                numbers.decimal(row.validation_loss, 3), numbers.decimal(row.train_loss, 3)
            )
        self._losses.show_text(words)
        self._show_losses()

    def set_low(self, is_low: bool) -> None:
        """Where height is short the two losses are told by the tooltip alone."""
        self._is_low = is_low
        self._show_losses()

    def _show_losses(self) -> None:
        words = self._losses.text()
        self._losses.setVisible(bool(words) and not self._is_low)
        gap = tooltip("\n\n".join(part for part in (words, self._about_gap) if part))
        self._gauge.setToolTip(gap)
        self._losses.setToolTip(gap)

    def show_status(self, status: StatusView | None) -> None:
        """Take the newest numbers."""
        gap = status.gap if status is not None else None
        share = status.think_tag_percent if status is not None else None
        self._gauge.set_gap(gap)
        self._teaching.setVisible(gap is None)
        self._tags.setVisible(share is not None)
        self._share.show_text(numbers.percent(share / 100) if share is not None else "")
        self._share.set_ink("good" if share is not None and share < _GOOD_THINK_PERCENT else "text")
        self._evaluate.setEnabled(status is not None and status.trainer is not None and status.job is not None)

    def _build(self) -> None:
        self.set_title(self.tr("Generalisation"))
        self.add_to_header(self._evaluate)
        self.body.addWidget(self._gauge)
        self.body.addWidget(self._losses)
        self.body.addWidget(self._teaching)
        row = QHBoxLayout(self._tags)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._share_name, 1)
        row.addWidget(self._share)
        self.body.addWidget(self._tags)
        self.body.addStretch(1)
        self._explain_tags()

    def _explain_tags(self) -> None:
        tags = tooltip(
            self.tr(
                "Some models write their thoughts between <think> and </think> before they answer. This is the share "
                "of the sampled answers that hold such tags. Where your files have none it falls as the model takes "
                "on their style; below 20 % is shown in green."
            )
        )
        self._tags.setToolTip(tags)

    @Slot(str, str)
    def _on_verdict_changed(self, word: str, ink: str) -> None:
        self.set_aside(word, cast(Ink, ink))
