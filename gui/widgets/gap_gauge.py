"""The gauge that answers "does it still learn, or does it learn by heart?": validation loss minus train loss."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from gui.theme.font import small
from gui.theme.palette import tokens_for
from gui.widgets.labels import ElidedLabel, Ink, PlainLabel
from gui.widgets.numbers import UNKNOWN, decimal
from gui.widgets.plain import tooltip

GAP_WATCH = 0.3
GAP_OVERFITTING = 0.5
GAP_COMPARABLE = -0.5
"""Below it the two losses are not of like rows, and their difference says nothing of what was learned by heart."""
_GAP_END = 0.6
_BAR_HEIGHT = 8


class GapGauge(QWidget):
    """Figure, zones and marker; `verdict_changed` carries the word and its colour for the card's title row."""

    verdict_changed = Signal(str, str)  # word, name of a colour

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._gap: float | None = None
        self._is_told = False
        self._figure = PlainLabel(UNKNOWN, size="figure")
        self._caption = ElidedLabel(self.tr("validation − train"), ink="text_muted")
        self._bar = _Zones()
        row = QHBoxLayout()
        row.setSpacing(10)
        row.addWidget(self._figure)
        row.addWidget(self._caption, 1, Qt.AlignmentFlag.AlignBottom)
        self._caption.setContentsMargins(0, 0, 0, 6)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(row)
        layout.addWidget(self._bar)
        self._describe()

    @property
    def gap(self) -> float | None:
        """The number shown, None before the first evaluation."""
        return self._gap

    def set_gap(self, gap: float | None) -> None:
        """Validation loss minus train loss; None or a number that is none says that nobody knows yet."""
        known = gap if gap is not None and math.isfinite(gap) else None
        if known == self._gap and self._is_told:
            return
        self._gap, self._is_told = known, True
        self._figure.show_text(decimal(self._gap))
        self._bar.set_gap(self._gap if self._is_comparable() else None)  # it has no place on the scale
        self._describe()
        self.verdict_changed.emit(*self.verdict())

    def verdict(self) -> tuple[str, Ink]:
        """One word for the number, and its colour."""
        if self._gap is None:
            return self.tr("not measured yet"), "text_muted"
        if not self._is_comparable():
            return self.tr("not comparable"), "text_muted"
        if self._gap >= GAP_OVERFITTING:
            return self.tr("overfitting"), "stop"
        return (self.tr("widening"), "warning") if self._gap >= GAP_WATCH else (self.tr("good"), "good")

    def _is_comparable(self) -> bool:
        return self._gap is None or self._gap >= GAP_COMPARABLE

    def _describe(self) -> None:
        word, _ = self.verdict()
        why = self.tr("Not comparable: the training rows are harder or of another kind than the validation rows.")
        for part in (self._figure, self._bar):
            part.setToolTip(tooltip(why) if not self._is_comparable() else "")
        self.setAccessibleName(self.tr("Generalisation gap"))
        self.setAccessibleDescription(f"{decimal(self._gap)}, {word}")


class _Zones(QWidget):
    """Three zones, their borders in figures below, a marker at the value."""

    def __init__(self) -> None:
        super().__init__()
        self._gap: float | None = None
        self.setFont(small(QApplication.font()))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_gap(self, gap: float | None) -> None:
        if gap != self._gap:
            self._gap = gap
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(160, _BAR_HEIGHT + 8 + self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_zones(painter)
        self._paint_scale(painter)
        if self._gap is not None:
            self._paint_marker(painter, self._gap)

    def _x(self, gap: float) -> float:
        return min(max(gap / _GAP_END, 0.0), 1.0) * self.width()

    def _paint_zones(self, painter: QPainter) -> None:
        tokens = tokens_for(self)
        bar = QRectF(0, 2, self.width(), _BAR_HEIGHT)
        shape = QPainterPath()
        shape.addRoundedRect(bar, 3, 3)
        painter.save()
        painter.setClipPath(shape)
        painter.setOpacity(1.0 if self._gap is not None else 0.35)
        edges = (0.0, GAP_WATCH, GAP_OVERFITTING, _GAP_END)
        colors = (tokens.gauge_good, tokens.gauge_warning, tokens.gauge_stop)
        for start, end, color in zip(edges, edges[1:], colors, strict=False):
            painter.fillRect(QRectF(self._x(start), 2, self._x(end) - self._x(start), _BAR_HEIGHT), QColor(color))
        painter.restore()

    def _paint_scale(self, painter: QPainter) -> None:
        painter.setFont(self.font())
        painter.setPen(QColor(tokens_for(self).text_muted))
        metrics = self.fontMetrics()
        baseline = _BAR_HEIGHT + 6 + metrics.ascent()
        painter.drawText(QPointF(0, baseline), decimal(0, 0))
        watch = decimal(GAP_WATCH, 1)
        painter.drawText(QPointF(self._x(GAP_WATCH) - metrics.horizontalAdvance(watch) / 2, baseline), watch)
        end = self.tr("%1 overfitting").replace("%1", decimal(GAP_OVERFITTING, 1))
        if metrics.horizontalAdvance(end) > self.width() - self._x(GAP_WATCH) - 16:
            end = decimal(GAP_OVERFITTING, 1)
        painter.drawText(QPointF(self.width() - metrics.horizontalAdvance(end), baseline), end)

    def _paint_marker(self, painter: QPainter, gap: float) -> None:
        tokens = tokens_for(self)
        x = min(max(self._x(gap), 2.0), self.width() - 2.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.panel))
        painter.drawRoundedRect(QRectF(x - 2.5, 0, 5, _BAR_HEIGHT + 4), 2, 2)
        painter.setBrush(QColor(tokens.text))
        painter.drawRoundedRect(QRectF(x - 1.5, 0, 3, _BAR_HEIGHT + 4), 1.5, 1.5)
