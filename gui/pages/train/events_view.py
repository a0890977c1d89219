"""The list of events: a time, a sentence of at most three lines, colour only for meaning.

Rows are measured a few at a time: two thousand sentences are never wrapped in one go.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt, QTimer, Slot
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QGuiApplication,
    QHelpEvent,
    QHideEvent,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QResizeEvent,
    QShowEvent,
    QStaticText,
    QTextLayout,
    QTextOption,
    QTransform,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolTip,
    QWidget,
)

from gui.pages.train.row_table import RowTable
from gui.state.event_log import EventLog, EventRole
from gui.theme.palette import tokens_for
from gui.widgets import numbers
from gui.widgets.plain import plain, tooltip

_INKS = {"info": "text", "good": "good", "warning": "warning", "error": "stop"}
_MAX_LINES = 3
_LETTERS = 240
_ROW_GAP = 5.0
_CHUNK_ROWS = 40
_CACHE_SIZE = 3_000
AnyIndex = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Wrapped:
    """A sentence cut into the lines it takes, its letters laid out once and not at every paint."""

    lines: tuple[QStaticText, ...]
    height: float


class EventsDelegate(QStyledItemDelegate):
    """Wraps and paints sentences; keeps what it wrapped."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._wrapped: dict[tuple[str, int], Wrapped] = {}
        self.dress(parent.font())

    def dress(self, font: QFont) -> None:
        """Take another font; what was wrapped with the old one is forgotten."""
        self._font = QFont(font)
        self._metrics = QFontMetricsF(self._font)
        self._indent = self._metrics.horizontalAdvance("00:00") + 8
        self._wrapped.clear()

    def height_of(self, index: AnyIndex, width: int) -> int:
        """Height of a row this wide."""
        return round(self._wrap(str(index.data(EventRole.TextRole) or ""), width).height + _ROW_GAP)

    def _wrap(self, text: str, width: int) -> Wrapped:
        key = (text, width)
        known = self._wrapped.get(key)
        if known is None:
            if len(self._wrapped) >= _CACHE_SIZE:
                self._wrapped.clear()
            known = self._wrapped[key] = self._cut(plain(text, _LETTERS), max(40.0, width - self._indent))
        return known

    def _cut(self, text: str, room: float) -> Wrapped:
        layout = QTextLayout(text, self._font)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        layout.beginLayout()
        lines: list[str] = []
        while (line := layout.createLine()).isValid():
            line.setLineWidth(room)
            start = line.textStart()
            if len(lines) + 1 == _MAX_LINES:
                lines.append(self._metrics.elidedText(text[start:], Qt.TextElideMode.ElideRight, room))
                break
            lines.append(text[start : start + line.textLength()].rstrip())
        layout.endLayout()
        return Wrapped(tuple(self._laid_out(line) for line in lines), max(1, len(lines)) * self._metrics.lineSpacing())

    def _laid_out(self, line: str) -> QStaticText:
        text = QStaticText(line)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.prepare(QTransform(), self._font)
        return text

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        view = self.parent()
        assert isinstance(view, QWidget)
        tokens = tokens_for(view)
        rect = QRectF(option.rect)
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(tokens.selection))
            painter.drawRoundedRect(rect, 4, 4)
        painter.setFont(self._font)
        top = rect.top() + _ROW_GAP / 2
        painter.setPen(QColor(tokens.text_muted))
        at = index.data(EventRole.AtRole)
        clock = numbers.clock_time(float(at)) if at is not None else ""
        painter.drawText(QPointF(rect.left() + 2, top + self._metrics.ascent()), clock)
        painter.setPen(QColor(getattr(tokens, _INKS.get(str(index.data(EventRole.LevelRole)), "text"))))
        for line in self._wrap(str(index.data(EventRole.TextRole) or ""), round(rect.width())).lines:
            painter.drawStaticText(QPointF(rect.left() + self._indent, top), line)
            top += self._metrics.lineSpacing()
        painter.restore()

    def helpEvent(
        self, event: QHelpEvent, view: QAbstractItemView, option: QStyleOptionViewItem, index: AnyIndex
    ) -> bool:
        at = index.data(EventRole.AtRole)
        if event.type() != QEvent.Type.ToolTip or at is None:
            return super().helpEvent(event, view, option, index)
        parts = (numbers.clock(float(at)), index.data(EventRole.TextRole), index.data(EventRole.MoreRole))
        QToolTip.showText(event.globalPos(), tooltip("\n".join(str(part) for part in parts if part)), view)
        return True

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        return QSize(80, round(self._metrics.lineSpacing() + _ROW_GAP))


class EventsView(RowTable):
    """Newest first. Ctrl+C copies a line with what it had no room for."""

    def __init__(self, events: EventLog, parent: QWidget | None = None) -> None:
        super().__init__(self.tr("Events, newest first"), row_height=22, least_height=8, parent=parent)
        self._events = events
        self._delegate = EventsDelegate(self)
        self._next_row = 0
        self._is_resting = False
        self._is_stale = False  # rows came that nobody could see
        self._timer = QTimer(self, interval=0)
        self.setItemDelegate(self._delegate)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setModel(events)
        events.rowsInserted.connect(self._on_rows_inserted)
        events.modelReset.connect(self._measure_anew)
        self._timer.timeout.connect(self._measure_some)

    def set_resting(self, is_resting: bool) -> None:
        """Whether the window is minimised: shown, as Qt has it, and yet not seen."""
        self._is_resting = is_resting
        if is_resting:
            self._rest()
        else:
            self._catch_up()

    def _rest(self) -> None:
        self._is_stale = self._is_stale or self._timer.isActive()
        self._timer.stop()

    def _catch_up(self) -> None:
        if self._is_stale and self._is_seen():
            self._measure_anew()

    def _is_seen(self) -> bool:
        return self.isVisible() and not self._is_resting

    def _fit(self, first: int, last: int) -> None:
        rows, width = self.verticalHeader(), self.viewport().width()
        for row in range(first, last + 1):
            rows.resizeSection(row, self._delegate.height_of(self._events.index(row, 0), width))

    @Slot()
    def _measure_anew(self) -> None:
        self._is_stale = not self._is_seen()
        if self._is_stale:
            self._timer.stop()
            return
        self._next_row = 0
        self._measure_some()

    @Slot()
    def _measure_some(self) -> None:
        last = min(self._next_row + _CHUNK_ROWS, self._events.rowCount()) - 1
        self._fit(self._next_row, last)
        self._next_row = last + 1
        if self._next_row >= self._events.rowCount():
            self._timer.stop()
        elif not self._timer.isActive():
            self._timer.start()

    @Slot(QModelIndex, int, int)
    def _on_rows_inserted(self, parent: QModelIndex, first: int, last: int) -> None:
        if last - first < _CHUNK_ROWS and self._is_seen():
            self._fit(first, last)
            self._next_row += last - first + 1 if self._timer.isActive() else 0
        else:
            self._measure_anew()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._delegate.dress(self.font())
            self._measure_anew()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._measure_anew()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._catch_up()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._rest()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        line = self._events.line_at(self.currentIndex().row())
        if event.matches(QKeySequence.StandardKey.Copy) and line is not None:
            QGuiApplication.clipboard().setText("\n".join(part for part in (line.text, line.more) if part))
            return
        super().keyPressEvent(event)
