"""The curve: the whole history thinned to some thousand points, and the newest steps each by itself.

Where a view looks closer than the points allow, it gets a window of finer points from the service, laid into the
curve. Steps that were missed are filled in; a step that was trained again replaces what stood there.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from backend.contract.events import StepDone
from backend.contract.results import HistoryMarksResult, HistoryResult
from backend.contract.status import EvaluationRow, FileSpan, ResumeMark
from gui.state.columns import STEP, TOKENS, Columns, Numbers, table_of, thinned

OVERVIEW_POINTS = 4000
_MAX_POINTS = 12_000
_FULL_TAIL = 4000
_MAX_BUCKETS = 5000
_MOST_SEEN = 2000
"""More points than this in view look no finer."""
_GROWTH_MS = 1000
"""The span of the file that runs grows with every step; so often it is told."""
_AXES = {"step": "step", "time": "at", "tokens": "tokens"}


class MetricHistory(QObject):
    """What was measured at each step, as numpy columns for the chart."""

    changed = Signal()
    """Anything may be different: draw anew."""
    appended = Signal(int)
    """So many points were added at the end, nothing else is different."""
    marks_changed = Signal()
    request_range = Signal(int, int, int)
    """First step, last step, buckets: the view looks closer than the points allow."""
    gap_found = Signal(int, int)
    """First and last step that were missed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.evaluations: list[EvaluationRow] = []
        self.files: list[FileSpan] = []
        self.resumes: list[ResumeMark] = []
        self._whole = Columns()
        self._window: Numbers | None = None
        self._window_start = 0
        self._wanted = (0, 0, 0)
        self._shown = self._whole  # the whole with the window laid in; the same object when there is none
        self._growth_timer = QTimer(self)
        self._growth_timer.setSingleShot(True)
        self._growth_timer.setInterval(_GROWTH_MS)
        self._growth_timer.timeout.connect(self.marks_changed)

    # -- the service's word

    def load(self, history: HistoryResult) -> None:
        """Take the whole history anew."""
        self._whole = Columns(table_of(history))
        self._window = None
        self._wanted = (0, 0, 0)
        self._lay_in_window()
        self.changed.emit()

    def append(self, step: StepDone, file_name: str = "") -> None:
        """Take the newest step; an older one replaces what stood there."""
        newest = self.newest_step
        self._extend_files(step, file_name)
        if step.global_step <= newest:
            self._replay(step)
            return
        if newest and step.global_step > newest + 1:
            self.gap_found.emit(newest + 1, step.global_step - 1)
        values = _values(step, self._whole.last("tokens") + step.num_tokens)
        self._whole.append(values)
        if self._shown is not self._whole:
            self._shown.append(values)
        if len(self._whole) > _MAX_POINTS:
            self._fold()
            self.changed.emit()
        else:
            self.appended.emit(1)

    def fill(self, history: HistoryResult) -> None:
        """Lay missed steps in between."""
        missed = table_of(history)
        if missed.shape[1] == 0:
            return
        table = self._whole.table()
        first, last = missed[STEP, 0] - history.steps_per_point, missed[STEP, -1]
        before, after = table[:, table[STEP] <= first], table[:, table[STEP] > last].copy()
        known = table[TOKENS, table[STEP] <= last]
        if known.size:  # what came after was counted without the missed ones
            after[TOKENS] += missed[TOKENS, -1] - known[-1]
        self._whole = Columns(np.concatenate([before, missed, after], axis=1))
        self._lay_in_window()
        self.changed.emit()

    def set_window(self, history: HistoryResult) -> None:
        """Lay finer points into the curve where they are finer."""
        table = table_of(history)
        table = table[:, table[STEP] <= self.newest_step]
        self._window = table if table.shape[1] else None
        self._window_start = int(table[STEP, 0]) - history.steps_per_point + 1 if table.shape[1] else 0
        self._lay_in_window()
        self.changed.emit()

    def set_marks(self, marks: HistoryMarksResult) -> None:
        """Take files, places of recovery and evaluations anew."""
        self.files = list(marks.files)
        self.resumes = list(marks.resumes)
        self.evaluations = sorted(marks.evaluations, key=lambda row: row.step)
        self.marks_changed.emit()

    def add_evaluation(self, row: EvaluationRow) -> None:
        """Take one evaluation; it replaces an older one of the same step."""
        at = bisect_left(self.evaluations, row.step, key=lambda known: known.step)
        is_again = at < len(self.evaluations) and self.evaluations[at].step == row.step
        self.evaluations[at : at + is_again] = [row]
        self.marks_changed.emit()

    # -- what is there

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def newest_step(self) -> int:
        """0 before the first."""
        return int(self._whole.last("step"))

    def series(self, name: str) -> Numbers:
        """One column: step, at, tokens, loss, loss_min, loss_max, learning_rate, grad_norm, tokens_per_second,
        memory_bytes. Read-only; stays valid while steps are appended."""
        return self._shown.column(name)

    def axis(self, name: str) -> Numbers:
        """The column of an axis: `step`, `time` (unix seconds) or `tokens`."""
        return self.series(_AXES[name])

    def on_axis(self, name: str, step: float) -> float:
        """Where a step lies on an axis; between points in proportion."""
        if name == "step" or not len(self):
            return step
        return float(np.interp(step, self.series("step"), self.axis(name)))

    def step_at(self, name: str, value: float) -> float:
        """Which step lies at a value of an axis."""
        if name == "step" or not len(self):
            return value
        return float(np.interp(value, self.axis(name), self.series("step")))

    def validation_points(self, axis: str = "step") -> tuple[Numbers, Numbers]:
        """Where validation was measured, and the losses."""
        measured = [row for row in self.evaluations if row.validation_loss is not None]
        x = np.array([row.step for row in measured], dtype=np.float64)
        if axis != "step" and len(self):
            x = np.interp(x, self.series("step"), self.axis(axis))
        return x, np.array([row.validation_loss for row in measured], dtype=np.float64)

    def evaluation_before(self, step: float) -> EvaluationRow | None:
        """The newest evaluation at or before a step."""
        at = bisect_left(self.evaluations, step + 1e-9, key=lambda row: row.step)
        return self.evaluations[at - 1] if at else None

    @property
    def thinned_tail(self) -> tuple[int, int] | None:
        """First and last step of the newest ones that stand here thinned; None when each has its own point.

        It begins where a point begins, so that `fill` loses none.
        """
        steps = self._whole.column("step")
        at = int(np.searchsorted(steps, self.newest_step - _FULL_TAIL // 2, "right"))
        if at == len(steps) or len(steps) - at == self.newest_step - (steps[at - 1] if at else 0):
            return None
        return int(steps[at - 1] if at else 0) + 1, self.newest_step

    def look(self, first_step: int, last_step: int, num_pixels: int) -> None:
        """A view shows these steps on so many pixels: ask for finer points when it could show more than there are."""
        first, last = max(1, first_step), min(self.newest_step, last_step)
        if last <= first or num_pixels <= 0:
            return
        steps = self.series("step")
        num_there = int(np.searchsorted(steps, last, "right") - np.searchsorted(steps, first, "left"))
        if num_there >= min(last - first, num_pixels, _MOST_SEEN):
            return
        margin = (last - first) // 2
        start, end = max(1, first - margin), min(self.newest_step, last + margin)
        wanted = start, end, min(_MAX_BUCKETS, 4 * num_pixels, end - start + 1)
        if wanted != self._wanted:  # the answer may have no more points than there are
            self._wanted = wanted
            self.request_range.emit(*wanted)

    # -- private

    def _replay(self, step: StepDone) -> None:
        for columns in {id(self._whole): self._whole, id(self._shown): self._shown}.values():
            steps = columns.column("step")
            at = int(np.searchsorted(steps, step.global_step))
            width = steps[at] - (steps[at - 1] if at else 0)
            if steps[at] == step.global_step and width <= 1:
                columns.replace(at, _values(step, float(columns.column("tokens")[at])))
        self.changed.emit()

    def _fold(self) -> None:
        """Thin what is old, keep the newest steps as they are."""
        table = self._whole.table()
        split = table.shape[1] - _FULL_TAIL
        width = math.ceil(table[STEP, split - 1] / OVERVIEW_POINTS)
        self._whole = Columns(np.concatenate([thinned(table[:, :split], width), table[:, split:]], axis=1))
        self._lay_in_window()

    def _lay_in_window(self) -> None:
        window = self._window
        if window is None:
            self._shown = self._whole
            return
        table = self._whole.table()
        before, after = table[:, table[STEP] < self._window_start], table[:, table[STEP] > window[STEP, -1]]
        self._shown = Columns(np.concatenate([before, window, after], axis=1))

    def _extend_files(self, step: StepDone, file_name: str) -> None:
        last = self.files[-1] if self.files else None
        if last is not None and last.job_id == step.job_id:
            if step.global_step > last.last_step:
                self.files[-1] = FileSpan(
                    job_id=last.job_id,
                    file_name=last.file_name or file_name,
                    first_step=last.first_step,
                    last_step=step.global_step,
                )
                if not self._growth_timer.isActive():
                    self._growth_timer.start()
        elif last is None or step.global_step > last.last_step:
            span = FileSpan(
                job_id=step.job_id, file_name=file_name, first_step=step.global_step, last_step=step.global_step
            )
            self.files.append(span)
            self.marks_changed.emit()


def _values(step: StepDone, tokens: float) -> tuple[float, ...]:
    """A step as a point of its own."""
    return (
        step.global_step,
        step.at,
        tokens,
        step.loss,
        step.loss,
        step.loss,
        step.learning_rate,
        step.grad_norm,
        step.tokens_per_second,
        step.memory_bytes,
    )
