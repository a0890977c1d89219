"""Lines broken to a width: inside words where they must, so many and no more."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFontMetrics, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.labels import PlainLabel
from gui.widgets.wrapped_text import WrappedText

LEFT = Qt.AlignmentFlag.AlignLeft


def laid_out(text: str, width: int = 100, max_lines: int = 5) -> WrappedText:
    wrapped = WrappedText()
    wrapped.lay_out(text, QApplication.font(), width, max_lines=max_lines, alignment=LEFT)
    return wrapped


def num_lines(wrapped: WrappedText) -> int:
    return wrapped.height // QFontMetrics(QApplication.font()).lineSpacing()


@pytest.mark.parametrize(
    ("text", "lines", "is_cut"),
    [
        ("", 1, False),
        ("one", 1, False),
        ("one\ntwo", 2, False),
        ("one\n\nthree", 3, False),
        ("w" * 200, 5, True),
        ("a b " * 200, 5, True),
        ("\n" * 50, 5, True),
    ],
)
def test_text_is_broken_and_cut(look: Look, text: str, lines: int, is_cut: bool) -> None:
    wrapped = laid_out(text)

    assert (num_lines(wrapped), wrapped.is_cut) == (lines, is_cut)


def test_wider_place_needs_fewer_lines(look: Look) -> None:
    text = "a few words that need some room"

    assert num_lines(laid_out(text, 80)) > num_lines(laid_out(text, 400)) == 1


def test_text_without_spaces_stays_inside_its_place(look: Look) -> None:
    image = QImage(160, 120, QImage.Format.Format_RGB32)
    image.fill(QColor("#000000"))
    painter = QPainter(image)
    painter.setPen(QColor("#ffffff"))
    laid_out("w" * 500).draw(painter, QRect(0, 0, 100, 120))
    painter.end()

    outside = [(x, y) for x in range(104, 160) for y in range(120) if image.pixelColor(x, y).lightness() > 40]
    assert outside == []


def test_label_takes_the_height_its_text_needs(qtbot: QtBot, look: Look) -> None:
    label = PlainLabel("w" * 1_000, wrap=True, max_lines=3)
    qtbot.addWidget(label)

    assert label.heightForWidth(200) == 3 * label.fontMetrics().lineSpacing()
    assert label.minimumSizeHint().width() <= 60
    label.show_text("short")
    assert label.heightForWidth(200) == label.fontMetrics().lineSpacing()
