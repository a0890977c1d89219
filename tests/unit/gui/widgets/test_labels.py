"""Labels: exact characters, colours by name, cut only where the place ends."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette, QTextDocument
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.theme.tokens import DARK
from gui.widgets.labels import ElidedLabel, PlainLabel


def ink_of(label: QLabel) -> QColor:
    return label.palette().color(QPalette.ColorRole.WindowText)


def test_plain_label_never_reads_markup(qtbot: QtBot, look: Look) -> None:
    label = PlainLabel("<b>x</b>")
    qtbot.addWidget(label)

    assert label.textFormat() == Qt.TextFormat.PlainText
    assert label.text() == "<b>x</b>"


def test_plain_label_keeps_lines_only_when_it_wraps(qtbot: QtBot, look: Look) -> None:
    one, many = PlainLabel("a\nb"), PlainLabel("a\nb", wrap=True)
    qtbot.addWidget(one)
    qtbot.addWidget(many)

    assert (one.text(), many.text()) == ("a b", "a\nb")


def test_plain_label_takes_the_new_colours_when_the_look_changes(qtbot: QtBot, look: Look) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    label = PlainLabel("x", ink="stop", parent=window)
    window.show()
    assert ink_of(label) == QColor(look.tokens.stop)

    look.choose("light" if look.tokens is DARK else "dark")

    assert ink_of(label) == QColor(look.tokens.stop)


def test_plain_label_changes_ink(qtbot: QtBot, look: Look) -> None:
    label = PlainLabel("x")
    qtbot.addWidget(label)

    label.set_ink("good")

    assert ink_of(label) == QColor(look.tokens.good)


def test_elided_label_has_a_tooltip_only_when_it_is_cut(qtbot: QtBot, look: Look) -> None:
    label = ElidedLabel("a rather long file name.jsonl")
    qtbot.addWidget(label)
    label.resize(400, 20)
    label.show()
    assert label.toolTip() == ""

    label.resize(60, 20)

    document = QTextDocument()
    document.setHtml(label.toolTip())
    assert document.toPlainText() == "a rather long file name.jsonl"


def test_elided_label_needs_little_room_for_a_long_text(qtbot: QtBot, look: Look) -> None:
    label = ElidedLabel("x" * 10_000)
    qtbot.addWidget(label)

    assert label.minimumSizeHint().width() < 60
    assert label.full_text == "x" * 10_000
    assert len(label.text()) == 240
