"""The style: scroll bars without arrows that still scroll, fields that show the focus, menus in our colours."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu, QPlainTextEdit, QScrollArea, QScrollBar, QWidget
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.theme.tokens import DARK

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def colors(widget: QWidget) -> Counter[str]:
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return Counter(QColor(image.pixel(x, y)).name() for x in range(image.width()) for y in range(image.height()))


def handle(bar: QScrollBar, look: Look) -> int:
    """Pixels of the handle, with or without a mouse on it."""
    seen = colors(bar)
    return seen[look.tokens.border_strong] + seen[look.tokens.text_faint]


@pytest.fixture
def bar(qtbot: QtBot, look: Look) -> QScrollBar:
    made = QScrollBar(Qt.Orientation.Vertical)
    qtbot.addWidget(made)
    made.setRange(0, 900)
    made.setPageStep(100)
    made.resize(14, 200)
    made.show()
    return made


def test_no_style_sheet_is_on_the_application(qapp: QApplication, look: Look) -> None:
    assert qapp.styleSheet() == ""


def test_scroll_bar_has_a_handle_in_our_colour(bar: QScrollBar, look: Look) -> None:
    assert handle(bar, look) > 80


def test_scroll_bar_has_no_handle_when_there_is_nothing_to_scroll(bar: QScrollBar, look: Look) -> None:
    bar.setRange(0, 0)

    assert handle(bar, look) == 0


def test_click_below_the_handle_goes_a_page_on(qtbot: QtBot, bar: QScrollBar) -> None:
    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(7, 190))

    assert bar.value() == 100


def test_handle_is_dragged_to_the_end(qtbot: QtBot, bar: QScrollBar) -> None:
    qtbot.mousePress(bar, Qt.MouseButton.LeftButton, pos=QPoint(7, 10))
    qtbot.mouseMove(bar, QPoint(7, 199))
    qtbot.mouseRelease(bar, Qt.MouseButton.LeftButton, pos=QPoint(7, 199))

    assert bar.value() == 900


def test_handle_is_never_too_small_to_grab(bar: QScrollBar, look: Look) -> None:
    bar.setRange(0, 10_000_000)

    assert handle(bar, look) > 80


def test_horizontal_bar_scrolls_too(qtbot: QtBot, look: Look) -> None:
    bar = QScrollBar(Qt.Orientation.Horizontal)
    qtbot.addWidget(bar)
    bar.setRange(0, 100)
    bar.setPageStep(50)
    bar.resize(200, 14)
    bar.show()

    qtbot.mouseClick(bar, Qt.MouseButton.LeftButton, pos=QPoint(195, 7))

    assert bar.value() == 50


def test_field_shows_where_the_keyboard_is(qtbot: QtBot, look: Look) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    field = QLineEdit(window)
    field.resize(200, field.sizeHint().height())
    window.show()
    qtbot.waitUntil(field.hasFocus)
    focused = colors(field)[look.tokens.focus]
    field.clearFocus()

    assert focused > 300
    assert colors(field)[look.tokens.focus] == 0


def test_scroll_area_has_no_frame_and_a_text_has_one(qtbot: QtBot, look: Look) -> None:
    area, text = QScrollArea(), QPlainTextEdit()
    for widget in (area, text):
        qtbot.addWidget(widget)
        widget.resize(100, 60)

    assert colors(area)[look.tokens.border_strong] == 0
    assert colors(text)[look.tokens.border_strong] > 100


def test_chosen_line_of_a_menu_has_the_colour_of_a_selection(qtbot: QtBot, look: Look) -> None:
    menu = QMenu()
    qtbot.addWidget(menu)
    menu.addAction("Hold")
    retry = menu.addAction("Retry")
    menu.popup(QPoint(0, 0))
    menu.setActiveAction(retry)

    seen = colors(menu)

    assert seen[look.tokens.panel_raised] > 500
    assert seen[look.tokens.selection] > 500
    menu.close()


def test_controls_take_the_other_colours_when_the_look_changes(bar: QScrollBar, look: Look) -> None:
    look.choose("light" if look.tokens is DARK else "dark")

    assert handle(bar, look) > 80


def test_text_of_a_field_keeps_clear_of_its_edge(qtbot: QtBot, look: Look) -> None:
    field = QLineEdit()
    field.setReadOnly(True)
    qtbot.addWidget(field)
    field.resize(200, 32)
    field.show()
    empty = field.grab().toImage()
    field.setText("HHHH")
    written = field.grab().toImage()
    scale = written.devicePixelRatio()

    inked = [
        x
        for x in range(written.width())
        if any(written.pixel(x, y) != empty.pixel(x, y) for y in range(written.height()))
    ]

    assert 8 * scale <= inked[0] <= 14 * scale
