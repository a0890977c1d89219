"""What stands behind the frame: keys of the window reach the service, whatever has the keyboard; texts stay texts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from gui.actions.registry import Actions
from gui.excepthook import FaultWatch
from gui.rooms import Rooms
from gui.shell.command_line import Options
from gui.shell.main_window import MainWindow
from gui.shell.single_instance import SingleInstance
from gui.shell.window_state import WindowState
from gui.theme.palette import Look

UNDO, REDO = (
    Qt.KeyboardModifier.ControlModifier,
    (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    name_methods = Actions._name_methods

    def named(self: Actions) -> None:
        name_methods(self)
        self.undo = lambda: told.append("undo")  # type: ignore[assignment, return-value]
        self.redo = lambda: told.append("redo")  # type: ignore[assignment, return-value]

    monkeypatch.setattr(Actions, "_name_methods", named)
    return told


@pytest.fixture
def rooms(qtbot: QtBot, qapp: QApplication, tmp_path: Path, asked: list[str]) -> Iterator[Rooms]:
    made = MainWindow("demo")
    options = Options(workspace=tmp_path / "workspace", files=[], screenshots=None, theme="")
    rooms = Rooms(made, Look(qapp), WindowState(tmp_path / "window.ini"), options)
    rooms._connect_window()
    rooms._connect_edges(SingleInstance(rooms), FaultWatch(rooms))
    made.add_page("train", "Train", "train", rooms.page)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    yield rooms
    rooms.leave()
    made.close_for_good()
    shiboken6.delete(rooms)
    shiboken6.delete(made)
    QCoreApplication.processEvents()


@pytest.fixture
def window(rooms: Rooms) -> MainWindow:
    return rooms._window


def test_undo_and_redo_work_when_the_queue_is_empty(window: MainWindow, asked: list[str]) -> None:
    window.setFocus()
    QTest.keyClick(window, Qt.Key.Key_Z, UNDO)
    QTest.keyClick(window, Qt.Key.Key_Z, REDO)
    assert asked == ["undo", "redo"]


def test_undo_in_a_text_field_is_about_its_text(window: MainWindow, asked: list[str]) -> None:
    field = QLineEdit(window)
    field.show()
    field.setFocus()
    QTest.keyClicks(field, "abc")
    QTest.keyClick(field, Qt.Key.Key_Z, UNDO)
    assert field.text() == ""
    assert asked == []


def test_adding_that_stopped_is_told_without_a_tick(window: MainWindow, rooms: Rooms) -> None:
    rooms.actions.files.stopped.emit("Stopped: 0 files were added, 2 were not.")
    (toast,) = window.toasts.toasts
    assert (toast.words[0], toast._level) == ("Stopped: 0 files were added, 2 were not.", "info")
