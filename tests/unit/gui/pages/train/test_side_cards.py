"""Generalisation, sample and events: what they say before there is anything, and with hostile text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from backend.contract.events import Notice
from backend.contract.status import EvaluationRow, SampleRow, TrainerView
from gui.pages.train.events_card import EventsCard
from gui.pages.train.generalisation_card import GeneralisationCard
from gui.pages.train.sample_card import SampleCard
from gui.state.event_log import EventLog
from gui.state.sample_store import SampleStore
from gui.theme.palette import Look
from tests.fakes.example_session import NOW, job, status
from tests.fakes.hostile_strings import HOSTILE_STRINGS
from tests.unit.gui.pages.train.conftest import Wishes, bury, show_in_host

TRAINER = TrainerView(pid=1, attempt_id="a", attempt_seq=1, phase="training", started_at=NOW)


def row(step: int, text: str) -> SampleRow:
    return SampleRow(step=step, job_id=1, prompt="Say hello.", text=text, has_think_tag=False, at=NOW)


def measured(validation_loss: float, train_loss: float | None) -> EvaluationRow:
    gap = None if train_loss is None else validation_loss - train_loss
    return EvaluationRow(
        step=100,
        job_id=1,
        validation_id="v",
        validation_loss=validation_loss,
        train_loss=train_loss,
        gap=gap,
        heldout_loss=None,
        at=NOW,
    )


def notice(number: int, message: str = "It goes on.") -> Notice:
    return Notice(at=NOW + number, level="warning", title=f"Notice {number}", message=message)


@pytest.fixture
def shown(qtbot: QtBot, dressed: Look) -> Iterator[list[QWidget]]:
    """Hosts that the test shows its cards in; closed after it."""
    hosts: list[QWidget] = []
    yield hosts
    for host in hosts:
        bury(host)


# generalisation


def test_generalisation_teaches_before_the_first_evaluation(qtbot: QtBot, shown: list[QWidget]) -> None:
    card = GeneralisationCard()
    shown.append(show_in_host(qtbot, card, 300, 180))

    card.show_status(status())
    assert card._teaching.isVisible()
    assert not card._share.isVisible()
    card.show_status(status(gap=0.12, think_tag_percent=3.0))
    assert not card._teaching.isVisible()
    assert card._share.text() == "3\u202f%"


@pytest.mark.parametrize(
    ("gap", "word"), [(0.12, "good"), (0.35, "widening"), (0.6, "overfitting"), (None, "not measured yet")]
)
def test_generalisation_says_its_verdict(qtbot: QtBot, shown: list[QWidget], gap: float | None, word: str) -> None:
    card = GeneralisationCard()
    shown.append(show_in_host(qtbot, card, 300, 180))

    card.show_status(status(gap=gap))

    assert card._aside.full_text == word


def test_generalisation_names_both_losses_it_compares(qtbot: QtBot, shown: list[QWidget]) -> None:
    card = GeneralisationCard()
    shown.append(show_in_host(qtbot, card, 300, 220))
    assert not card._losses.isVisible()

    card.show_evaluation(measured(validation_loss=2.294, train_loss=1.04))
    assert card._losses.text() == "validation 2.294 · train 1.040, dropout off, on rows of this file"
    assert card._losses.isVisible()
    card.set_low(True)
    assert not card._losses.isVisible()
    assert "train 1.040" in card._gauge.toolTip()
    card.set_low(False)
    assert card._losses.isVisible()
    card.show_evaluation(measured(validation_loss=2.294, train_loss=None))
    assert not card._losses.isVisible()


def test_generalisation_explains_its_words(qtbot: QtBot, shown: list[QWidget]) -> None:
    card = GeneralisationCard()
    shown.append(show_in_host(qtbot, card, 300, 220))

    assert "never trained on" in card._gauge.toolTip()
    assert "&lt;think&gt;" in card._tags.toolTip()  # shown as it is written


def test_evaluation_can_be_asked_for_while_something_trains(qtbot: QtBot, shown: list[QWidget]) -> None:
    card = GeneralisationCard()
    shown.append(show_in_host(qtbot, card, 300, 180))
    wishes = Wishes(card, "evaluate_requested")

    card._evaluate.click()
    assert wishes.said == []
    card.show_status(status(trainer=TRAINER, job=job(1)))
    card._evaluate.click()
    assert wishes.said == [("evaluate_requested",)]


# sample


def test_sample_shows_the_newest_and_on_wish_the_one_before(qtbot: QtBot, shown: list[QWidget]) -> None:
    store = SampleStore()
    card = SampleCard(store)
    shown.append(show_in_host(qtbot, card, 300, 200))
    assert not card._answer.isVisible()

    store.load([row(200, "hel hel"), row(400, "Hello!")])
    assert (card._answer.toPlainText(), card._aside.full_text) == ("Hello!", "step 400")
    card._before.click()
    assert (card._answer.toPlainText(), card._aside.full_text) == ("hel hel", "step 200")


def test_sample_goes_through_the_prompts_when_there_are_several(qtbot: QtBot, shown: list[QWidget]) -> None:
    store = SampleStore()
    card = SampleCard(store)
    shown.append(show_in_host(qtbot, card, 300, 200))
    store.load([row(1, "one"), SampleRow(step=1, job_id=1, prompt="Other", text="two", has_think_tag=False, at=NOW)])

    card._next.click()
    assert (card._prompt.text(), card._answer.toPlainText()) == ("Other", "two")
    card._next.click()
    assert card._answer.toPlainText() == "one"


@pytest.mark.parametrize("text", HOSTILE_STRINGS, ids=range(len(HOSTILE_STRINGS)))
def test_sample_shows_hostile_text_and_never_wider_than_its_card(qtbot: QtBot, shown: list[QWidget], text: str) -> None:
    store = SampleStore()
    card = SampleCard(store)
    shown.append(show_in_host(qtbot, card, 300, 200))

    store.load([SampleRow(step=1, job_id=1, prompt=text, text=text, has_think_tag=False, at=NOW)])

    assert card._answer.horizontalScrollBar().maximum() < 8  # Qt breaks a word without end a hair too late
    assert card.minimumSizeHint().width() <= 300
    assert not {"\u202e", "\x00", "\x1b"} & set(card._answer.toPlainText())


# events


def test_events_teach_when_nothing_happened(qtbot: QtBot, shown: list[QWidget]) -> None:
    log = EventLog()
    card = EventsCard(log)
    shown.append(show_in_host(qtbot, card, 300, 300))
    assert not card.view.isVisible()

    log.add(notice(1))

    assert card.view.isVisible()


def test_events_give_each_sentence_the_lines_it_takes(qtbot: QtBot, shown: list[QWidget]) -> None:
    log = EventLog()
    card = EventsCard(log)
    shown.append(show_in_host(qtbot, card, 300, 300))

    log.add(notice(1, "Short."))
    log.add(notice(2, "words " * 60))

    one, three = card.view.rowHeight(1), card.view.rowHeight(0)
    assert three > 2 * one


def test_events_measure_two_thousand_rows_a_few_at_a_time(qtbot: QtBot, shown: list[QWidget]) -> None:
    log = EventLog()
    card = EventsCard(log)
    shown.append(show_in_host(qtbot, card, 300, 300))

    log.load([notice(number, "words " * (number % 40)) for number in range(2000)])
    assert card.view._timer.isActive()
    qtbot.waitUntil(lambda: not card.view._timer.isActive(), timeout=20_000)

    heights = {card.view.rowHeight(at) for at in range(2000)}
    assert len(heights) == 3


def test_events_copy_a_line_with_what_it_had_no_room_for(qtbot: QtBot, shown: list[QWidget]) -> None:
    log = EventLog()
    card = EventsCard(log)
    shown.append(show_in_host(qtbot, card, 300, 300))
    log.add(notice(1, "First. Second."))
    card.view.selectRow(0)

    QTest.keyClick(card.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)

    assert QGuiApplication.clipboard().text() == "Notice 1: First.\nNotice 1\nFirst. Second."


def test_events_paint_hostile_text_within_their_card(qtbot: QtBot, shown: list[QWidget]) -> None:
    log = EventLog()
    card = EventsCard(log)
    host = show_in_host(qtbot, card, 300, 900)
    shown.append(host)

    log.load([notice(number, text) for number, text in enumerate(HOSTILE_STRINGS)])

    assert host.grab().width() > 0
    assert card.view.horizontalScrollBar().maximum() == 0
