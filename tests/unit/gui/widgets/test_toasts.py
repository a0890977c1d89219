"""Notices leave by themselves, four at most, and not from under somebody's eyes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets import toasts as toasts_module
from gui.widgets.buttons import FlatButton
from gui.widgets.toasts import MAX_TOASTS, Toast, ToastStack
from tests.fakes.accessibility import unnamed_widgets


@pytest.fixture
def host(qtbot: QtBot, look: Look) -> QWidget:
    window = QWidget()
    window.resize(800, 600)
    qtbot.addWidget(window)
    field = QLineEdit(window)  # a window that becomes active gives the focus to something; not to a notice
    field.setFocus()
    window.show()
    qtbot.waitUntil(field.hasFocus)
    return window


@pytest.fixture
def stack(host: QWidget, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToastStack]:
    monkeypatch.setattr(toasts_module, "STAY_MS", dict.fromkeys(toasts_module.STAY_MS, 40))
    yield ToastStack(host)


def look_at(toast: Toast) -> None:
    QApplication.sendEvent(toast, QEnterEvent(QPointF(5, 5), QPointF(5, 5), QPointF(5, 5)))


def test_toast_leaves_by_itself(qtbot: QtBot, stack: ToastStack) -> None:
    stack.post("info", "Saved")

    qtbot.waitUntil(lambda: stack.toasts == [])
    assert not stack.isVisible()


def test_toast_leaves_at_once_when_motion_is_not_wanted(stack: ToastStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toasts_module, "motion_wanted", lambda app: False)
    toast = stack.post("info", "Saved")

    toast.leave()

    assert stack.toasts == []


def test_toast_stays_while_the_mouse_is_on_it(qtbot: QtBot, stack: ToastStack) -> None:
    toast = stack.post("info", "Saved")

    look_at(toast)
    assert not toast.is_waiting

    QApplication.sendEvent(toast, QEvent(QEvent.Type.Leave))
    assert toast.is_waiting


def test_toast_stays_while_the_keyboard_is_in_it(qtbot: QtBot, host: QWidget, stack: ToastStack) -> None:
    toast = stack.post("info", "Saved")
    close = toast.findChild(FlatButton)
    assert isinstance(close, FlatButton)

    close.focus_by_keys()
    assert not toast.is_waiting

    close.clearFocus()
    assert toast.is_waiting


def test_toast_takes_nothing_from_the_window_when_it_comes(qtbot: QtBot, host: QWidget, stack: ToastStack) -> None:
    field = host.findChild(QLineEdit)
    windows: list[object] = []
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.focusWindowChanged.connect(windows.append)

    toast = stack.post("info", "Saved", "A message below it.", action="Show", do=lambda: None)
    qtbot.waitUntil(lambda: not toast.is_waiting)

    application.focusWindowChanged.disconnect(windows.append)
    assert windows == []
    assert field is not None
    assert field.hasFocus()


def test_fifth_toast_pushes_out_the_oldest_that_nobody_looks_at(stack: ToastStack) -> None:
    watched = stack.post("error", "0")
    look_at(watched)
    for number in range(1, MAX_TOASTS + 1):
        stack.post("info", str(number))

    assert [toast.words[0] for toast in stack.toasts] == ["0", "2", "3", "4"]


def test_same_words_are_one_notice(stack: ToastStack) -> None:
    stack.post("warning", "Disk is full", "12 MB are left.")
    stack.post("warning", "Disk is full", "12 MB are left.")

    assert len(stack.toasts) == 1


def test_close_button_takes_the_toast_away(qtbot: QtBot, stack: ToastStack) -> None:
    toast = stack.post("info", "Saved")
    close = next(button for button in toast.findChildren(FlatButton) if button.accessibleName() == "Dismiss")

    qtbot.mouseClick(close, Qt.MouseButton.LeftButton)

    qtbot.waitUntil(lambda: stack.toasts == [])


def test_escape_takes_the_toast_away_when_the_keyboard_is_in_it(qtbot: QtBot, stack: ToastStack) -> None:
    toast = stack.post("info", "Saved")

    qtbot.keyClick(toast, Qt.Key.Key_Escape)

    qtbot.waitUntil(lambda: stack.toasts == [])


def test_action_is_done_and_ends_the_notice(qtbot: QtBot, stack: ToastStack) -> None:
    done: list[str] = []
    toast = stack.post("warning", "3 lines were quarantined", action="Show", do=lambda: done.append("shown"))
    action = toast.findChild(FlatButton, "action")
    assert isinstance(action, FlatButton)

    qtbot.mouseClick(action, Qt.MouseButton.LeftButton)

    assert done == ["shown"]
    qtbot.waitUntil(lambda: stack.toasts == [])


def test_stack_keeps_to_the_corner_when_the_window_is_resized(host: QWidget, stack: ToastStack) -> None:
    stack.post("info", "Saved")

    host.resize(1000, 700)

    assert stack.geometry().right() < 1000
    assert stack.geometry().bottom() < 700
    assert stack.geometry().right() > 1000 - 3 * 16


def test_stack_takes_no_room_when_it_is_empty(stack: ToastStack) -> None:
    stack.post("info", "Saved")

    stack.clear()

    assert not stack.isVisible()


def test_every_part_has_a_name(stack: ToastStack) -> None:
    stack.post("info", "Saved", "All is well.", action="Show", do=lambda: None)

    assert unnamed_widgets(stack) == []


def test_unknown_level_is_an_information(stack: ToastStack) -> None:
    assert stack.post("shout", "Saved").words == ("Saved", "")
