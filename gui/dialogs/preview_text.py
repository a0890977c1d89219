"""One row of training data in full, the learned part coloured. Plain characters only: no markup is ever read."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QResizeEvent, QTextCharFormat, QTextCursor, QTextOption
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QWidget

from gui.theme.font import monospaced
from gui.theme.palette import tokens_for
from gui.theme.tokens import Tokens, mixed
from gui.widgets.plain import plain_lines

_MAX_CHARS = 12_000
"""Of one row; more would be scrolled by nobody, and laying it out takes time."""
_MAX_HEIGHT_LINES = 14


class PreviewText(QPlainTextEdit):
    """Read only, selectable, wraps anywhere; as high as its text up to a limit."""

    def __init__(self, pieces: list[tuple[str, bool]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pieces = _limited(pieces)
        self._is_filling = False
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setTabChangesFocus(True)
        self.setFont(monospaced())
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.document().setDocumentMargin(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._fill()

    @property
    def learned_text(self) -> str:
        """What is coloured, in order."""
        return "".join(text for text, is_learned in self._pieces if is_learned)

    def _fill(self) -> None:
        self._is_filling = True
        tokens = tokens_for(self)
        read, learned = QTextCharFormat(), QTextCharFormat()
        read.setForeground(QColor(tokens.text_muted))
        learned.setForeground(QColor(tokens.text))
        learned.setBackground(QColor(learned_color(tokens)))
        self.clear()
        cursor = QTextCursor(self.document())
        for text, is_learned in self._pieces:
            cursor.insertText(text, learned if is_learned else read)
        self.moveCursor(QTextCursor.MoveOperation.Start)
        self._is_filling = False

    def _fit(self) -> None:
        num_lines = min(max(self._num_lines(), 1), _MAX_HEIGHT_LINES)
        margins = 2 * (self.frameWidth() + round(self.document().documentMargin()) + 3)
        self.setFixedHeight(num_lines * QFontMetrics(self.font()).lineSpacing() + margins)

    def _num_lines(self) -> int:
        block, number = self.document().firstBlock(), 0
        while block.isValid() and number <= _MAX_HEIGHT_LINES:
            self.document().documentLayout().blockBoundingRect(block)  # lays the block out
            number += max(block.lineCount(), 1)
            block = block.next()
        return number

    def sizeHint(self) -> QSize:
        return QSize(400, 60)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and not self._is_filling and self.document().characterCount() > 1:
            self._fill()


def learned_color(tokens: Tokens) -> str:
    """The ground of what is learned: the colour of training, thinned."""
    return mixed(tokens.panel, tokens.accent, 0.24)


def _limited(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Pieces fit to be shown, at most `_MAX_CHARS` of them all."""
    kept: list[tuple[str, bool]] = []
    room = _MAX_CHARS
    for text, is_learned in pieces:
        shown = plain_lines(text, max(room, 1))
        kept.append((shown, is_learned))
        room -= len(shown)
        if room <= 0:
            break
    return kept
