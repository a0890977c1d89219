"""What is painted inside the axes: bands, grid, curves and marks below, the crosshair with its card above.

Both layers are children of the view box and paint in its pixels. The curves' shapes are kept until the view or the
data change, so that moving the mouse costs a few clipped fills.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from gui.theme.font import small
from gui.theme.tokens import mixed
from gui.widgets import chart_geometry as geometry
from gui.widgets.chart_geometry import Mapping
from gui.widgets.chart_picture import LONGEST_LABEL, HoverCard, Mark, Picture
from gui.widgets.plain import plain

_SMOOTH_WIDTH, _DASH_WIDTH = 2.0, 1.8
_DOT_RADIUS = 3.2
_LEAST_DOT_DISTANCE = 11.0
_BAND_LABEL_HEIGHT = 24.0
_CHIP_HEIGHT = 20.0
_MOST_CHIP_ROWS = 2
_LEAST_BAND_LABEL = 72.0
_WIDEST_CARD = 220.0
_FAINTER = 0.5
"""How far a raw line that fills an area goes back into the ground."""


def smooth_columns(num_pixels: int) -> int:
    """A line two pixels wide shows no more than a point every second pixel."""
    return max(num_pixels // 2, 1)


class _Layer(QGraphicsItem):
    """Covers the view box and asks it where it looks."""

    def __init__(self, parent: QGraphicsItem, picture: Picture, mapping: Callable[[], Mapping]) -> None:
        super().__init__(parent)
        self._picture = picture
        self._mapping = mapping
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)

    def boundingRect(self) -> QRectF:
        parent = self.parentItem()
        return parent.boundingRect() if parent is not None else QRectF()


class CurveLayer(_Layer):
    """Bands, grid, curves and marks."""

    def __init__(
        self,
        parent: QGraphicsItem,
        picture: Picture,
        mapping: Callable[[], Mapping],
        *,
        grid: Callable[[], list[float]],
    ) -> None:
        super().__init__(parent, picture, mapping)
        self._grid = grid
        self._key: Mapping | None = None
        self._raw: list[QPolygonF] = []
        self.has_words_at_marks = False
        self._density = 0.0  # share of pixel columns that hold several steps
        self._smooth: list[QPolygonF] = []
        self._validation: list[QLineF] = []
        self._dots: list[QPointF] = []

    def invalidate(self) -> None:
        """Data or looks changed."""
        self._key = None
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        mapping = self._mapping()
        if mapping.width < 1 or mapping.height < 1:
            return
        if mapping != self._key:
            self._shape(mapping)
            self._key = mapping
        painter.save()
        try:  # without the restore Qt would crash where Python only complains
            painter.setClipRect(self.boundingRect(), Qt.ClipOperation.IntersectClip)
            self._paint_all(painter, mapping)
        finally:
            painter.restore()

    def _paint_all(self, painter: QPainter, mapping: Mapping) -> None:
        if self._picture.is_empty:
            self._paint_empty(painter)
            return
        self._paint_bands(painter, mapping)
        self._paint_grid(painter, mapping)
        self._paint_train(painter, mapping)
        self._paint_validation(painter)
        self._paint_marks(painter, mapping)

    def _shape(self, mapping: Mapping) -> None:
        picture, num_columns = self._picture, max(int(mapping.width), 1)
        self._raw, self._smooth, self._validation, self._dots = [], [], [], []
        if picture.shows_train:
            raw = picture.raw.columns(mapping.x0, mapping.x1, num_columns)
            self._raw = geometry.hair_lines(raw, mapping, picture.raw.pauses)
            self._density = float(np.count_nonzero(raw.lo != raw.hi) / max(len(raw.x), 1))
            smooth = picture.smooth.columns(mapping.x0, mapping.x1, smooth_columns(num_columns))
            self._smooth = geometry.pieces(smooth, mapping, picture.smooth.pauses)
        if picture.shows_validation:
            columns = picture.validation.columns(mapping.x0, mapping.x1, num_columns)
            x, y = geometry.thinned(columns, mapping, 6.0)
            self._validation = geometry.dashes(x, y)
            if len(x) == 1 or (len(x) and (x[-1] - x[0]) / (len(x) - 1) >= _LEAST_DOT_DISTANCE):
                self._dots = [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True)]

    def _paint_empty(self, painter: QPainter) -> None:
        painter.setFont(QFont())
        painter.setPen(QColor(self._picture.tokens.text_muted))
        painter.drawText(
            self.boundingRect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._picture.empty_text
        )

    def _paint_bands(self, painter: QPainter, mapping: Mapping) -> None:
        tokens = self._picture.tokens
        colors = QColor(tokens.band_a), QColor(tokens.band_b)
        font = small(QFont())
        metrics = QFontMetricsF(font)
        painter.setFont(font)
        painter.setPen(QColor(tokens.text_muted))
        one_pixel = (mapping.x1 - mapping.x0) / mapping.width
        for number, band in self._picture.bands.wider_than(one_pixel, mapping.x0, mapping.x1):
            left, right = max(mapping.x_of(band.start), 0.0), min(mapping.x_of(band.end), mapping.width)
            painter.fillRect(QRectF(left, 0.0, right - left, mapping.height), colors[number % 2])
            if right - left >= _LEAST_BAND_LABEL:
                room = QRectF(left + 8, 0.0, right - left - 14, _BAND_LABEL_HEIGHT)
                label = metrics.elidedText(plain(band.label, LONGEST_LABEL), Qt.TextElideMode.ElideMiddle, room.width())
                painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, label)

    def _paint_grid(self, painter: QPainter, mapping: Mapping) -> None:
        color = QColor(self._picture.tokens.grid)
        for value in self._grid():
            at = round((mapping.y1 - value) * mapping.height / (mapping.y1 - mapping.y0))
            painter.fillRect(QRectF(0.0, at, mapping.width, 1.0), color)

    def _paint_train(self, painter: QPainter, mapping: Mapping) -> None:
        tokens = self._picture.tokens
        # Where most columns hold several steps the lines fill them, and soft edges would double their price unseen.
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, self._density < 0.5)
        faint = mixed(tokens.train_raw, tokens.panel, _FAINTER * self._density)
        painter.setPen(QPen(QColor(faint if self._smooth else tokens.accent), 1.0))
        for line in self._raw:
            painter.drawPolyline(line)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens.accent), _SMOOTH_WIDTH, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        for line in self._smooth:
            painter.drawPolyline(line)
        newest = self._picture.smooth.latest() if self._picture.shows_train else None
        if newest is not None:
            x, y = float(self._picture.smooth.x[newest]), float(self._picture.smooth.mean[newest])
            _dot(painter, QPointF(mapping.x_of(x), mapping.y_of(y)), tokens.accent, tokens.panel)

    def _paint_validation(self, painter: QPainter) -> None:
        color = QColor(self._picture.tokens.validation)
        painter.setPen(QPen(color, _DASH_WIDTH, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawLines(self._validation)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color)
        for point in self._dots:
            painter.drawEllipse(point, _DOT_RADIUS, _DOT_RADIUS)

    def _paint_marks(self, painter: QPainter, mapping: Mapping) -> None:
        tokens = self._picture.tokens
        visible = self._picture.marks.between(mapping.x0, mapping.x1)
        if not visible:
            return
        pen = QPen(QColor(mixed(tokens.validation, tokens.panel, 0.35)), 1.0)
        pen.setDashPattern([2.0, 3.0])
        places = [round(mapping.x_of(mark.x)) + 0.5 for mark in visible]
        painter.setPen(pen)
        for at in sorted(set(places)):
            painter.drawLine(QPointF(at, _BAND_LABEL_HEIGHT + 4), QPointF(at, mapping.height))
        painter.setFont(small(QFont()))
        chips = _chips(visible, places, QFontMetricsF(painter.font()), mapping.width)
        self.has_words_at_marks = chips is not None
        if chips is None:  # no room for words: knobs to hover over
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.validation))
            for at in sorted(set(places)):
                painter.drawEllipse(QPointF(at, _BAND_LABEL_HEIGHT + 4), 2.5, 2.5)
            return
        for chip, text in chips:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.warning_soft))
            painter.drawRoundedRect(chip, 4, 4)
            painter.setPen(QColor(tokens.warning))
            painter.drawText(chip, Qt.AlignmentFlag.AlignCenter, text)


class HoverLayer(_Layer):
    """The crosshair, its dots and its card. Only what they covered and cover is painted anew."""

    def __init__(self, parent: QGraphicsItem, picture: Picture, mapping: Callable[[], Mapping]) -> None:
        super().__init__(parent, picture, mapping)
        self.card: HoverCard | None = None

    def show_card(self, card: HoverCard | None) -> None:
        """Move the crosshair, or take it away."""
        for shown in (self.card, card):  # where the view has moved, the old one is elsewhere by now
            for rect in self._rects(shown):
                self.update(rect)
        self.card = card

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        card, mapping = self.card, self._mapping()
        if card is None or mapping.width < 1 or not mapping.x0 <= card.x <= mapping.x1:
            return
        painter.save()
        try:
            painter.setClipRect(self.boundingRect(), Qt.ClipOperation.IntersectClip)
            self._paint_crosshair(painter, card, mapping)
            self._paint_card(painter, card, self._card_rect(card, mapping))
        finally:
            painter.restore()

    def _paint_crosshair(self, painter: QPainter, card: HoverCard, mapping: Mapping) -> None:
        tokens = self._picture.tokens
        at = round(mapping.x_of(card.x))
        painter.fillRect(QRectF(at, 0.0, 1.0, mapping.height), QColor(tokens.crosshair))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for x, y, color in card.dots:
            _dot(painter, QPointF(mapping.x_of(x), mapping.y_of(y)), getattr(tokens, color), tokens.panel)

    def _paint_card(self, painter: QPainter, card: HoverCard, rect: QRectF) -> None:
        tokens = self._picture.tokens
        painter.setPen(QPen(QColor(tokens.border), 1.0))
        painter.setBrush(QColor(tokens.tooltip))
        painter.drawRoundedRect(rect, 6, 6)
        painter.setFont(small(QFont()))
        line_height = QFontMetricsF(painter.font()).height() + 3
        top = rect.top() + 7
        metrics = QFontMetricsF(painter.font())
        for text, color in card.lines:
            painter.setPen(QColor(getattr(tokens, color)))
            room = QRectF(rect.left() + 10, top, rect.width() - 20, line_height)
            shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, room.width() + 1)
            painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextDontClip, shown)
            top += line_height

    def _card_rect(self, card: HoverCard, mapping: Mapping) -> QRectF:
        metrics = QFontMetricsF(small(QFont()))
        width = min(max((metrics.horizontalAdvance(text) for text, _ in card.lines), default=0.0), _WIDEST_CARD) + 22
        height = (metrics.height() + 3) * len(card.lines) + 13
        at = mapping.x_of(card.x)
        left = at + 12 if at + 12 + width <= mapping.width - 4 else at - 12 - width
        return QRectF(round(max(left, 4.0)) + 0.5, _BAND_LABEL_HEIGHT + 32.5, width, height)

    def _rects(self, card: HoverCard | None) -> list[QRectF]:
        if card is None:
            return []
        mapping = self._mapping()
        at = mapping.x_of(card.x)
        column = QRectF(at - 8, 0.0, 16.0, mapping.height)  # the line and the dots on it
        return [column, self._card_rect(card, mapping).adjusted(-2, -2, 2, 2)]


def _chips(
    marks: list[Mark], places: list[float], metrics: QFontMetricsF, room: float
) -> list[tuple[QRectF, str]] | None:
    """Where the words of marks stand, in as few rows as they need; None when there are more than fit."""
    chips: list[tuple[QRectF, str]] = []
    row_ends = [-1e9] * _MOST_CHIP_ROWS
    for mark, at in zip(marks, places, strict=True):
        if not mark.label:
            continue
        text = metrics.elidedText(
            plain(mark.label, LONGEST_LABEL), Qt.TextElideMode.ElideRight, max(min(room - 24, 360.0), 20.0)
        )
        width = metrics.horizontalAdvance(text) + 16
        left = min(max(at - width / 2, 4.0), max(room - width - 4, 4.0))
        row = next((number for number, end in enumerate(row_ends) if left > end + 6), None)
        if row is None:
            return None
        row_ends[row] = left + width
        top = _BAND_LABEL_HEIGHT + 4 + row * (_CHIP_HEIGHT + 4)
        chips.append((QRectF(left, top, width, _CHIP_HEIGHT), text))
    return chips


def _dot(painter: QPainter, center: QPointF, color: str, around: str) -> None:
    if center.y() != center.y():  # no place on a logarithmic axis
        return
    painter.setPen(QPen(QColor(around), 1.5))
    painter.setBrush(QColor(color))
    painter.drawEllipse(center, _DOT_RADIUS + 0.8, _DOT_RADIUS + 0.8)
