"""The gauge: a word and a colour for the gap, also for one that nobody knows."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from gui.theme.palette import Look
from gui.widgets.gap_gauge import GapGauge

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints", extend=True)


@pytest.fixture
def gauge(qtbot: QtBot, look: Look) -> GapGauge:
    made = GapGauge()
    qtbot.addWidget(made)
    made.resize(270, 90)
    made.show()
    return made


@pytest.mark.parametrize(
    ("gap", "word", "ink"),
    [
        (None, "not measured yet", "text_muted"),
        (float("nan"), "not measured yet", "text_muted"),
        (-3.68, "not comparable", "text_muted"),
        (-0.51, "not comparable", "text_muted"),
        (-0.5, "good", "good"),
        (-0.2, "good", "good"),
        (0.12, "good", "good"),
        (0.3, "widening", "warning"),
        (0.5, "overfitting", "stop"),
        (90.0, "overfitting", "stop"),
    ],
)
def test_verdict_follows_the_gap(qtbot: QtBot, gauge: GapGauge, gap: float | None, word: str, ink: str) -> None:
    with qtbot.waitSignal(gauge.verdict_changed) as told:
        gauge.set_gap(gap)

    assert told.args == [word, ink]
    assert word in gauge.accessibleDescription()


def test_gap_that_cannot_be_compared_says_why(gauge: GapGauge) -> None:
    def tooltips() -> str:
        return " ".join(child.toolTip() for child in gauge.findChildren(QWidget))

    gauge.set_gap(-3.68)
    assert "of another kind than the validation rows" in tooltips()

    gauge.set_gap(0.1)
    assert "validation rows" not in tooltips()


def test_verdict_is_told_once_when_the_gap_stays(qtbot: QtBot, gauge: GapGauge) -> None:
    gauge.set_gap(0.12)

    with qtbot.assertNotEmitted(gauge.verdict_changed):
        gauge.set_gap(0.12)


def test_marker_moves_with_the_gap(gauge: GapGauge) -> None:
    gauge.set_gap(0.1)
    left = gauge.grab().toImage()

    gauge.set_gap(0.4)

    assert gauge.grab().toImage() != left


def test_marker_stays_on_the_scale_when_the_gap_is_far_off(gauge: GapGauge) -> None:
    gauge.set_gap(1e9)
    assert not gauge.grab().isNull()

    gauge.set_gap(-1e9)
    assert not gauge.grab().isNull()
