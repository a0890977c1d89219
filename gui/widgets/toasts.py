"""Notices at the edge of the window that leave by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PySide6.QtCore import QEvent, QObject, QPropertyAnimation, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QEnterEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QApplication, QGraphicsOpacityEffect, QHBoxLayout, QVBoxLayout, QWidget

from gui.theme.icons import icon_pixmap
from gui.theme.palette import motion_wanted, tokens_for
from gui.theme.tokens import CARD_RADIUS, GRID
from gui.widgets.buttons import FlatButton, PaintedButton
from gui.widgets.labels import PlainLabel

Level = Literal["info", "good", "warning", "error"]

MAX_TOASTS = 4
STAY_MS: dict[str, int] = {"info": 5_000, "good": 5_000, "warning": 8_000, "error": 12_000}
_FADE_MS = 160
_WIDTH = 340
_DRAWINGS = {"info": "info", "good": "check", "warning": "warning", "error": "error"}
_INKS = {"info": "accent", "good": "good", "warning": "warning", "error": "stop"}


class Toast(QWidget):
    """One notice. Its time stands still while the mouse or the keyboard is on it."""

    gone = Signal(QObject)

    def __init__(self, level: Level, title: str, message: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._level = level
        self._title = PlainLabel(title, size="strong", wrap=True, max_lines=2)
        self._message = PlainLabel(message, ink="text_muted", wrap=True, max_lines=5)
        self._action: FlatButton | None = None
        self._close = FlatButton(icon="close", name=self.tr("Dismiss"))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(STAY_MS[level])
        self._fade: QPropertyAnimation | None = None
        self._lay_out()
        self._message.setVisible(bool(message))  # only now: shown without a parent it would be a window for a moment
        self.setFixedWidth(_WIDTH)
        self.setAccessibleName(self._title.text())
        self.setAccessibleDescription(self._message.text())
        self._timer.timeout.connect(self.leave)
        self._close.clicked.connect(self.leave)
        _app().focusChanged.connect(self._on_focus_changed)
        self._timer.start()

    @property
    def words(self) -> tuple[str, str]:
        """Title and message as shown."""
        return self._title.text(), self._message.text()

    @property
    def is_waiting(self) -> bool:
        """True while its time runs."""
        return self._timer.isActive()

    def offer(self, text: str, do: Callable[[], None]) -> None:
        """A button below the words; pressing it also ends the notice."""
        self._action = FlatButton(text, is_link=True)
        self._action.setObjectName("action")
        self._action.clicked.connect(do)
        self._action.clicked.connect(self.leave)
        self._words.addWidget(self._action, 0, Qt.AlignmentFlag.AlignLeft)

    def leave(self) -> None:
        """Fade away, or vanish where motion is not wanted."""
        self._timer.stop()
        if self._fade is not None:
            return
        if not motion_wanted(_app()):
            self.gone.emit(self)
            return
        effect = QGraphicsOpacityEffect(self)
        self.setGraphicsEffect(effect)
        self._fade = QPropertyAnimation(effect, b"opacity", self)
        self._fade.setDuration(_FADE_MS)
        self._fade.setStartValue(1.0)
        self._fade.setEndValue(0.0)
        self._fade.finished.connect(self._on_faded)
        self._fade.start()

    def _on_faded(self) -> None:
        self.gone.emit(self)

    def _on_focus_changed(self) -> None:
        if self._has_keyboard_inside():
            self._keep()
        elif not self._timer.isActive():
            self._go_on()

    def _lay_out(self) -> None:
        self._words = QVBoxLayout()
        self._words.setSpacing(2)
        self._words.addWidget(self._title)
        self._words.addWidget(self._message)
        row = QHBoxLayout(self)
        row.setContentsMargins(44, 11, 8, 11)
        row.setSpacing(GRID)
        row.addLayout(self._words, 1)
        row.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)

    def _keep(self) -> None:
        self._timer.stop()

    def _go_on(self) -> None:
        if self._fade is None and not self.underMouse() and not self._has_keyboard_inside():
            self._timer.start()

    def _has_keyboard_inside(self) -> bool:
        # A window that becomes active gives the focus to its first button; nobody reads this notice because of that.
        return any(button.has_focus_ring for button in self.findChildren(PaintedButton))

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self._keep()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._go_on()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens.border_strong), 1))
        painter.setBrush(QColor(tokens.panel_raised))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), CARD_RADIUS, CARD_RADIUS)
        ink = getattr(tokens, _INKS[self._level])
        painter.drawPixmap(14, 12, icon_pixmap(_DRAWINGS[self._level], ink, 20))


class ToastStack(QWidget):
    """Stands in the lower right corner of `host`, newest at the bottom, at most four; takes no mouse beside them."""

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._host = host
        self._toasts: list[Toast] = []
        self._margin_bottom = 2 * GRID
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(GRID)
        self.setAccessibleName(self.tr("Notices"))
        self.hide()
        host.installEventFilter(self)

    @property
    def toasts(self) -> list[Toast]:
        """Those on the screen, oldest first."""
        return list(self._toasts)

    def set_margin_bottom(self, pixels: int) -> None:
        """Room for a status bar."""
        self._margin_bottom = pixels
        self._place()

    def post(
        self, level: str, title: str, message: str = "", *, action: str = "", do: Callable[[], None] | None = None
    ) -> Toast:
        """Show a notice. A fifth pushes the oldest out that nobody looks at."""
        toast = Toast(_level(level), title, message, self)
        for known in self.toasts:
            if known.words == toast.words:
                self._remove(known)  # the same words again are one notice that starts anew
        if action and do is not None:
            toast.offer(action, do)
        toast.gone.connect(self._remove)
        self._toasts.append(toast)
        toast.move(0, self.height() + 1)  # never for a moment under a mouse that is somewhere else
        self._layout.addWidget(toast)
        while len(self._toasts) > MAX_TOASTS:
            self._remove(next((old for old in self._toasts if old.is_waiting), self._toasts[0]))
        toast.show()
        self._place()
        self.show()
        self.raise_()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, " ".join(toast.words).strip()))
        return toast

    def clear(self) -> None:
        """Take all away at once."""
        for toast in self.toasts:
            self._remove(toast)

    def _remove(self, toast: QObject) -> None:
        if not isinstance(toast, Toast) or toast not in self._toasts:
            return
        self._toasts.remove(toast)
        self._layout.removeWidget(toast)
        toast.hide()
        toast.deleteLater()
        self.setVisible(bool(self._toasts))
        self._place()

    def _place(self) -> None:
        self._layout.activate()
        size = QSize(_WIDTH, self._layout.totalHeightForWidth(_WIDTH) if self._layout.hasHeightForWidth() else 0)
        height = max(size.height(), self._layout.sizeHint().height() if not size.height() else 0)
        self.setGeometry(
            max(self._host.width() - _WIDTH - 2 * GRID, 0),
            max(self._host.height() - height - self._margin_bottom, 0),
            min(_WIDTH, self._host.width()),
            height,
        )

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # The kind first: while Python takes a window apart, events still come and our own attributes are gone.
        if event.type() == QEvent.Type.Resize and watched is self._host:
            self._place()
        return False


def _level(level: str) -> Level:
    if level == "good":
        return "good"
    if level in ("warning", "error"):
        return "warning" if level == "warning" else "error"
    return "info"


def _app() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)  # there is no widget without one
    return app
