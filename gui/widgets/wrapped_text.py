"""Lines broken to a width, also inside words, and cut with `…` after so many of them."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QTextLayout, QTextOption

_LINE_SEPARATOR = "\u2028"


class WrappedText:
    """Laid out once for a text, font and width; asked for its height many times."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._layout = QTextLayout()
        self._num_lines = 0
        self._rest = ""
        self._metrics: QFontMetrics | None = None
        self._alignment = Qt.AlignmentFlag.AlignLeft

    @property
    def is_cut(self) -> bool:
        """True when there was more text than lines."""
        return bool(self._rest)

    @property
    def height(self) -> int:
        """Of all lines together, in pixels."""
        if self._metrics is None:
            return 0
        return max(self._num_lines, 1) * self._metrics.lineSpacing()

    def lay_out(self, text: str, font: QFont, width: int, *, max_lines: int, alignment: Qt.AlignmentFlag) -> None:
        """Break the text; nothing is done when it was laid out just so already."""
        key = (text, font.key(), width, max_lines, alignment)
        if key == self._key:
            return
        self._key, self._alignment = key, alignment
        self._metrics = QFontMetrics(font)
        self._layout = QTextLayout(text.replace("\n", _LINE_SEPARATOR), font)
        option = QTextOption(alignment & Qt.AlignmentFlag.AlignHorizontal_Mask)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._layout.setTextOption(option)
        self._rest, self._num_lines, top = "", 0, 0.0
        self._layout.beginLayout()
        while (line := self._layout.createLine()).isValid():
            line.setLineWidth(max(width, 1))
            line.setPosition(QPointF(0, top))
            top += self._metrics.lineSpacing()
            self._num_lines += 1
            if self._num_lines == max_lines:
                self._cut_after(line.textStart(), line.textLength())
                break
        self._layout.endLayout()

    def draw(self, painter: QPainter, box: QRect) -> None:
        """Paint with the painter's pen into the box laid out for."""
        if self._metrics is None:
            return
        top = box.y()
        if self._alignment & Qt.AlignmentFlag.AlignVCenter and self.height < box.height():
            top += (box.height() - self.height) // 2
        num_whole = self._num_lines - 1 if self._rest else self._num_lines
        for number in range(num_whole):
            self._layout.lineAt(number).draw(painter, QPointF(box.x(), top))
        if self._rest:
            painter.setFont(self._layout.font())
            last = QRect(box.x(), top + num_whole * self._metrics.lineSpacing(), box.width(), self._metrics.height())
            shown = self._metrics.elidedText(self._rest, Qt.TextElideMode.ElideRight, box.width())
            across = self._alignment & Qt.AlignmentFlag.AlignHorizontal_Mask
            painter.drawText(last, int(across | Qt.TextFlag.TextSingleLine), shown)

    def _cut_after(self, start: int, length: int) -> None:
        text = self._layout.text()
        if start + length < len(text):
            self._rest = text[start : start + length + 40].partition(_LINE_SEPARATOR)[0].rstrip() + "…"
