"""Ctrl+K: a few letters find a command; what cannot run says why and does not run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import shiboken6
from PySide6.QtCore import QEvent, QObject, QRect, Qt
from PySide6.QtGui import QColor, QPaintEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QListView, QWidget
from pytestqt.qtbot import QtBot

from gui.shell.command_palette import CommandPalette, matching, score
from gui.theme.palette import tokens_for


@dataclass(frozen=True)
class Line:
    title: str
    name: str = ""
    help: str = ""
    shortcut: str = ""
    enabled: bool = True
    why_not: str = ""
    run: Callable[[], object] = list


LINES = [
    Line("Pause", "pause"),
    Line("Add files", "add"),
    Line("Resume", "resume"),
    Line("Remove jobs", "queue.remove"),
]


@pytest.mark.parametrize(
    ("typed", "best"),
    [("paus", "Pause"), ("af", "Add files"), ("rj", "Remove jobs"), ("RES", "Resume"), ("q.r", "Remove jobs")],
)
def test_matching_finds_a_command_by_a_few_letters(typed: str, best: str) -> None:
    assert matching(typed, LINES)[0].title == best


def test_matching_leaves_out_what_lacks_a_letter() -> None:
    assert matching("xyz", LINES) == []
    assert score("ba", "ab") is None


def test_matching_shows_what_can_be_done_first_when_nothing_was_typed() -> None:
    lines = [Line("A", enabled=False), Line("B")]
    assert [line.title for line in matching("", lines)] == ["B", "A"]


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def palette(qtbot: QtBot, ran: list[str]) -> Iterator[CommandPalette]:
    window = QWidget()
    window.resize(900, 700)
    made = CommandPalette(window)
    made.set_source(
        lambda: [
            Line("Pause", run=lambda: ran.append("pause")),
            Line("Resume", enabled=False, why_not="Training is not held.", run=lambda: ran.append("resume")),
        ]
    )
    window.show()
    made.open()
    yield made
    shiboken6.delete(window)  # now, not when Python happens to collect it in another test


def line_of(palette: CommandPalette) -> QLineEdit:
    line = palette.findChild(QLineEdit)
    assert isinstance(line, QLineEdit)
    return line


def test_palette_runs_the_chosen_command_and_closes(qtbot: QtBot, palette: CommandPalette, ran: list[str]) -> None:
    qtbot.keyClicks(line_of(palette), "pau")
    qtbot.keyClick(line_of(palette), Qt.Key.Key_Return)
    assert ran == ["pause"]
    assert not palette.isVisible()


def test_palette_does_not_run_what_cannot_be_done(qtbot: QtBot, palette: CommandPalette, ran: list[str]) -> None:
    qtbot.keyClicks(line_of(palette), "resu")
    qtbot.keyClick(line_of(palette), Qt.Key.Key_Return)
    assert ran == []
    assert palette.isVisible()
    view = palette.findChild(QListView)
    assert isinstance(view, QListView)
    described = view.currentIndex().data(Qt.ItemDataRole.AccessibleDescriptionRole)
    assert described == "Training is not held."


def test_palette_moves_by_arrow_keys_and_closes_by_escape(
    qtbot: QtBot, palette: CommandPalette, ran: list[str]
) -> None:
    line = line_of(palette)
    qtbot.keyClick(line, Qt.Key.Key_Down)
    qtbot.keyClick(line, Qt.Key.Key_Down)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert ran == ["pause"], "the arrow goes round"
    palette.open()
    qtbot.keyClick(palette, Qt.Key.Key_Escape)
    assert not palette.isVisible()


def test_palette_asks_anew_what_is_allowed_each_time_it_opens(palette: CommandPalette) -> None:
    palette.close_panel()
    palette.set_source(list)
    palette.open()
    palette.grab()
    QApplication.processEvents()
    view = palette.findChild(QListView)
    assert isinstance(view, QListView)
    assert view.model().rowCount() == 0


def test_veil_lies_beside_the_panel_and_the_panel_covers_what_is_below(palette: CommandPalette) -> None:
    palette.open()
    tokens = tokens_for(palette)
    shown = palette.window().grab().toImage()

    panel = palette.panel.geometry()
    assert shown.pixelColor(panel.left() + 3, panel.center().y()) == QColor(tokens.panel_raised)
    assert shown.pixelColor(2, panel.center().y()) != QColor(tokens.window)


class PaintWatch(QObject):
    """Notes what a widget was asked to paint."""

    def __init__(self, watched: QWidget) -> None:
        super().__init__(watched)
        self.painted: list[QRect] = []
        watched.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self.painted.append(event.rect())
        return False


def test_typing_paints_the_panel_and_not_the_whole_window(qtbot: QtBot, palette: CommandPalette) -> None:
    watch = PaintWatch(palette)
    palette.update()
    qtbot.waitUntil(lambda: bool(watch.painted))  # whole, as it opens
    QApplication.processEvents()
    watch.painted.clear()

    QTest.keyClicks(line_of(palette), "resu")

    palette.panel.repaint()  # with all that waits to be painted
    QApplication.processEvents()
    assert all(rect.height() < palette.height() - 100 for rect in watch.painted)
