"""Forty hostile texts, through every widget that takes text: shown as written, nothing obeyed, nothing burst."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.buttons import ControlButton, FlatButton
from gui.widgets.card import Card
from gui.widgets.drop_zone import DropZone
from gui.widgets.empty_state import EmptyState
from gui.widgets.labels import ElidedLabel, PlainLabel
from gui.widgets.plain import plain, plain_lines
from gui.widgets.progress_ring import ProgressRing
from gui.widgets.state_pill import StatePill
from gui.widgets.toasts import ToastStack
from tests.fakes.hostile_strings import HOSTILE_STRINGS

Shown = tuple[QWidget, str, str]
"""The widget, what it shows, what it should show."""


def one_line(text: str) -> Shown:
    label = PlainLabel(text)
    return label, label.text(), plain(text)


def lines(text: str) -> Shown:
    label = PlainLabel(text, wrap=True)
    return label, label.text(), plain_lines(text, 4_000)


def elided(text: str) -> Shown:
    label = ElidedLabel(text)
    return label, label.text(), plain(text)


def flat_button(text: str) -> Shown:
    button = FlatButton(text)
    return button, button.shown_text, plain(text, 80)


def control_button(text: str) -> Shown:
    button = ControlButton(text)
    return button, button.shown_text, plain(text, 80)


def named_button(text: str) -> Shown:
    button = FlatButton(icon="undo", name=text)
    return button, button.accessibleName(), plain(text)


def pill(text: str) -> Shown:
    made = StatePill(text)
    return made, made.text, plain(text, 40)


def card_title(text: str) -> Shown:
    card = Card(text)
    return card, card.accessibleName(), plain(text)


def zone(text: str) -> Shown:
    made = DropZone()
    made.show_hover(False, text)
    return made, made.sentence, plain(text, 200)


def empty_state(text: str) -> Shown:
    made = EmptyState("models", text, text)
    return made, made.accessibleName(), plain(text)


def ring(text: str) -> Shown:
    made = ProgressRing(name=text)
    return made, made.accessibleName(), plain(text)


def toast(text: str) -> Shown:
    host = QWidget()
    stack = ToastStack(host)
    words = stack.post("error", text, text).words
    assert words[0] == words[1]
    return host, words[0], plain_lines(text, 4_000)


@pytest.mark.parametrize(
    "show",
    [
        one_line,
        lines,
        elided,
        flat_button,
        control_button,
        named_button,
        pill,
        card_title,
        zone,
        empty_state,
        ring,
        toast,
    ],
)
def test_hostile_text_is_shown_as_it_is_written(qtbot: QtBot, look: Look, show: Callable[[str], Shown]) -> None:
    for text in HOSTILE_STRINGS:
        widget, shown, expected = show(text)
        qtbot.addWidget(widget)
        widget.resize(300, 120)

        assert shown == expected
        assert not widget.grab().isNull()
        assert all(label.textFormat() == Qt.TextFormat.PlainText for label in widget.findChildren(QLabel))
