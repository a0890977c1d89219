"""Asking permission: the safe way has the focus, the other names the thing, one answer comes."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from gui.dialogs.confirm import Consent
from gui.dialogs.quit import QuitQuestion
from gui.theme.palette import Look
from tests.fakes.accessibility import unnamed_widgets
from tests.fakes.hostile_strings import HOSTILE_STRINGS

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def consent(qtbot: QtBot, *, name: str = "v003", is_destructive: bool = True) -> Consent:
    made = Consent(
        f"Delete {name}?",
        what_happens=f"{name} goes to the trash.",
        what_stays_safe="Every other version stays.",
        how_to_undo="Restore it from the trash.",
        action=f"Delete {name}",
        is_destructive=is_destructive,
    )
    qtbot.addWidget(made)
    made.open()
    return made


@pytest.fixture
def question(qtbot: QtBot, look: Look) -> QuitQuestion:
    made = QuitQuestion("support-chats.jsonl · step 12 480")
    qtbot.addWidget(made)
    made.open()
    return made


def test_consent_names_the_thing_and_says_all_three(qtbot: QtBot, look: Look) -> None:
    dialog = consent(qtbot)
    words = [label.text() for label in dialog.findChildren(QLabel)]

    assert dialog.action_button.shown_text == "Delete v003"
    assert {"v003 goes to the trash.", "Every other version stays.", "Restore it from the trash."} <= set(words)


def test_return_does_not_destroy_when_a_destructive_dialog_opens(qtbot: QtBot, look: Look) -> None:
    dialog = consent(qtbot)
    qtbot.waitUntil(dialog.cancel_button.hasFocus)

    with qtbot.assertNotEmitted(dialog.accepted), qtbot.waitSignal(dialog.rejected, timeout=1000):
        qtbot.keyClick(dialog.cancel_button, Qt.Key.Key_Return)


def test_harmless_action_has_the_focus(qtbot: QtBot, look: Look) -> None:
    dialog = consent(qtbot, is_destructive=False)

    qtbot.waitUntil(dialog.action_button.hasFocus)


def test_action_is_accepted_when_pressed(qtbot: QtBot, look: Look) -> None:
    dialog = consent(qtbot)

    with qtbot.waitSignal(dialog.accepted, timeout=1000):
        qtbot.mouseClick(dialog.action_button, Qt.MouseButton.LeftButton)


def test_escape_refuses(qtbot: QtBot, look: Look) -> None:
    dialog = consent(qtbot)

    with qtbot.waitSignal(dialog.rejected, timeout=1000):
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)


def test_hostile_names_are_shown_as_they_are_written(qtbot: QtBot, look: Look) -> None:
    for text in HOSTILE_STRINGS:
        dialog = consent(qtbot, name=text)
        texts = [label for label in dialog.findChildren(QLabel) if label.text()]
        assert all(label.textFormat() == Qt.TextFormat.PlainText for label in texts)
        assert dialog.width() < 2_000
        dialog.reject()


def test_quit_keeps_training_when_return_is_pressed(qtbot: QtBot, question: QuitQuestion) -> None:
    qtbot.waitUntil(question.keep_button.hasFocus)

    with qtbot.waitSignal(question.keep_training_requested, timeout=1000), qtbot.assertNotEmitted(question.cancelled):
        qtbot.keyClick(question.keep_button, Qt.Key.Key_Return)


def test_quit_saves_and_stops_when_asked(qtbot: QtBot, question: QuitQuestion) -> None:
    with qtbot.waitSignal(question.save_and_stop_requested, timeout=1000), qtbot.assertNotEmitted(question.cancelled):
        qtbot.mouseClick(question.stop_button, Qt.MouseButton.LeftButton)


def test_quit_is_cancelled_by_escape(qtbot: QtBot, question: QuitQuestion) -> None:
    with (
        qtbot.assertNotEmitted(question.keep_training_requested),
        qtbot.assertNotEmitted(question.save_and_stop_requested),
        qtbot.waitSignal(question.cancelled, timeout=1000),
    ):
        qtbot.keyClick(question, Qt.Key.Key_Escape)


def test_every_part_has_a_name(qtbot: QtBot, look: Look, question: QuitQuestion) -> None:
    assert unnamed_widgets(question) == []
    assert unnamed_widgets(consent(qtbot)) == []
