"""The one table of colours and sizes, light and dark. Pure values: no Qt, no work."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Theme(StrEnum):
    """The two looks."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Every colour the window uses, as `#rrggbb`. Colour only for meaning: see the names."""

    theme: Theme
    # Surfaces, from the back to the front.
    window: str
    panel: str
    panel_raised: str
    border: str
    border_strong: str
    hover: str
    pressed: str
    selection: str
    track: str
    """The empty part of a progress bar."""
    # Text. `text_faint` is for marks that carry no meaning of their own (drag handles, axis ticks).
    text: str
    text_muted: str
    text_faint: str
    # Meaning: blue trains, amber validates or warns, green is good, red stops.
    accent: str
    accent_soft: str
    on_accent: str
    """Text on a surface filled with `accent`."""
    validation: str
    """The validation line; for words use `warning`."""
    warning: str
    warning_soft: str
    good: str
    good_soft: str
    stop: str
    stop_soft: str
    on_stop: str
    """Text on a surface filled with `stop`."""
    focus: str
    # Gauge zones, drop zone, chart.
    gauge_good: str
    gauge_warning: str
    gauge_stop: str
    drop: str
    drop_border: str
    grid: str
    train_raw: str
    """The unsmoothed train line behind the smooth one."""
    crosshair: str
    band_a: str
    band_b: str
    tooltip: str
    shadow: str


DARK = Tokens(
    theme=Theme.DARK,
    window="#14171c",
    panel="#1b1f26",
    panel_raised="#242a34",
    border="#2a303a",
    border_strong="#3d4552",
    hover="#232933",
    pressed="#2b3340",
    selection="#22304a",
    track="#2a303a",
    text="#e6e9ee",
    text_muted="#929cac",
    text_faint="#5d6675",
    accent="#4c9fff",
    accent_soft="#1f2d42",
    on_accent="#0b1420",
    validation="#f2a33c",
    warning="#f0b429",
    warning_soft="#332b1b",
    good="#3fb97f",
    good_soft="#192c29",
    stop="#f27572",
    stop_soft="#372326",
    on_stop="#1b0d0d",
    focus="#4c9fff",
    gauge_good="#3fb97f",
    gauge_warning="#f0b429",
    gauge_stop="#ef6461",
    drop="#161d27",
    drop_border="#31629a",
    grid="#262d36",
    train_raw="#2f5687",
    crosshair="#6b7686",
    band_a="#1c242f",
    band_b="#1c262a",
    tooltip="#242a34",
    shadow="#000000",
)

LIGHT = Tokens(
    theme=Theme.LIGHT,
    window="#f5f6f8",
    panel="#ffffff",
    panel_raised="#ffffff",
    border="#e1e5ea",
    border_strong="#c3cad4",
    hover="#f0f2f5",
    pressed="#e6e9ee",
    selection="#e8f0fe",
    track="#e1e5ea",
    text="#1c2330",
    text_muted="#606a7d",
    text_faint="#98a1af",
    accent="#1b66de",
    accent_soft="#e8f0fe",
    on_accent="#ffffff",
    validation="#c77700",
    warning="#8f5a00",
    warning_soft="#fbf1de",
    good="#14734a",
    good_soft="#d9ede5",
    stop="#c23430",
    stop_soft="#fbe7e6",
    on_stop="#ffffff",
    focus="#1b66de",
    gauge_good="#1a8f5a",
    gauge_warning="#b7791f",
    gauge_stop="#cf3a36",
    drop="#eaeff7",
    drop_border="#7daaf0",
    grid="#eaeef3",
    train_raw="#a9c8f8",
    crosshair="#8a93a2",
    band_a="#f6f9fe",
    band_b="#f3f9f7",
    tooltip="#ffffff",
    shadow="#5b6474",
)

GRID = 8
"""Distances are multiples (or halves) of this, in device-independent pixels."""
GAP = 12
"""Between cards."""
CARD_PADDING = 14
CARD_RADIUS = 10
CONTROL_RADIUS = 6
CONTROL_HEIGHT = 30
FOCUS_WIDTH = 2

BODY_PX = 13
"""Text; the mockup's first size."""
SMALL_PX = 11
"""Details; the mockup's second size."""
FIGURE_PX = 28
"""The one large figure of a card."""


def tokens_of(theme: Theme) -> Tokens:
    """The table of a theme."""
    return DARK if theme is Theme.DARK else LIGHT


def contrast(first: str, second: str) -> float:
    """WCAG contrast ratio of two `#rrggbb` colours, 1..21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(base: str, other: str, share: float) -> str:
    """`base` with `share` (0..1) of `other` in it."""
    pairs = zip(_channels(base), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(color))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
