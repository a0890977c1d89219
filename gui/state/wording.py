"""Numbers inside the sentences of models: thin spaces in thousands, spans of time in two units."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

THIN_SPACE = "\u202f"
"""Narrow and not breaking."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: int) -> str:
    """`12 480`."""
    return f"{number:,}".replace(",", THIN_SPACE)


def duration(seconds: float) -> str:
    """`38 min`, `3 h 05 min`, `2 d 4 h`: never finer than a reader can use."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return _join(whole, "s")
    minutes = round(whole / _MINUTE)
    if minutes < 60:
        return _join(minutes, "min")
    if whole < _DAY:
        return f"{_join(minutes // 60, 'h')} {minutes % 60:02}{THIN_SPACE}min"
    hours = round(whole / _HOUR)
    return f"{_join(hours // 24, QCoreApplication.translate('Duration', 'd'))} {_join(hours % 24, 'h')}"


def loss(value: float) -> str:
    """`0.583`."""
    return f"{value:.3f}"


def share(value: float) -> str:
    """`62 %` of a share 0..1."""
    return f"{value * 100:.0f}{THIN_SPACE}%"


def _join(number: int, unit: str) -> str:
    return f"{number}{THIN_SPACE}{unit}"
