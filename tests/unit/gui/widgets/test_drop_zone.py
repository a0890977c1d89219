"""The drop zone: its three states, the ways in by mouse and keyboard."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.drop_zone import DropState, DropZone
from gui.widgets.drops import paths_in


@pytest.fixture
def zone(qtbot: QtBot, look: Look) -> DropZone:
    made = DropZone()
    qtbot.addWidget(made)
    made.resize(320, 118)
    made.show()
    return made


def test_zone_says_whether_files_would_be_taken_while_they_hover(zone: DropZone) -> None:
    zone.show_hover(False, "photo.png is not training data")

    assert zone.state is DropState.HOVER_REFUSED
    assert zone.accessibleDescription() == "photo.png is not training data"

    zone.show_hover(True, "Drop to add a.jsonl")
    assert zone.state is DropState.HOVER_OK

    zone.show_idle()
    assert zone.state is DropState.IDLE
    assert ".jsonl" in zone.sentence


def test_states_look_different(zone: DropZone) -> None:
    idle = zone.grab().toImage()
    zone.show_hover(True, "Drop to add a.jsonl")
    taken = zone.grab().toImage()
    zone.show_hover(False, "Drop to add a.jsonl")
    refused = zone.grab().toImage()

    assert idle != taken
    assert taken != refused


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
def test_key_opens_the_chooser(qtbot: QtBot, zone: DropZone, key: Qt.Key) -> None:
    with qtbot.waitSignal(zone.open_requested, timeout=1000):
        qtbot.keyClick(zone, key)


def test_click_opens_the_chooser(qtbot: QtBot, zone: DropZone) -> None:
    with qtbot.waitSignal(zone.open_requested, timeout=1000):
        qtbot.mouseClick(zone, Qt.MouseButton.LeftButton)


def test_right_button_opens_nothing(qtbot: QtBot, zone: DropZone) -> None:
    with qtbot.assertNotEmitted(zone.open_requested):
        qtbot.mouseClick(zone, Qt.MouseButton.RightButton)


def test_paste_hands_over_the_files_of_the_clipboard(qtbot: QtBot, zone: DropZone) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/tmp/ä b.jsonl")])
    QGuiApplication.clipboard().setMimeData(data)

    with qtbot.waitSignal(zone.paths_pasted, timeout=1000) as pasted:
        qtbot.keyClick(zone, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)

    assert pasted.args == [["/tmp/ä b.jsonl"]]


def test_paths_in_takes_local_urls_once_and_in_order() -> None:
    data = QMimeData()
    data.setUrls(
        [QUrl(text) for text in ("file:///b.jsonl", "https://example.invalid/c", "file:///a.csv", "file:///b.jsonl")]
    )

    assert paths_in(data) == ["/b.jsonl", "/a.csv"]


def test_paths_in_reads_lines_of_text() -> None:
    data = QMimeData()
    data.setText("/data/a.jsonl\n'/data/b c.csv'\nfile:///data/d.txt\nnot a path\n\n")

    assert paths_in(data) == ["/data/a.jsonl", "/data/b c.csv", "/data/d.txt"]


def test_paths_in_is_empty_when_there_is_nothing() -> None:
    assert paths_in(QMimeData()) == []
