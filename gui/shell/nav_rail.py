"""The pages, left: one button each, and only pages that work."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QSizePolicy, QVBoxLayout, QWidget

from gui.theme.font import small
from gui.theme.icons import icon_pixmap
from gui.theme.palette import tokens_for
from gui.theme.tokens import CONTROL_RADIUS, GRID
from gui.widgets.buttons import paint_focus_ring

WIDTH = 72
BUTTON = QSize(WIDTH - 2 * GRID + 4, 54)
ICON = 20


class NavButton(QAbstractButton):
    """Drawing over word; the open page's is filled."""

    def __init__(self, drawing: str, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._drawing = drawing
        self.setText(title)
        self.setAccessibleName(title)
        self.setFixedSize(BUTTON)
        self.setFont(small(self.font()))
        self.setCheckable(True)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._has_focus_ring = False

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._has_focus_ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._has_focus_ring = False
        super().focusOutEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        t = tokens_for(self)
        ground = t.selection if self.isChecked() else t.hover if self.underMouse() else t.window
        ink = t.accent if self.isChecked() else t.text if self.underMouse() else t.text_muted
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        painter.drawRoundedRect(QRectF(self.rect()), CONTROL_RADIUS, CONTROL_RADIUS)
        painter.drawPixmap((self.width() - ICON) // 2, 9, icon_pixmap(self._drawing, ink, ICON))
        painter.setPen(QColor(ink))
        painter.setFont(self.font())
        words = self.rect().adjusted(0, 32, 0, -6)
        painter.drawText(words, int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter), self.text())
        if self._has_focus_ring:
            paint_focus_ring(painter, QRectF(self.rect()), t)


class NavRail(QWidget):
    """Emits which page was asked for; shows which is open."""

    page_requested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        self.setAccessibleName(self.tr("Pages"))
        self._group = QButtonGroup(self)
        self._buttons: dict[str, NavButton] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(GRID - 2, 12, GRID - 2, GRID)
        self._layout.setSpacing(4)
        self._layout.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)

    def add_page(self, name: str, title: str, drawing: str) -> None:
        """A page that works from now on."""
        button = NavButton(drawing, title, self)
        number = len(self._buttons) + 1
        button.setShortcut(f"Ctrl+{number}")
        button.setToolTip(self.tr("{title} (Ctrl+{number})").format(title=title, number=number))
        button.clicked.connect(lambda: self.page_requested.emit(name))
        self._buttons[name] = button
        self._group.addButton(button)
        self._layout.insertWidget(len(self._buttons) - 1, button)

    def add_foot(self, button: QAbstractButton) -> None:
        """A button below the pages: looks, help."""
        self._layout.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)

    def show_page(self, name: str) -> None:
        """Mark the open page."""
        if name in self._buttons:
            self._buttons[name].setChecked(True)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QColor(tokens_for(self).border))
        painter.drawLine(self.width() - 1, 0, self.width() - 1, self.height())

