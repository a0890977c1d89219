"""The smooth line: an exponential moving average that starts unbiased and knows how many steps a point stands for.

With the factor w in 0..0.999 and losses l_1, l_2, ... of single steps,

    s_t = w * s_(t-1) + (1 - w) * l_t,   s_0 = 0,      smoothed_t = s_t / (1 - w^t)

The division takes out the pull of s_0 = 0 (Kingma and Ba, "Adam", ICLR 2015, section 3; TensorBoard's scalar charts
smooth in this way too). A point of a decimated curve is the mean m of n steps; taken as n steps of loss m it gives

    s <- w^n * s + (1 - w^n) * m,        norm <- w^n * norm + (1 - w^n),        smoothed = s / norm

so a factor means the same number of steps at every zoom. A point that is not finite is a gap: it changes nothing and
shows nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gui.widgets.chart_levels import Floats

LARGEST_FACTOR = 0.999
_NEGLIGIBLE = 1e-12
"""A weight below this no longer changes a drawn line."""


def smoothed(mean: ArrayLike, num_steps: ArrayLike, factor: float) -> Floats:
    """The formula above; `num_steps` is how many steps each point stands for.

    Both recurrences have the form s_i = a_i * s_(i-1) + b_i, which composes; doubling the composed length each
    pass does all points at once. Passes end when what lies further back weighs nothing: 9 for 0.94, 15 for 0.999.
    """
    values = np.asarray(mean, dtype=np.float64)
    factor = min(max(factor, 0.0), LARGEST_FACTOR)
    if factor == 0.0 or not len(values):
        return values.copy()
    finite = np.isfinite(values)
    steps = np.maximum(np.asarray(num_steps, dtype=np.float64), 0.0)
    keep = np.where(finite, factor**steps, 1.0)
    total = np.where(finite, (1.0 - keep) * np.where(finite, values, 0.0), 0.0)
    norm = 1.0 - keep
    length = 1
    while length < len(values):
        # Right-hand sides are whole new arrays: a pass reads only what the pass before wrote.
        total[length:] = total[length:] + keep[length:] * total[:-length]
        norm[length:] = norm[length:] + keep[length:] * norm[:-length]
        keep[length:] = keep[length:] * keep[:-length]
        length *= 2
        if length < len(values) and keep[length:].max() < _NEGLIGIBLE:
            break
    line: Floats = np.divide(total, norm, out=np.full(len(values), np.nan), where=finite & (norm > 0.0))
    return line


def steps_of(step: ArrayLike) -> Floats:
    """How many steps each point stands for, when `step` is the last step of each; the first counts as the second."""
    last = np.asarray(step, dtype=np.float64)
    if len(last) < 2:
        return np.ones(len(last))
    widths = np.diff(last)
    return np.maximum(np.concatenate((widths[:1], widths)), 1.0)
