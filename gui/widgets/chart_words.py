"""What the chart says in words: the card at the crosshair and the line below the plot."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QCoreApplication

from gui.widgets import chart_ticks, numbers
from gui.widgets.chart_levels import Floats
from gui.widgets.chart_picture import HoverCard, Mark, Picture
from gui.widgets.plain import plain

_LONGEST_MARK = 60


def hover_card(picture: Picture, steps: Floats, axis: str, x: float) -> HoverCard | None:
    """The values at the point nearest to x."""
    at = picture.raw.nearest(x) if picture.shows_train else None
    measured = picture.validation.latest(x) if picture.shows_validation else None
    if at is None:
        near = picture.validation.nearest(x) if picture.shows_validation else None
        if near is None:
            return None
        at_x, measured = float(picture.validation.x[near]), near
        place = _place(at_x, at_x if axis == "step" else None, axis)
    else:
        at_x = float(picture.raw.x[at])
        place = _place(at_x, float(steps[at]) if at < len(steps) else None, axis)
    lines, dots = [(place, "text_muted")], []
    train = _train_at(picture, at_x) if at is not None else None
    if train is not None:
        lines.append((_tr("train %1").replace("%1", chart_ticks.loss_text(train)), "accent"))
        dots.append((at_x, train, "accent"))
    if measured is not None:
        value = float(picture.validation.mean[measured])
        lines.append((_tr("validation %1").replace("%1", chart_ticks.loss_text(value)), "warning"))
        gap = gap_at(picture, measured)
        if gap is not None:
            lines.append((_tr("gap %1").replace("%1", numbers.decimal(gap, 2)), "text_muted"))
        if float(picture.validation.x[measured]) == at_x:
            dots.append((at_x, value, "validation"))
    return HoverCard(at_x, tuple(lines), tuple(dots))


def with_marks(card: HoverCard, marks: list[Mark]) -> HoverCard:
    """The card with the words of what lies there."""
    lines = tuple((plain(mark.label, _LONGEST_MARK), "warning") for mark in marks[:2])
    return HoverCard(card.x, card.lines + lines, card.dots)


def gap_at(picture: Picture, measured: int) -> float | None:
    """Validation minus training loss of one evaluation: as measured where that is known, else off the curves."""
    if measured < len(picture.gaps) and np.isfinite(picture.gaps[measured]):
        return float(picture.gaps[measured])
    train = _train_at(picture, float(picture.validation.x[measured]))
    return None if train is None else float(picture.validation.mean[measured]) - train


def summary(picture: Picture, steps: Floats, axis: str) -> str:
    """The newest values in one line, for those who cannot see the plot and for those who want the number."""
    newest = picture.raw.latest()
    if newest is None:
        return ""
    parts = [_place(float(picture.raw.x[newest]), float(steps[newest]) if newest < len(steps) else None, axis)]
    train = _train_at(picture, float(picture.raw.x[newest]))
    if train is not None:
        parts.append(_tr("train %1").replace("%1", chart_ticks.loss_text(train)))
    measured = picture.validation.latest()
    if measured is not None:
        value = float(picture.validation.mean[measured])
        parts.append(_tr("validation %1").replace("%1", chart_ticks.loss_text(value)))
        lowest = float(np.nanmin(picture.validation.mean))
        if lowest < value:
            parts.append(_tr("lowest %1").replace("%1", chart_ticks.loss_text(lowest)))
    return " · ".join(parts)


def _train_at(picture: Picture, x: float) -> float | None:
    line = picture.smooth if len(picture.smooth) else picture.raw
    at = line.nearest(x)
    return None if at is None else float(line.mean[at])


def _place(x: float, step: float | None, axis: str) -> str:
    parts = [] if step is None else [_tr("step %1").replace("%1", numbers.count(step))]
    if axis == "time":
        parts.append(chart_ticks.moment_text(x))
    elif axis == "tokens":
        parts.append(_tr("%1 tokens").replace("%1", chart_ticks.amount_text(x)))
    return " · ".join(parts)


def _tr(text: str) -> str:
    return QCoreApplication.translate("chart_words", text)
