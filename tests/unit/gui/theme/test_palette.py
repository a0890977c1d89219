"""The look: chosen, followed, carried by the palette to every widget."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from gui.theme import palette as palette_module
from gui.theme.palette import Look, is_dark, palette_of, tokens_for
from gui.theme.tokens import DARK, LIGHT, Theme


def test_look_tells_the_new_table_when_another_is_chosen(qtbot: QtBot, look: Look) -> None:
    other = "light" if look.tokens is DARK else "dark"

    with qtbot.waitSignal(look.changed) as told:
        look.choose(other)

    assert told.args == [look.tokens]
    assert look.tokens.theme == other


def test_look_says_nothing_when_the_same_is_chosen_again(qtbot: QtBot, look: Look) -> None:
    with qtbot.assertNotEmitted(look.changed):
        look.choose(look.preference)


def test_look_follows_the_system_when_the_word_is_unknown(look: Look) -> None:
    look.choose("purple")

    assert look.preference == "system"


def test_look_follows_the_system_when_it_turns(
    qtbot: QtBot, qapp: QApplication, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemes = {Theme.DARK: Qt.ColorScheme.Dark, Theme.LIGHT: Qt.ColorScheme.Light}
    look.choose("system")
    other = LIGHT if look.tokens is DARK else DARK
    monkeypatch.setattr(Look, "_system_scheme", lambda _: schemes[other.theme])

    with qtbot.waitSignal(look.changed, timeout=1000) as told:
        qapp.styleHints().colorSchemeChanged.emit(schemes[other.theme])

    assert told.args == [other]


def test_look_keeps_to_the_choice_when_the_system_turns(
    qtbot: QtBot, qapp: QApplication, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheme = Qt.ColorScheme.Light if look.tokens is DARK else Qt.ColorScheme.Dark
    monkeypatch.setattr(Look, "_system_scheme", lambda _: scheme)

    with qtbot.assertNotEmitted(look.changed):
        qapp.styleHints().colorSchemeChanged.emit(scheme)


@pytest.mark.parametrize("is_shown_before", [True, False], ids=["shown before", "shown after"])
def test_widget_gets_its_table_through_the_palette_when_the_look_changes(
    qtbot: QtBot, look: Look, is_shown_before: bool
) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    child = QWidget(parent)
    parent.setVisible(is_shown_before)
    assert tokens_for(child) is look.tokens

    look.choose("light" if look.tokens is DARK else "dark")
    parent.show()

    assert tokens_for(child) is look.tokens


def test_application_is_dressed_in_fusion_and_our_palette(qapp: QApplication, look: Look) -> None:
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(look.tokens.window)
    assert is_dark(qapp.palette()) is (look.tokens is DARK)


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_palette_leaves_no_role_to_the_style(qapp: QApplication, tokens: object) -> None:
    palette = palette_of(tokens)  # type: ignore[arg-type]
    roles = [role for role in QPalette.ColorRole if role.name not in ("NoRole", "NColorRoles")]

    unset = [role.name for role in roles if not palette.isBrushSet(QPalette.ColorGroup.Active, role)]

    assert unset == []


def test_motion_is_wanted_unless_the_system_asks_for_less(qapp: QApplication) -> None:
    assert palette_module.motion_wanted(qapp) is True
