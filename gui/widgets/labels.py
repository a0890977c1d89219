"""Labels for text that may come from data: never markup, never wider than their place unless they wrap."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QApplication, QLabel, QSizePolicy, QWidget

from gui.theme.font import figure, small, strong
from gui.theme.palette import tokens_for
from gui.widgets.plain import plain, plain_lines, tooltip
from gui.widgets.wrapped_text import WrappedText

Size = Literal["body", "small", "strong", "figure"]
Ink = Literal["text", "text_muted", "text_faint", "accent", "validation", "warning", "good", "stop"]

_FONTS = {"small": small, "strong": strong, "figure": figure}
_MAX_LINES_CHARS = 4_000
_WRAPPED_WIDTH = 420
"""What a wrapping label asks for; it takes what it gets."""
_LEAST_WIDTH = 60


class PlainLabel(QLabel):
    """A label that shows exactly its characters, in a colour named in the tokens. `wrap` breaks lines, also inside
    a word that has no room, and ends in `…` after `max_lines`."""

    def __init__(
        self,
        text: str = "",
        *,
        size: Size = "body",
        ink: Ink = "text",
        wrap: bool = False,
        max_lines: int = 12,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._ink: Ink = ink
        self._max_lines = max_lines
        self._is_dressing = False
        self._wrapped = WrappedText()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        self.setFont(_font(size))
        self._dress()
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Show a text; one line unless the label wraps."""
        shown = plain_lines(text, _MAX_LINES_CHARS) if self.wordWrap() else plain(text)
        if shown != self.text():  # a repeated word costs no repaint
            self.setText(shown)

    def set_ink(self, ink: Ink) -> None:
        """Another colour of the table, by name."""
        if ink != self._ink:
            self._ink = ink
            self._dress()

    def _dress(self) -> None:
        self._is_dressing = True
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.WindowText, QColor(getattr(tokens_for(self), self._ink)))
        self.setPalette(palette)
        self._is_dressing = False

    def _lines(self, width: int) -> WrappedText:
        self._wrapped.lay_out(self.text(), self.font(), width, max_lines=self._max_lines, alignment=self.alignment())
        return self._wrapped

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and not self._is_dressing:
            self._dress()

    def heightForWidth(self, width: int) -> int:
        if not self.wordWrap():
            return super().heightForWidth(width)
        margins = self.contentsMargins()
        inner = width - margins.left() - margins.right()
        return self._lines(inner).height + margins.top() + margins.bottom()

    def sizeHint(self) -> QSize:
        if not self.wordWrap():
            return super().sizeHint()
        width = min(self.fontMetrics().horizontalAdvance(self.text()[:200]), _WRAPPED_WIDTH) + 2
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(_LEAST_WIDTH, self.fontMetrics().height()) if self.wordWrap() else super().minimumSizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self.wordWrap():
            super().paintEvent(event)
            return
        box = self.contentsRect()
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        lines = self._lines(box.width())
        lines.draw(painter, box)


class ElidedLabel(PlainLabel):
    """One line that ends in `…` where its place ends; then the tooltip has the whole text."""

    def __init__(
        self,
        text: str = "",
        *,
        size: Size = "body",
        ink: Ink = "text",
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
        parent: QWidget | None = None,
    ) -> None:
        self._full_text = ""
        self._mode = mode
        super().__init__(size=size, ink=ink, parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.show_text(text)

    @property
    def full_text(self) -> str:
        """What was given, as it came."""
        return self._full_text

    def show_text(self, text: str) -> None:
        if text == self._full_text and self.text():
            return
        self._full_text = text
        super().show_text(text)
        self._refresh_tooltip()

    def _is_cut(self) -> bool:
        return self.fontMetrics().horizontalAdvance(self.text()) > self.contentsRect().width() or self.text().endswith(
            "…"
        )

    def _refresh_tooltip(self) -> None:
        words = tooltip(self._full_text) if self._is_cut() else ""
        if words != self.toolTip():
            self.setToolTip(words)

    def minimumSizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        return QSize(min(metrics.horizontalAdvance(self.text()), metrics.averageCharWidth() * 4), metrics.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._refresh_tooltip()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.setFont(self.font())
        shown = self.fontMetrics().elidedText(self.text(), self._mode, self.contentsRect().width())
        painter.drawText(self.contentsRect(), int(self.alignment() | Qt.TextFlag.TextSingleLine), shown)


def _font(size: Size) -> QFont:
    font = QApplication.font()
    return _FONTS[size](font) if size in _FONTS else font
