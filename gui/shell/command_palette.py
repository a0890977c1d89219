"""Ctrl+K: everything a user can do, found by typing a few letters of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from gui.shell.overlay import Overlay
from gui.theme.font import small
from gui.theme.palette import tokens_for
from gui.theme.tokens import CONTROL_RADIUS, GRID
from gui.widgets.labels import PlainLabel

ROW = 40
MAX_ROWS = 9


class Command(Protocol):
    """What the palette needs to know of a thing to do (gui.actions.registry.Command is one)."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def help(self) -> str: ...
    @property
    def shortcut(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def why_not(self) -> str: ...
    @property
    def run(self) -> Callable[[], object]: ...


def score(typed: str, text: str) -> int | None:
    """How well it matches, higher is better; None when the letters are not all there in this order."""
    typed, text = typed.casefold().replace(" ", ""), text.casefold()
    place, total, last = 0, 0, -2
    for letter in typed:
        place = text.find(letter, place)
        if place < 0:
            return None
        starts_word = place == 0 or not text[place - 1].isalnum()
        total += 8 if place == last + 1 else 5 if starts_word else 1
        last = place
        place += 1
    return total * 10 - len(text) // 4


def matching(typed: str, commands: Sequence[Command]) -> list[Command]:
    """The commands that match, best first; those that cannot run now after the others of equal rank."""
    ranked = []
    for command in commands:
        found = [score(typed, command.title), score(typed, command.name)]
        by_help = score(typed, command.help) if len(typed) > 2 and typed.casefold() in command.help.casefold() else None
        best = max((value for value in found if value is not None), default=by_help)
        if best is not None:
            ranked.append((-best if typed else 0, not command.enabled, command.title, command))
    ranked.sort(key=lambda row: row[:3])
    return [row[3] for row in ranked]


class CommandModel(QAbstractListModel):
    """The rows that match."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Command] = []

    def show_rows(self, rows: list[Command]) -> None:
        """Other rows."""
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def command(self, row: int) -> Command | None:
        """The command of a row."""
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        command = self.command(index.row())
        if command is None:
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return command.title
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            return command.help if command.enabled else command.why_not
        return None


class CommandDelegate(QStyledItemDelegate):
    """Title left, what it does or why it cannot below, shortcut right."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        model = index.model()
        command = model.command(index.row()) if isinstance(model, CommandModel) else None
        view = self.parent()
        if command is None or not isinstance(view, QWidget):
            return
        t = tokens_for(view)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(t.selection))
            painter.drawRoundedRect(rect, CONTROL_RADIUS, CONTROL_RADIUS)
        inside = rect.adjusted(10, 3, -10, -3)
        font = view.font()
        painter.setFont(font)
        painter.setPen(QColor(t.text if command.enabled else t.text_faint))
        metrics = painter.fontMetrics()
        shortcut_width = metrics.horizontalAdvance(command.shortcut) + 12 if command.shortcut else 0
        upper = QRect(inside.left(), inside.top(), inside.width() - shortcut_width, inside.height() // 2)
        painter.drawText(upper, Qt.AlignmentFlag.AlignVCenter, metrics.elidedText(command.title, _ELIDE, upper.width()))
        if command.shortcut:
            painter.setPen(QColor(t.text_muted))
            painter.drawText(inside, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop, command.shortcut)
        painter.setFont(small(font))
        painter.setPen(QColor(t.text_muted if command.enabled else t.text_faint))
        words = command.help if command.enabled else command.why_not or command.help
        lower = QRect(inside.left(), inside.top() + inside.height() // 2, inside.width(), inside.height() // 2)
        elided = painter.fontMetrics().elidedText(words, _ELIDE, lower.width())
        painter.drawText(lower, Qt.AlignmentFlag.AlignVCenter, elided)
        painter.restore()

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(200, ROW)


_ELIDE = Qt.TextElideMode.ElideRight


class CommandPalette(Overlay):
    """Opens with every command; asks for them anew each time, so that what is allowed is what is so now."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window, width=560, top=72)
        self._source: Callable[[], Sequence[Command]] = tuple
        self._commands: Sequence[Command] = ()
        self._model = CommandModel(self)
        self._line = QLineEdit()
        self._line.setPlaceholderText(self.tr("What do you want to do?"))
        self._line.setAccessibleName(self.tr("Find a command"))
        self._list = QListView()
        self._list.setModel(self._model)
        self._list.setItemDelegate(CommandDelegate(self._list))
        self._list.setAccessibleName(self.tr("Commands"))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setUniformItemSizes(True)
        self._list.setFrameShape(QFrame.Shape.NoFrame)
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.viewport().setAutoFillBackground(False)
        self._nothing = PlainLabel(self.tr("No command has these letters."), ink="text_muted")
        self._nothing.hide()
        self.content.setSpacing(GRID)
        for part in (self._line, self._nothing, self._list):
            self.content.addWidget(part)
        self._line.installEventFilter(self)
        self._line.textChanged.connect(self._on_text_changed)
        self._line.returnPressed.connect(self._on_return_pressed)
        self._list.clicked.connect(self._on_return_pressed)

    def set_source(self, source: Callable[[], Sequence[Command]]) -> None:
        """Where the commands come from each time it opens."""
        self._source = source

    def open(self) -> None:
        self._commands = self._source()
        self._line.clear()
        self._on_text_changed("")
        super().open()
        self._line.setFocus()

    def _on_text_changed(self, typed: str) -> None:
        rows = matching(typed.strip(), self._commands)
        self._model.show_rows(rows)
        self._nothing.setVisible(not rows)
        self._list.setVisible(bool(rows))
        self._list.setFixedHeight(ROW * min(len(rows), MAX_ROWS))
        self._select(0)
        self.refit()

    def _on_return_pressed(self) -> None:
        command = self._model.command(self._list.currentIndex().row())
        if command is not None and command.enabled:
            self.close_panel()
            command.run()

    def _select(self, row: int) -> None:
        num_rows = self._model.rowCount()
        if num_rows:
            index = self._model.index(row % num_rows, 0)
            self._list.setCurrentIndex(index)
            self._list.scrollTo(index)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and watched is self._line and isinstance(event, QKeyEvent):
            step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}
            moved = step.get(Qt.Key(event.key()))
            if moved is not None:
                self._select(self._list.currentIndex().row() + moved)
                return True
        return super().eventFilter(watched, event)
