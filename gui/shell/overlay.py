"""A panel that floats over the window's content while it is needed: the palette of commands, the help sheet."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QRegion
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui.theme.palette import tokens_for
from gui.theme.tokens import CARD_RADIUS, GRID, Theme


class Overlay(QWidget):
    """Covers its window with a veil; Escape, or a click beside the panel, closes it. Never modal to the program."""

    closed = Signal()

    def __init__(self, window: QWidget, *, width: int, top: int) -> None:
        super().__init__(window)
        self._host = window
        self._width = width
        self._top = top
        self._before: QWidget | None = None
        self.panel = QWidget(self)
        self.content = QVBoxLayout(self.panel)
        self.content.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        self.content.setSpacing(GRID)
        window.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Show it over everything and take the keys."""
        self._before = self.window().focusWidget()
        self.setGeometry(self._host.rect())
        self._place()
        self.show()
        self.raise_()
        self.setFocus()

    def close_panel(self) -> None:
        """Take it away and give the keys back to where they were."""
        if not self.isVisible():
            return
        self.hide()
        if self._before is not None:
            self._before.setFocus()
            self._before = None
        self.closed.emit()

    def refit(self) -> None:
        """Its content has another height now."""
        if self.isVisible():
            before = self.panel.geometry()
            self._place()
            if self.panel.geometry() != before:  # the veil beside it stays, and all that lies below
                self.update(self.panel.geometry().united(before).adjusted(-2, -2, 2, 2))

    def _place(self) -> None:
        self.content.activate()
        width = min(self._width, self.width() - 4 * GRID)
        height = min(self.panel.sizeHint().height(), self.height() - 2 * self._top)
        self.panel.setGeometry(QRect((self.width() - width) // 2, self._top, width, height))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and watched is self._host and self.isVisible():
            self.setGeometry(self._host.rect())
            self._place()
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close_panel()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.panel.geometry().contains(event.position().toPoint()):
            self.close_panel()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Only what was asked for: whatever moves below the veil comes by here."""
        t = tokens_for(self)
        veil = QColor(t.shadow)
        veil.setAlpha(110 if t.theme is Theme.DARK else 60)
        painter = QPainter(self)
        inside = self.panel.geometry().adjusted(CARD_RADIUS, CARD_RADIUS, -CARD_RADIUS, -CARD_RADIUS)
        painter.setClipRegion(event.region().subtracted(QRegion(inside)))
        painter.fillRect(event.rect(), veil)
        if not event.region().intersects(self.panel.geometry().adjusted(-1, -1, 1, 1)):
            return
        painter.setClipping(False)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(t.border_strong), 1))
        painter.setBrush(QColor(t.panel_raised))
        panel = QRectF(self.panel.geometry()).adjusted(-0.5, -0.5, 0.5, 0.5)
        painter.drawRoundedRect(panel, CARD_RADIUS, CARD_RADIUS)
