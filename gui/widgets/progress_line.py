"""A thin line that fills; where nobody knows the end, a part of it travels instead of guessing."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QProgressBar, QSizePolicy, QWidget

from gui.theme.palette import motion_wanted, tokens_for

_HEIGHT = 4
_STEPS = 1000
_TRAVEL_MS = 1600
_FRAME_MS = 40
_PART = 0.3


class ProgressLine(QProgressBar):
    """`set_share(None)` when the end is not known; it moves only while it is seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextVisible(False)
        self.setRange(0, _STEPS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._clock = QElapsedTimer()
        self._frames = QTimer(self)
        self._frames.setInterval(_FRAME_MS)
        self._frames.timeout.connect(self.update)

    @property
    def is_endless(self) -> bool:
        """True while nobody knows the end."""
        return self.maximum() == 0

    def set_share(self, share: float | None) -> None:
        """0..1, or None."""
        self.setRange(0, 0 if share is None else _STEPS)
        if share is not None:
            self.setValue(round(min(max(share, 0.0), 1.0) * _STEPS))
        self._move_or_rest()
        self.update()

    def _move_or_rest(self) -> None:
        app = QApplication.instance()
        if self.is_endless and self.isVisible() and isinstance(app, QApplication) and motion_wanted(app):
            if not self._frames.isActive():
                self._clock.start()
                self._frames.start()
        else:
            self._frames.stop()

    def sizeHint(self) -> QSize:
        return QSize(120, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(40, _HEIGHT)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._move_or_rest()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._frames.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        box = QRectF(0, (self.height() - _HEIGHT) / 2, self.width(), _HEIGHT)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens.track))
        painter.drawRoundedRect(box, _HEIGHT / 2, _HEIGHT / 2)
        painter.setBrush(QColor(tokens.accent))
        painter.drawRoundedRect(self._filled(box), _HEIGHT / 2, _HEIGHT / 2)

    def _filled(self, box: QRectF) -> QRectF:
        if not self.is_endless:
            return QRectF(box.x(), box.y(), box.width() * max(self.value(), 0) / _STEPS, box.height())
        way = (self._clock.elapsed() % _TRAVEL_MS) / _TRAVEL_MS if self._frames.isActive() else 0.5
        left = (way * (1 + _PART) - _PART) * box.width()
        return QRectF(left, box.y(), _PART * box.width(), box.height()).intersected(box)
