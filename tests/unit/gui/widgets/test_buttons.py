"""Buttons: pressed by mouse and keys, named for those who cannot see, a ring where the keyboard is."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QWidget
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.buttons import ControlButton, FlatButton
from tests.fakes.accessibility import unnamed_widgets

KEYS = pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
KINDS = pytest.mark.parametrize("kind", [FlatButton, ControlButton])


@KINDS
@KEYS
def test_button_is_pressed_by_key(
    qtbot: QtBot, look: Look, kind: type[FlatButton] | type[ControlButton], key: Qt.Key
) -> None:
    button = kind("Go")
    qtbot.addWidget(button)
    button.show()

    with qtbot.waitSignal(button.clicked, timeout=1000):
        qtbot.keyClick(button, key)


@KINDS
def test_button_does_nothing_when_disabled(
    qtbot: QtBot, look: Look, kind: type[FlatButton] | type[ControlButton]
) -> None:
    button = kind("Go")
    qtbot.addWidget(button)
    button.setEnabled(False)

    with qtbot.assertNotEmitted(button.clicked):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        button.click()


def test_focus_ring_is_painted_when_the_keyboard_comes(qtbot: QtBot, look: Look) -> None:
    button = ControlButton("Pause", icon="pause")
    qtbot.addWidget(button)
    button.show()
    qtbot.waitUntil(button.isActiveWindow)
    button.clearFocus()
    before = button.grab().toImage()

    button.focus_by_keys()

    corner = button.grab().toImage()
    assert corner.pixelColor(corner.width() // 2, 0).name() == look.tokens.focus
    assert corner != before


def test_focus_is_seen_on_a_filled_button_too(qtbot: QtBot, look: Look) -> None:
    button = ControlButton("Try the sample", tone="primary")
    qtbot.addWidget(button)
    button.show()
    qtbot.waitUntil(button.isActiveWindow)
    button.clearFocus()
    before = button.grab().toImage()

    button.focus_by_keys()

    after = button.grab().toImage()
    middle = after.width() // 2
    inside = [after.pixelColor(middle, y) for y in range(2, 5)]
    assert inside != [before.pixelColor(middle, y) for y in range(2, 5)]


def test_focus_ring_stays_away_when_the_mouse_gave_the_focus(qtbot: QtBot, look: Look) -> None:
    button = ControlButton("Pause")
    qtbot.addWidget(button)
    button.show()
    button.clearFocus()
    before = button.grab().toImage()

    button.setFocus(Qt.FocusReason.MouseFocusReason)

    assert not button.has_focus_ring
    assert button.grab().toImage() == before


def test_focus_ring_is_there_when_the_window_opens_on_the_button(qtbot: QtBot, look: Look) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    button = ControlButton("Cancel", parent=window)

    button.focus_by_keys()
    window.show()
    window.activateWindow()

    qtbot.waitUntil(lambda: button.has_focus_ring)


def test_button_without_words_has_a_name_and_a_tooltip(qtbot: QtBot, look: Look) -> None:
    button = FlatButton(icon="undo", name="Undo")
    qtbot.addWidget(button)

    assert unnamed_widgets(button) == []
    assert "Undo" in button.toolTip()


def test_button_without_words_and_name_is_found(qtbot: QtBot, look: Look) -> None:
    button = FlatButton(icon="undo")
    qtbot.addWidget(button)

    assert unnamed_widgets(button) == ["FlatButton"]


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)
def test_button_opens_its_menu_without_waiting(qtbot: QtBot, look: Look) -> None:
    button = FlatButton("step")
    qtbot.addWidget(button)
    menu = QMenu(button)
    menu.addAction("time")
    button.set_menu(menu)
    button.show()

    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    assert menu.isVisible()
    menu.close()


def test_button_shows_an_ampersand_as_one(qtbot: QtBot, look: Look) -> None:
    button = ControlButton("Delete a & b")
    qtbot.addWidget(button)

    assert button.shown_text == "Delete a & b"
    assert button.shortcut().isEmpty()


def test_button_grows_with_its_words(qtbot: QtBot, look: Look) -> None:
    button = ControlButton("Go")
    qtbot.addWidget(button)
    narrow = button.sizeHint().width()

    button.set_text("Stop after file")

    assert button.sizeHint().width() > narrow
