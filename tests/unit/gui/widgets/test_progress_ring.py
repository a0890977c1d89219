"""The ring: more of it with more progress, at any resolution, with a sign inside."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QPixmap
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.progress_ring import ProgressRing, ring_pixmap

BLUE, GREY = "#0000ff", "#888888"


def num_blue(pixmap: QPixmap) -> int:
    image = pixmap.toImage()
    return sum(image.pixelColor(x, y) == QColor(BLUE) for x in range(image.width()) for y in range(image.height()))


def test_ring_fills_with_progress(qapp: object) -> None:
    parts = [num_blue(ring_pixmap(48, share, BLUE, GREY, ratio=1.0)) for share in (None, 0.0, 0.25, 0.5, 1.0)]

    assert parts[0] == parts[1] == 0
    assert parts == sorted(parts)
    assert parts[2] < parts[3] < parts[4]


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -3.0, 7.0])
def test_ring_survives_shares_that_are_none(qapp: object, share: float) -> None:
    assert not ring_pixmap(24, share, BLUE, GREY).isNull()


def test_ring_is_sharp_on_a_screen_of_two_hundred_percent(qapp: object) -> None:
    pixmap = ring_pixmap(24, 0.5, BLUE, GREY, ratio=2.0)

    assert pixmap.size() == QSize(48, 48)
    assert pixmap.deviceIndependentSize().toSize() == QSize(24, 24)


@pytest.mark.parametrize("sign", ["pause", "dot", "check", "alert"])
def test_sign_stands_inside(qapp: object, sign: str) -> None:
    plain, signed = (
        ring_pixmap(32, None, BLUE, GREY, ratio=1.0),
        ring_pixmap(32, None, BLUE, GREY, sign=sign, ratio=1.0),
    )  # type: ignore[arg-type]

    assert num_blue(signed) > num_blue(plain)


def test_ring_widget_tells_its_share(qtbot: QtBot, look: Look) -> None:
    ring = ProgressRing(name="Progress of a.jsonl")
    qtbot.addWidget(ring)
    ring.set_share(0.62)

    assert ring.accessibleName() == "Progress of a.jsonl"
    assert ring.accessibleDescription().startswith("62")
    assert not ring.grab().isNull()
