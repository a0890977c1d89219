"""A list model whose rows are distinct numbers: give it the rows wanted, it tells the views the way there."""

from __future__ import annotations

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex

from gui.state import row_changes
from gui.state.row_changes import Change, Inserted, Moved, Permuted, Removed

AnyIndex = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class RowListModel(QAbstractListModel):
    """Selection, current row and scroll place follow the numbers, whatever happens around them."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[int] = []
        self._row_of: dict[int, int] | None = {}

    def numbers(self) -> list[int]:
        """The numbers, row by row. Not to be changed."""
        return self._rows

    def number_at(self, row: int) -> int | None:
        """The number of a row; None when there is no such row."""
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def row_of(self, number: int) -> int | None:
        """The row of a number; None when it is not shown."""
        if self._row_of is None:
            self._row_of = {known: row for row, known in enumerate(self._rows)}
        return self._row_of.get(number)

    def show_rows(self, rows: list[int]) -> None:
        """Make these the rows."""
        row_changes.carry_out(self._rows, rows, self._carry)

    def _carry(self, change: Change, rows: list[int]) -> None:
        match change:
            case Inserted(first, last):
                self.beginInsertRows(_NOWHERE, first, last)
                self._take(rows)
                self.endInsertRows()
            case Removed(first, last):
                self.beginRemoveRows(_NOWHERE, first, last)
                self._take(rows)
                self.endRemoveRows()
            case Moved(first, last, before):
                self.beginMoveRows(_NOWHERE, first, last, _NOWHERE, before)
                self._take(rows)
                self.endMoveRows()
            case Permuted():
                self._permute(rows)
            case _:
                self.beginResetModel()
                self._take(rows)
                self.endResetModel()

    def _permute(self, rows: list[int]) -> None:
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        kept = [self._rows[index.row()] for index in before]
        self._take(rows)
        places = [self.row_of(number) for number in kept]
        self.changePersistentIndexList(
            before, [QModelIndex() if place is None else self.index(place) for place in places]
        )
        self.layoutChanged.emit()

    def _take(self, rows: list[int]) -> None:
        self._rows = rows
        self._row_of = None

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)
