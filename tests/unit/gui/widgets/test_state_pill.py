"""The pill: one word, its tone, its name."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.theme.tokens import DARK, LIGHT, Tokens, contrast
from gui.widgets.state_pill import PillTone, StatePill, pill_colors

TONES: tuple[PillTone, ...] = ("neutral", "accent", "good", "warning", "stop")


def test_pill_says_its_word_to_screen_readers(qtbot: QtBot, look: Look) -> None:
    pill = StatePill("Idle")
    qtbot.addWidget(pill)

    pill.set_state("Needs you", "stop")

    assert (pill.text, pill.tone, pill.accessibleName()) == ("Needs you", "stop", "Needs you")


def test_pill_grows_with_its_word(qtbot: QtBot, look: Look) -> None:
    pill = StatePill("Idle")
    qtbot.addWidget(pill)
    narrow = pill.sizeHint().width()

    pill.set_state("Recovering", "warning")

    assert pill.sizeHint().width() > narrow


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("tone", TONES)
def test_pill_can_be_read(tokens: Tokens, tone: PillTone) -> None:
    ground, ink = pill_colors(tokens, tone)

    assert contrast(ground, ink) >= 4.5
