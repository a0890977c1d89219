"""The dashed field that asks for files: says what it takes, and while files hover whether it will take these."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from gui.theme.font import small, strong
from gui.theme.icons import icon_pixmap
from gui.theme.palette import tokens_for
from gui.theme.tokens import CARD_RADIUS, Tokens
from gui.widgets.buttons import paint_focus_ring
from gui.widgets.drops import paths_in
from gui.widgets.plain import plain

_ICON = 24


class DropState(Enum):
    """What hovers over the window, if anything."""

    IDLE = "idle"
    HOVER_OK = "hover_ok"
    HOVER_REFUSED = "hover_refused"


class DropZone(QWidget):
    """Click, Return or Space opens the file chooser; Ctrl+V pastes. The window tells it what hovers."""

    open_requested = Signal()
    paths_pasted = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = DropState.IDLE
        self._title = self.tr("Drop training data here")
        self._sentence = self.tr(".jsonl .json .csv .parquet .txt or folders · checked line by line before they queue")
        self._hover_sentence = ""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._describe()

    @property
    def state(self) -> DropState:
        """What is shown."""
        return self._state

    @property
    def sentence(self) -> str:
        """The words below the title as they are shown now."""
        return self._sentence if self._state is DropState.IDLE else self._hover_sentence

    def set_words(self, title: str, sentence: str) -> None:
        """Other words for the idle state."""
        self._title, self._sentence = plain(title, 80), plain(sentence, 200)
        self._describe()

    def show_hover(self, is_accepted: bool, sentence: str) -> None:
        """Files hover: say whether they would be taken, and why not."""
        self._show(DropState.HOVER_OK if is_accepted else DropState.HOVER_REFUSED, plain(sentence, 200))

    def show_idle(self) -> None:
        """Nothing hovers any more."""
        self._show(DropState.IDLE, "")

    def _show(self, state: DropState, sentence: str) -> None:
        if (state, sentence) != (self._state, self._hover_sentence):
            self._state, self._hover_sentence = state, sentence
            self._describe()

    def _describe(self) -> None:
        self.setAccessibleName(self._title)
        self.setAccessibleDescription(self.sentence)
        self.update()

    def _colors(self, tokens: Tokens) -> tuple[str, str, str, str]:
        """(ground, border, title, drawing)."""
        if self._state is DropState.HOVER_OK:
            return tokens.accent_soft, tokens.accent, tokens.accent, "drop"
        if self._state is DropState.HOVER_REFUSED:
            return tokens.stop_soft, tokens.stop, tokens.stop, "error"
        return tokens.drop, tokens.drop_border, tokens.text, "drop"

    def _words(self) -> str:
        return self.tr("Cannot be added") if self._state is DropState.HOVER_REFUSED else self._title

    def sizeHint(self) -> QSize:
        return QSize(300, 118)

    def minimumSizeHint(self) -> QSize:
        return QSize(180, 118)

    def paintEvent(self, event: QPaintEvent) -> None:
        tokens = tokens_for(self)
        ground, border, ink, drawing = self._colors(tokens)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        style = Qt.PenStyle.DashLine if self._state is DropState.IDLE else Qt.PenStyle.SolidLine
        painter.setPen(QPen(QColor(border), 1 if self._state is DropState.IDLE else 2, style))
        painter.setBrush(QColor(ground))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), CARD_RADIUS, CARD_RADIUS)
        self._paint_words(painter, ink, drawing, tokens)
        if self.hasFocus():
            paint_focus_ring(painter, QRectF(self.rect()), tokens, CARD_RADIUS)

    def _paint_words(self, painter: QPainter, ink: str, drawing: str, tokens: Tokens) -> None:
        box = self.rect().adjusted(24, 0, -24, 0)
        wrapped = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap)
        painter.drawPixmap(round((self.width() - _ICON) / 2), 18, icon_pixmap(drawing, ink, _ICON))
        painter.setPen(QColor(ink))
        painter.setFont(strong(QApplication.font()))
        if self._state is DropState.HOVER_OK:  # one sentence says it all
            painter.drawText(QRect(box.x(), 49, box.width(), self.height() - 54), wrapped, self._hover_sentence)
            return
        title = painter.fontMetrics().elidedText(self._words(), Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(QRect(box.x(), 49, box.width(), 20), wrapped, title)
        painter.setFont(small(QApplication.font()))
        painter.setPen(QColor(tokens.text_muted if self._state is DropState.IDLE else ink))
        painter.drawText(QRect(box.x(), 70, box.width(), self.height() - 76), wrapped, self.sentence)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.open_requested.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.open_requested.emit()
        elif event.matches(QKeySequence.StandardKey.Paste):
            self.paths_pasted.emit(paths_in(QGuiApplication.clipboard().mimeData()))
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
