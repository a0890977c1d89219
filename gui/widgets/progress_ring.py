"""A ring that fills with progress: a pixmap for the tray, a small widget for rows and dialogs."""

from __future__ import annotations

import math
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.theme.palette import tokens_for
from gui.widgets.numbers import percent
from gui.widgets.plain import plain

RingSign = Literal["", "pause", "dot", "check", "alert"]


def ring_pixmap(
    size: int, share: float | None, color: str, track: str, *, sign: RingSign = "", ratio: float = 0.0
) -> QPixmap:
    """A ring `size` device-independent pixels wide. `share` None draws the empty ring; `sign` stands inside."""
    ratio = ratio or _screen_ratio()
    pixmap = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    paint_ring(painter, QRectF(0, 0, size, size), share, color, track)
    _paint_sign(painter, size, sign, color)
    painter.end()
    return pixmap


def paint_ring(painter: QPainter, box: QRectF, share: float | None, color: str, track: str) -> None:
    """Ring in a box, from twelve o'clock to the right."""
    width = max(box.width() * 0.14, 2.0)
    circle = box.adjusted(width / 2 + 0.5, width / 2 + 0.5, -width / 2 - 0.5, -width / 2 - 0.5)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(track), width))
    painter.drawEllipse(circle)
    if share is None or not math.isfinite(share) or share <= 0:
        return
    painter.setPen(QPen(QColor(color), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawArc(circle, 90 * 16, -round(min(share, 1.0) * 360 * 16))


class ProgressRing(QWidget):
    """The ring as a widget; without a known share it is the empty ring."""

    def __init__(self, size: int = 18, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = size
        self._share: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(plain(name) or self.tr("Progress"))

    @property
    def share(self) -> float | None:
        """0..1, None when unknown."""
        return self._share

    def set_share(self, share: float | None) -> None:
        """Show progress 0..1."""
        if share != self._share:
            self._share = share
            self.setAccessibleDescription(percent(share))
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._size, self._size)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_ring(painter, QRectF(0, 0, self._size, self._size), self._share, tokens.accent, tokens.track)


def _paint_sign(painter: QPainter, size: int, sign: RingSign, color: str) -> None:
    unit, middle = size / 24, size / 2
    stroke = QPen(QColor(color), max(2.4 * unit, 1.6), Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
    painter.setPen(stroke)
    painter.setBrush(QColor(color))
    if sign == "pause":
        for x in (middle - 2.5 * unit, middle + 2.5 * unit):
            painter.drawLine(QPointF(x, middle - 3 * unit), QPointF(x, middle + 3 * unit))
    elif sign == "dot":
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QPointF(middle, middle), 3.4 * unit, 3.4 * unit)
    elif sign == "check":
        corners = [QPointF(middle + x * unit, middle + y * unit) for x, y in ((-3.8, 0.2), (-1.0, 3.0), (4.0, -2.8))]
        painter.drawPolyline(corners)
    elif sign == "alert":
        painter.drawLine(QPointF(middle, middle - 4.2 * unit), QPointF(middle, middle + 0.8 * unit))
        painter.drawPoint(QPointF(middle, middle + 4.4 * unit))


def _screen_ratio() -> float:
    app = QGuiApplication.instance()
    return app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0
