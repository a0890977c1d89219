"""The font: ours where it loads, the system's where not, figures of one width."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QFont, QFontMetricsF
from PySide6.QtWidgets import QApplication

from gui.theme import font as fonts

FOLDER = Path(__file__).resolve().parents[4] / "resources" / "fonts"


@pytest.fixture
def body(qapp: QApplication) -> QFont:
    return fonts.load_font()


def test_load_font_gives_inter(body: QFont) -> None:
    assert body.family() == "Inter"
    assert body.pixelSize() == 13


def test_load_font_gives_the_system_font_when_the_files_are_missing(qapp: QApplication, tmp_path: Path) -> None:
    font = fonts.load_font(tmp_path)

    assert font.family() != "Inter"
    assert font.pixelSize() == 13


def test_load_font_gives_the_system_font_when_the_files_are_damaged(
    qapp: QApplication, tmp_path: Path, qtlog: object
) -> None:
    (tmp_path / "Inter-Regular.otf").write_bytes(b"not a font at all")

    assert fonts.load_font(tmp_path).family() != "Inter"


def test_figures_have_one_width(body: QFont) -> None:
    metrics = QFontMetricsF(body)

    assert len({round(metrics.horizontalAdvance(figure * 10), 2) for figure in "0123456789"}) == 1


def test_signs_are_shown_as_they_are_written(body: QFont) -> None:
    metrics = QFontMetricsF(body)
    apart = metrics.horizontalAdvance("-") + metrics.horizontalAdvance(">")

    assert metrics.horizontalAdvance("->") == pytest.approx(apart, abs=1.5)
    assert body.featureValue(QFont.Tag("calt")) == 0


def test_sizes_are_two_and_one_figure(body: QFont) -> None:
    assert [fonts.small(body).pixelSize(), fonts.strong(body).pixelSize(), fonts.figure(body).pixelSize()] == [
        11,
        13,
        28,
    ]
    assert fonts.strong(body).weight() == QFont.Weight.DemiBold


def test_licence_lies_beside_the_font() -> None:
    assert "SIL OPEN FONT LICENSE" in (FOLDER / "Inter-LICENSE.txt").read_text(encoding="utf-8")
