"""The card: its title row is there when there are words for it, and its body takes what it is given."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.buttons import FlatButton
from gui.widgets.card import Card
from gui.widgets.empty_state import EmptyState
from tests.fakes.accessibility import unnamed_widgets

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def card(qtbot: QtBot, look: Look) -> Card:
    made = Card("Queue")
    qtbot.addWidget(made)
    made.resize(300, 120)
    made.show()
    return made


def visible_words(card: Card) -> list[str]:
    return [label.text() for label in card.findChildren(QLabel) if label.isVisible() and label.text()]


def test_title_row_shows_title_detail_and_the_word_at_the_right(card: Card) -> None:
    card.set_detail("5 files")
    card.set_aside("good", "good")

    assert visible_words(card) == ["Queue", "5 files", "good"]

    card.set_aside("")
    assert visible_words(card) == ["Queue", "5 files"]


def test_card_without_title_has_no_title_row(qtbot: QtBot, look: Look) -> None:
    plain, titled = Card(), Card("Queue")
    for card in (plain, titled):
        qtbot.addWidget(card)

    assert plain.sizeHint().height() < titled.sizeHint().height()


def test_title_row_comes_with_a_button(qtbot: QtBot, look: Look) -> None:
    card = Card()
    qtbot.addWidget(card)
    undo = FlatButton(icon="undo", name="Undo")

    card.add_to_header(undo)
    card.show()

    assert undo.isVisible()
    assert unnamed_widgets(card) == []


def test_card_is_painted_as_a_panel_with_round_corners(card: Card, look: Look) -> None:
    image = card.grab().toImage()

    assert image.pixelColor(150, 100) == QColor(look.tokens.panel)
    assert image.pixelColor(0, 0) == QColor(look.tokens.window)


def test_empty_state_offers_its_ways_left_to_right(qtbot: QtBot, look: Look) -> None:
    empty = EmptyState("models", "No base model", "Choose one.")
    qtbot.addWidget(empty)
    first = empty.add_button("Try the sample", tone="primary")
    second = empty.add_button("Choose", icon="folder")
    empty.resize(500, 300)
    empty.show()

    assert first.x() < second.x()
    assert unnamed_widgets(empty) == []

    empty.set_words("Nothing is waiting", "Drop files.")
    assert empty.accessibleName() == "Nothing is waiting"
