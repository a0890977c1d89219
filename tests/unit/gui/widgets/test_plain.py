"""Text from data: as it is written, on one line, unable to act."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, strategies
from PySide6.QtGui import QTextDocument

from gui.widgets.plain import plain, plain_lines, tooltip, unmnemonic
from tests.fakes.hostile_strings import HOSTILE_STRINGS

EVERY = pytest.mark.parametrize("text", HOSTILE_STRINGS, ids=range(40))
JOINERS = "\u200c\u200d"


def unseen(text: str, allowed: str = "") -> list[str]:
    """Characters that show nothing and may move what stands beside them."""
    kinds = ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")
    return [sign for sign in text if unicodedata.category(sign) in kinds and sign not in JOINERS + allowed]


@EVERY
def test_plain_leaves_nothing_that_acts(text: str) -> None:
    shown = plain(text)

    assert unseen(shown) == []
    assert len(shown) <= 240


@EVERY
def test_plain_lines_keeps_lines_and_tabs_only(text: str) -> None:
    assert unseen(plain_lines(text), allowed="\n\t") == []


@given(strategies.text())
def test_plain_changes_nothing_when_it_is_asked_twice(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert len(plain(text, 20)) <= 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>bold</b> & more", "<b>bold</b> & more"),
        ("one\ntwo\tthree", "one two three"),
        ("report\u202egnp.jsonl", "report�gnp.jsonl"),
        ("null\x00inside", "null�inside"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("ä b.jsonl", "ä b.jsonl"),
        ("", ""),
    ],
)
def test_plain_shows_what_is_written(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_plain_ends_in_dots_when_the_text_is_longer() -> None:
    assert plain("a" * 300) == "a" * 239 + "…"


def test_plain_keeps_a_few_marks_on_a_letter_and_no_tower() -> None:
    assert plain("a" + "\u0300" * 100 + "b") == "a" + "\u0300" * 4 + "b"


@EVERY
def test_tooltip_shows_exactly_the_characters(qapp: object, text: str) -> None:
    document = QTextDocument()
    document.setHtml(tooltip(text))

    assert document.toPlainText().replace("\xa0", " ") == plain_lines(text, 1_000).replace("\xa0", " ")


def test_tooltip_is_empty_when_there_is_nothing_to_say() -> None:
    assert tooltip("") == ""


def test_unmnemonic_keeps_the_ampersand_visible() -> None:
    assert unmnemonic("Fish & Chips && more") == "Fish && Chips &&&& more"
