"""The font of the window: Inter from `resources/fonts`, the system's own where that does not load."""

from __future__ import annotations

import logging
from pathlib import Path

from PySide6.QtGui import QFont, QFontDatabase

from gui.theme.tokens import BODY_PX, FIGURE_PX, SMALL_PX

_FOLDER = Path(__file__).resolve().parents[2] / "resources" / "fonts"
_FILES = ("Inter-Regular.otf", "Inter-Medium.otf", "Inter-SemiBold.otf")

_log = logging.getLogger("gui.theme")


def load_font(folder: Path = _FOLDER) -> QFont:
    """The body font, tabular figures on. Needs a QGuiApplication."""
    families = [family for name in _FILES for family in _load(folder / name)]
    if families:
        font = QFont(families[0])
    else:
        _log.info("Inter did not load from %s; the system font is used", folder)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPixelSize(BODY_PX)
    font.setFeature(QFont.Tag("tnum"), 1)
    font.setFeature(QFont.Tag("calt"), 0)  # Inter draws "->" as an arrow: data must be shown as it is written
    font.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    return font


def small(font: QFont) -> QFont:
    """Details, second lines, axis ticks."""
    return _sized(font, SMALL_PX, QFont.Weight.Normal)


def strong(font: QFont) -> QFont:
    """Titles and what must be seen first, at the size of the text."""
    return _sized(font, font.pixelSize() if font.pixelSize() > 0 else BODY_PX, QFont.Weight.DemiBold)


def figure(font: QFont) -> QFont:
    """The one large number of a card."""
    large = _sized(font, FIGURE_PX, QFont.Weight.DemiBold)
    large.unsetFeature(QFont.Tag("tnum"))  # it stands alone: nothing to line up with
    return large


def monospaced() -> QFont:
    """For paths and details that people copy."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(BODY_PX - 1)
    return font


def _load(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(path)))


def _sized(font: QFont, pixels: int, weight: QFont.Weight) -> QFont:
    sized = QFont(font)
    sized.setPixelSize(pixels)
    sized.setWeight(weight)
    return sized
