"""What a screen reader would find: the widgets that take the keyboard or the mouse and say no name."""

from __future__ import annotations

from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QScrollBar,
    QTextEdit,
    QWidget,
)

_SPOKEN = (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QTextEdit,
)


def unnamed_widgets(root: QWidget) -> list[str]:
    """Paths (`MainWindow/TrainPage/FlatButton`) of interactive widgets below `root` without an accessible name.

    Interactive is what takes focus or is of a kind that people operate or read values from. Qt's own inner parts
    (scroll bars, the viewport of a list, the line of a combo box, the cross in a
    field) speak through the widget they belong to.
    """
    return [
        _path(root, widget)
        for widget in [root, *root.findChildren(QWidget)]
        if _is_spoken(widget) and not _name(widget)
    ]


def _is_spoken(widget: QWidget) -> bool:
    if isinstance(widget, QScrollBar) or widget.objectName().startswith("qt_"):
        return False
    if isinstance(widget.parentWidget(), QComboBox | QAbstractSpinBox | QLineEdit):
        return False
    return isinstance(widget, _SPOKEN) or (widget.focusPolicy().value & 1 == 1 and not widget.isWindow())


def _name(widget: QWidget) -> str:
    if widget.accessibleName():
        return widget.accessibleName()
    interface = QAccessible.queryAccessibleInterface(
        widget
    )  # buttons are named by their words, fields by a buddy label
    return interface.text(QAccessible.Text.Name) if interface is not None else ""


def _path(root: QWidget, widget: QWidget) -> str:
    names: list[str] = []
    current: QWidget | None = widget
    while current is not None:
        names.append(current.objectName() or type(current).__name__)
        current = None if current is root else current.parentWidget()
    return "/".join(reversed(names))
