"""The drawings: one stroke, one size, any colour, no foreign content."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from gui.theme.icons import icon, icon_names, icon_pixmap

FOLDER = Path(__file__).resolve().parents[4] / "resources" / "icons"
NEEDED = {
    "train", "data", "models", "try", "health", "settings", "pause", "play", "skip", "stop", "stop_after", "undo",
    "redo", "drop", "folder", "file", "plus", "warning", "check", "close", "search", "tray", "drag", "retry", "hold",
    "error", "info", "download", "export", "fit", "follow", "clock", "copy", "trash", "everstep",
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.svg")))


def test_every_needed_drawing_is_there() -> None:
    assert set(icon_names()) >= NEEDED


@EVERY
def test_drawing_keeps_to_the_house_rules(name: str) -> None:
    text = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)

    assert root.get("viewBox") == "0 0 24 24"
    assert root.get("stroke") == "currentColor"
    assert root.get("stroke-linecap") == "round"
    assert root.get("stroke-width") == ("2.25" if name in ("drag", "more") else "1.75")
    assert {element.tag.rpartition("}")[2] for element in root} <= {"path", "rect", "circle", "ellipse"}
    assert re.search(r"https?:(?!//www\.w3\.org/2000/svg)|<script|href", text) is None


@EVERY
def test_drawing_is_seen_in_the_colour_asked_for(qapp: QApplication, name: str) -> None:
    drawn = icon_pixmap(name, "#4c9fff", 24, ratio=2.0)
    image = drawn.toImage().convertToFormat(QImage.Format.Format_ARGB32)
    solid = [
        QColor.fromRgba(image.pixel(x, y)).name()
        for x in range(image.width())
        for y in range(image.height())
        if QColor.fromRgba(image.pixel(x, y)).alpha() == 255
    ]

    assert drawn.size() == QSize(48, 48)
    assert drawn.devicePixelRatio() == 2.0
    assert solid
    assert set(solid) == {"#4c9fff"}


def test_icon_is_sharp_on_a_screen_of_two_hundred_percent(qapp: QApplication) -> None:
    pixmap = icon("pause", "#ffffff").pixmap(QSize(20, 20), 2.0)

    assert pixmap.size() == QSize(40, 40)


def test_icon_fails_loudly_when_there_is_no_such_drawing(qapp: QApplication) -> None:
    with pytest.raises(FileNotFoundError):
        icon_pixmap("no_such_drawing", "#ffffff", 16)
