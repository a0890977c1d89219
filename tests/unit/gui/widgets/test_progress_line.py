"""The line: fills with what is known, travels with what is not, and rests unseen."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets import progress_line
from gui.widgets.progress_line import ProgressLine


@pytest.fixture
def line(qtbot: QtBot, look: Look) -> ProgressLine:
    made = ProgressLine()
    qtbot.addWidget(made)
    made.resize(200, 4)
    made.show()
    return made


def num_filled(line: ProgressLine, look: Look) -> int:
    image = line.grab().toImage()
    return sum(image.pixelColor(x, 2) == QColor(look.tokens.accent) for x in range(image.width()))


@pytest.mark.parametrize(("share", "pixels"), [(0.0, 0), (0.5, 100), (1.0, 200), (7.0, 200), (-1.0, 0)])
def test_line_fills_with_its_share(line: ProgressLine, look: Look, share: float, pixels: int) -> None:
    line.set_share(share)

    assert num_filled(line, look) == pytest.approx(pixels, abs=4)


def test_line_travels_when_the_end_is_not_known(qtbot: QtBot, line: ProgressLine) -> None:
    line.set_share(None)
    first = line.grab().toImage()

    qtbot.waitUntil(lambda: line.grab().toImage() != first)


def test_line_rests_when_it_is_not_seen(line: ProgressLine) -> None:
    line.set_share(None)
    line.hide()
    assert not line._frames.isActive()

    line.show()
    assert line._frames.isActive()

    line.set_share(0.5)
    assert not line._frames.isActive()


def test_line_stands_still_when_motion_is_not_wanted(line: ProgressLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_line, "motion_wanted", lambda app: False)

    line.set_share(None)

    assert not line._frames.isActive()
    assert line.is_endless
