"""Buttons painted from the tokens: a flat one for rows and headers, a bordered one for what matters."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QEnterEvent, QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QMenu, QSizePolicy, QWidget

from gui.theme.icons import icon_pixmap
from gui.theme.palette import tokens_for
from gui.theme.tokens import CONTROL_HEIGHT, CONTROL_RADIUS, FOCUS_WIDTH, GRID, Tokens
from gui.widgets.plain import plain, tooltip, unmnemonic

Tone = Literal["normal", "primary", "danger"]

_ICON = 16
_MAX_TEXT_WIDTH = 260
"""A button names a thing, but a thing may have a name of any length."""
_FOCUS_CAME_BACK = (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason)
_FOCUS_BY_KEYS = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class PaintedButton(QAbstractButton):
    """What both have in common: plain text, a drawing, hover, a focus ring for the keyboard, Return presses."""

    _padding = 0
    _height = CONTROL_HEIGHT
    _has_focus_ring = False  # of the class, so that it is there when the focus leaves while Python takes a window apart
    _had_focus_ring = False

    def __init__(self, text: str, icon: str, name: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._icon_name = icon
        self._menu: QMenu | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.set_text(text)
        if name:
            self.setAccessibleName(plain(name))
        if name and not text:
            self.setToolTip(tooltip(name))

    @property
    def shown_text(self) -> str:
        """The words on the button."""
        return self.text().replace("&&", "&")

    @property
    def has_focus_ring(self) -> bool:
        """True while the keyboard is here and came here by keys."""
        return self._has_focus_ring

    def focus_by_keys(self) -> None:
        """Take the focus as if by Tab; also before the window is shown."""
        self._had_focus_ring = True
        self._has_focus_ring = self.hasFocus()  # it was here already, without a ring
        self.update()
        self.setFocus(Qt.FocusReason.TabFocusReason)

    def set_text(self, text: str) -> None:
        """Words that may come from data."""
        shown = unmnemonic(plain(text, 80))
        if shown != self.text():
            self.setText(shown)
            self.updateGeometry()

    def set_icon(self, name: str) -> None:
        """Another drawing; empty for none."""
        if name != self._icon_name:
            self._icon_name = name
            self.updateGeometry()
            self.update()

    def set_menu(self, menu: QMenu) -> None:
        """Pressing opens this menu below the button; a small arrow says so."""
        self._menu = menu
        self.clicked.connect(self._on_clicked)
        self.updateGeometry()

    def _on_clicked(self) -> None:
        if self._menu is not None:
            self._menu.popup(self.mapToGlobal(QPoint(0, self.height() + 2)))

    def _ink(self, tokens: Tokens) -> str:
        raise NotImplementedError

    def _paint_ground(self, painter: QPainter, box: QRectF, tokens: Tokens) -> None:
        raise NotImplementedError

    def _content_width(self) -> int:
        width = min(self.fontMetrics().horizontalAdvance(self.shown_text), _MAX_TEXT_WIDTH) if self.text() else 0
        width += _ICON if self._icon_name else 0
        width += GRID - 2 if self._icon_name and self.text() else 0
        return width + (_ICON if self._menu is not None else 0)

    def _is_hot(self) -> bool:
        return self.isEnabled() and self.underMouse()

    def sizeHint(self) -> QSize:
        if not self.text():
            return QSize(max(self._height, self._content_width() + 8), self._height)
        return QSize(self._content_width() + 2 * self._padding, self._height)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ground(painter, QRectF(self.rect()).adjusted(1, 1, -1, -1), tokens)
        ink = self._ink(tokens) if self.isEnabled() else tokens.text_faint
        self._paint_content(painter, ink)
        if self._has_focus_ring:
            self._paint_ring(painter, tokens)

    def _paint_ring(self, painter: QPainter, tokens: Tokens) -> None:
        paint_focus_ring(painter, QRectF(self.rect()), tokens)

    def _paint_content(self, painter: QPainter, ink: str) -> None:
        x = (self.width() - self._content_width()) // 2
        if self._icon_name:
            painter.drawPixmap(x, (self.height() - _ICON) // 2, icon_pixmap(self._icon_name, ink, _ICON))
            x += _ICON + GRID - 2
        painter.setPen(QColor(ink))
        painter.setFont(self.font())
        shown = self.fontMetrics().elidedText(self.shown_text, Qt.TextElideMode.ElideRight, _MAX_TEXT_WIDTH)
        width = self.fontMetrics().horizontalAdvance(shown)
        flags = int(Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine)
        painter.drawText(QRect(x, 0, width + 2, self.height()), flags, shown)
        if self._menu is not None:
            arrow = icon_pixmap("chevron_down", ink, 12)
            painter.drawPixmap(x + width + 3, (self.height() - 12) // 2 + 1, arrow)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        came_back = event.reason() in _FOCUS_CAME_BACK  # the window was activated again: as it was before
        self._has_focus_ring = self._had_focus_ring if came_back else event.reason() in _FOCUS_BY_KEYS
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._had_focus_ring = self._has_focus_ring and event.reason() in _FOCUS_CAME_BACK
        self._has_focus_ring = False
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.isEnabled():
            self.click()
            return
        super().keyPressEvent(event)


class FlatButton(PaintedButton):
    """Words or a drawing without a border: in title rows, lists and toasts. `name` is needed without words; a link
    stands in line with the text above it."""

    _padding = 6
    _height = 24

    def __init__(
        self,
        text: str = "",
        *,
        icon: str = "",
        name: str = "",
        is_link: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, icon, name, parent)
        self._is_link = is_link
        if is_link:
            self._padding = 0
            self.setCursor(Qt.CursorShape.PointingHandCursor)

    def _ink(self, tokens: Tokens) -> str:
        if self.isChecked() or self._is_link:
            return tokens.accent
        return tokens.text if self._is_hot() else tokens.text_muted

    def _paint_ground(self, painter: QPainter, box: QRectF, tokens: Tokens) -> None:
        if self._is_link or not (self._is_hot() or self.isDown() or self.isChecked()):
            return
        color = tokens.pressed if self.isDown() else tokens.hover if self._is_hot() else tokens.accent_soft
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(color))
        painter.drawRoundedRect(box, CONTROL_RADIUS - 1, CONTROL_RADIUS - 1)


class ControlButton(PaintedButton):
    """A bordered button with a drawing and a word. `primary` is filled, `danger` is red."""

    _padding = 13

    def __init__(
        self, text: str, *, icon: str = "", tone: Tone = "normal", name: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(text, icon, name, parent)
        self._tone: Tone = tone

    def set_tone(self, tone: Tone) -> None:
        """Normal, primary or danger."""
        self._tone = tone
        self.update()

    def _ink(self, tokens: Tokens) -> str:
        if self._tone == "primary":
            return tokens.on_accent
        return tokens.stop if self._tone == "danger" else tokens.text

    def _paint_ground(self, painter: QPainter, box: QRectF, tokens: Tokens) -> None:
        fill, edge = tokens.panel, tokens.border
        if self._tone == "primary" and self.isEnabled():
            fill = edge = tokens.accent
        elif self.isDown():
            fill, edge = tokens.pressed, tokens.border_strong
        elif self._is_hot():
            fill, edge = (
                (tokens.stop_soft, tokens.stop) if self._tone == "danger" else (tokens.hover, tokens.border_strong)
            )
        painter.setPen(QPen(QColor(edge), 1))
        painter.setBrush(QColor(fill))
        painter.drawRoundedRect(box.adjusted(-0.5, -0.5, 0.5, 0.5), CONTROL_RADIUS, CONTROL_RADIUS)

    def _paint_ring(self, painter: QPainter, tokens: Tokens) -> None:
        super()._paint_ring(painter, tokens)
        if self._tone == "primary":  # the ring has the colour of the ground: a light line inside shows it
            painter.setPen(QPen(QColor(tokens.on_accent), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            box = QRectF(self.rect()).adjusted(3, 3, -3, -3)
            painter.drawRoundedRect(box, CONTROL_RADIUS - 2, CONTROL_RADIUS - 2)


def paint_focus_ring(painter: QPainter, box: QRectF, tokens: Tokens, radius: float = CONTROL_RADIUS) -> None:
    """The ring that shows where the keyboard is."""
    painter.setPen(QPen(QColor(tokens.focus), FOCUS_WIDTH))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    inset = FOCUS_WIDTH / 2
    painter.drawRoundedRect(box.adjusted(inset, inset, -inset, -inset), radius, radius)
