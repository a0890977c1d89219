"""The queue's card: summary, search, empty words, undo, menu; every wish reaches the card's own signals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from backend.contract.arguments import MoveArgs
from backend.contract.jobs import JobState, JobView, Priority
from gui.pages.train.queue_card import QueueCard
from gui.pages.train.queue_menu import QueueMenu, QueueWishes
from gui.state.queue_model import QueueModel
from gui.theme.palette import Look
from tests.fakes.accessibility import unnamed_widgets
from tests.fakes.example_session import job
from tests.unit.gui.pages.train.conftest import (
    DONE,
    FIRST,
    HIGH,
    RUNNING,
    SECOND,
    Wishes,
    bury,
    example_jobs,
    show_in_host,
)


@pytest.fixture
def card(qtbot: QtBot, dressed: Look, queue: QueueModel) -> Iterator[QueueCard]:
    shown = QueueCard(queue)
    host = show_in_host(qtbot, shown, 330, 700)
    yield shown
    bury(host)


def test_card_says_how_much_there_is(qtbot: QtBot, card: QueueCard, queue: QueueModel) -> None:
    queue.load([job(1, eta_seconds=600.0), job(2, eta_seconds=1200.0), job(3, JobState.FINISHED)])

    qtbot.waitUntil(lambda: card._detail.full_text == "2 files · 30\u202fmin")


def test_card_says_at_least_while_files_are_checked(qtbot: QtBot, card: QueueCard, queue: QueueModel) -> None:
    queue.load([job(1, eta_seconds=720.0), job(2, JobState.CHECKING, total_steps=0)])

    qtbot.waitUntil(lambda: card._detail.full_text == "2 files · ≥ 12\u202fmin")


def test_card_teaches_when_the_queue_is_empty(qtbot: QtBot, card: QueueCard, queue: QueueModel) -> None:
    queue.load([])

    qtbot.waitUntil(lambda: card._empty.isVisible())
    assert not card.view.isVisible()


def test_search_stays_away_from_a_short_queue(card: QueueCard) -> None:
    assert not card._search.isVisible()


def test_search_shows_what_it_finds_and_escape_gives_all_back(qtbot: QtBot, card: QueueCard, queue: QueueModel) -> None:
    queue.load([job(number, file_name=f"file-{number:02}.jsonl", position=number) for number in range(1, 41)])
    qtbot.waitUntil(card._search.isVisible)

    QTest.keyClicks(card._search, "file-07")
    qtbot.waitUntil(lambda: queue.shown_job_ids() == [7])
    QTest.keyClicks(card._search, "nothing")
    qtbot.waitUntil(card._empty.isVisible)
    assert card._empty.accessibleName() == "No file of this name"
    QTest.keyClick(card._search, Qt.Key.Key_Escape)

    assert len(queue.shown_job_ids()) == 40


def test_undo_says_what_it_takes_back(card: QueueCard) -> None:
    wishes = Wishes(card, "undo_requested", "redo_requested")
    card.set_history("move job 4 and job 99", "")

    assert card._undo.isEnabled()
    assert card._undo.accessibleName() == "Undo: move file-4.jsonl and job 99"
    assert "move file-4.jsonl" in card._undo.toolTip()
    assert not card._redo.isEnabled()
    card._undo.click()
    assert wishes.said == [("undo_requested",)]


def test_moves_by_key_become_wishes_of_the_card(card: QueueCard, queue: QueueModel) -> None:
    wishes = Wishes(card.wishes, "move_requested", "priority_requested")

    queue.move_up([SECOND])
    queue.remove(HIGH)
    queue.move_up([SECOND])

    assert wishes.said == [
        ("move_requested", MoveArgs(job_ids=[SECOND], before=FIRST)),
        ("priority_requested", [SECOND], Priority.HIGH),
    ]


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_menu_opens_without_holding_the_event_loop(card: QueueCard) -> None:
    card.view.select_jobs([FIRST])

    card.view.menu_requested.emit(card.mapToGlobal(QPoint(50, 50)))

    menus = [menu for menu in card.view.findChildren(QMenu) if isinstance(menu, QueueMenu)]
    assert [menu.isVisible() for menu in menus] == [True]
    menus[0].close()


def test_card_names_everything_for_a_screen_reader(card: QueueCard) -> None:
    assert unnamed_widgets(card) == []


def test_adding_of_many_files_shows_how_far_it_is_and_can_be_cancelled(card: QueueCard) -> None:
    wishes = Wishes(card, "cancel_adding_requested")
    line = card._adding
    assert not line.isVisible()

    card.show_adding(400, 5000)
    assert line.isVisible()
    assert line._words.full_text == "Adding files: 400 of 5\u202f000"
    assert line._line.value() == 80
    line._cancel.click()
    card.show_adding(600, 5000)  # a slice that was on its way
    assert wishes.said == [("cancel_adding_requested",)]
    assert not line._cancel.isEnabled()

    card.show_adding(0, 0)
    assert not line.isVisible()
    card.show_adding(0, 300)
    assert line._cancel.isEnabled()


# the menu


@pytest.fixture
def wishes() -> QueueWishes:
    return QueueWishes()


def menu_for(qtbot: QtBot, wishes: QueueWishes, card: QueueCard, *jobs: JobView) -> dict[str, QAction]:
    menu = QueueMenu(jobs, example_jobs(), wishes, top=lambda without: HIGH, parent=card)
    qtbot.addWidget(menu)
    actions = [action for action in menu.actions() if not action.isSeparator()]
    submenus = [action.menu() for action in actions if action.menu() is not None]
    actions += [action for submenu in submenus if isinstance(submenu, QMenu) for action in submenu.actions()]
    return {action.text(): action for action in actions}


WAITING, FINISHED, HELD = job(FIRST), job(DONE, JobState.FINISHED), job(9, JobState.HELD)


@pytest.mark.parametrize(
    ("entry", "jobs", "expected"),
    [
        ("Move to the top", [WAITING], ("move_requested", MoveArgs(job_ids=[FIRST], before=HIGH))),
        ("High", [WAITING], ("priority_requested", [FIRST], Priority.HIGH)),
        ("Hold", [WAITING], ("hold_requested", [FIRST])),
        ("Release", [HELD], ("release_requested", [9])),
        ("Retry", [FINISHED, WAITING], ("retry_requested", [DONE])),
        ("Remove from the queue", [FINISHED, WAITING], ("remove_requested", [DONE, FIRST])),
        ("Clear finished files", [WAITING], ("clear_requested", "finished")),
        ("Show rows as the model sees them", [WAITING], ("preview_requested", FIRST)),
        ("Pause", [job(RUNNING, JobState.TRAINING)], ("pause_requested",)),
        ("Resume", [job(RUNNING, JobState.PAUSED)], ("resume_requested",)),
        ("Skip this file", [job(RUNNING, JobState.TRAINING)], ("skip_requested",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_menu_entry_asks_for_what_it_says(
    qtbot: QtBot, wishes: QueueWishes, card: QueueCard, entry: str, jobs: list[JobView], expected: tuple[object, ...]
) -> None:
    said = Wishes(wishes, *{str(expected[0])}).said

    action = menu_for(qtbot, wishes, card, *jobs)[entry]
    assert action.isEnabled()
    action.trigger()

    assert said == [expected]


def test_menu_offers_nothing_that_would_do_nothing(qtbot: QtBot, wishes: QueueWishes, card: QueueCard) -> None:
    running = menu_for(qtbot, wishes, card, job(RUNNING, JobState.TRAINING))

    assert not running["Move to the top"].isEnabled()
    assert not running["Hold"].isEnabled()
    assert not running["Retry"].isEnabled()
    assert not running["Remove from the queue"].isEnabled()
