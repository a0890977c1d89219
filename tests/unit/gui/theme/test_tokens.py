"""The table of colours: complete, and readable for everybody."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from gui.theme.tokens import DARK, LIGHT, Theme, Tokens, contrast, mixed, tokens_of

BOTH = pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
GROUNDS = ("window", "panel", "panel_raised", "hover", "selection", "drop", "tooltip")


@BOTH
def test_every_colour_is_written_as_six_hex_digits(tokens: Tokens) -> None:
    colors = [getattr(tokens, field.name) for field in fields(tokens) if field.name != "theme"]

    assert all(re.fullmatch(r"#[0-9a-f]{6}", color) for color in colors)


@BOTH
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("ink", ["text", "text_muted", "accent", "warning", "good", "stop"])
def test_words_have_enough_contrast_on_every_ground(tokens: Tokens, ground: str, ink: str) -> None:
    assert contrast(getattr(tokens, ink), getattr(tokens, ground)) >= 4.5


@BOTH
@pytest.mark.parametrize("ink", ["accent", "warning", "good", "stop"])
def test_pills_can_be_read_on_their_own_ground(tokens: Tokens, ink: str) -> None:
    assert contrast(getattr(tokens, ink), getattr(tokens, f"{ink}_soft")) >= 4.5


@BOTH
def test_filled_buttons_can_be_read(tokens: Tokens) -> None:
    assert contrast(tokens.on_accent, tokens.accent) >= 4.5
    assert contrast(tokens.on_stop, tokens.stop) >= 4.5


@BOTH
@pytest.mark.parametrize("ground", ["window", "panel"])
def test_focus_ring_and_lines_stand_out_from_their_ground(tokens: Tokens, ground: str) -> None:
    for line in (tokens.focus, tokens.validation, tokens.accent):
        assert contrast(line, getattr(tokens, ground)) >= 3.0


@BOTH
def test_table_knows_its_theme(tokens: Tokens) -> None:
    assert tokens_of(tokens.theme) is tokens


def test_contrast_is_21_between_black_and_white_in_either_order() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)


def test_mixed_goes_from_the_first_to_the_second() -> None:
    assert mixed("#000000", "#ffffff", 0.0) == "#000000"
    assert mixed("#000000", "#ffffff", 1.0) == "#ffffff"
    assert mixed("#102030", "#305070", 0.5) == "#203850"


def test_theme_words_are_those_a_person_chooses() -> None:
    assert [theme.value for theme in Theme] == ["light", "dark"]
