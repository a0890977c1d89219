"""Moves the view: wheel, drag and keys become a range, and the range becomes what the plot shows.

The wheel zooms along x at the cursor and dragging moves; the scale of y follows what is seen until Ctrl and the wheel,
or the wheel on its numbers, take it over. Fit gives everything back.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent

from gui.widgets.chart_layers import smooth_columns
from gui.widgets.chart_levels import EMPTY, Columns, Series
from gui.widgets.chart_picture import Picture
from gui.widgets.chart_plot import PlotView
from gui.widgets.chart_range import VisibleRange, fitted_y

_ZOOM_STEP, _PAN_SHARE = 0.8, 0.1
_MOST_DECADES = 300.0
"""Powers of ten that a float still holds, and far beyond what anybody looks at."""
_RANGE_DELAY_MS = 120
_RANGE_CHANGE = 0.02
"""Finer points are asked for once an end of the view moved by this share of it."""


class ChartNavigation(QObject):
    """Where one plot looks."""

    range_changed = Signal(float, float, int)  # x0, x1, pixels
    follow_changed = Signal(bool)

    def __init__(self, plot: PlotView, picture: Picture, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._plot = plot
        self._picture = picture
        self._range = VisibleRange()
        self._y: tuple[float, float] | None = None  # None: follows what is seen
        self._is_log = False
        self._told: tuple[float, float, int] | None = None
        self._told_following = self._range.is_following
        self._timer = QTimer(self, singleShot=True, interval=_RANGE_DELAY_MS)
        self._timer.timeout.connect(self._on_timer_timeout)
        plot.box.zoomed.connect(self._on_box_zoomed)
        plot.box.dragged.connect(self._on_box_dragged)
        plot.box.double_clicked.connect(self.fit)
        plot.resized.connect(self.look)

    @property
    def is_following(self) -> bool:
        """The newest step is kept in view."""
        return self._range.is_following

    @property
    def x_range(self) -> tuple[float, float]:
        """What is seen."""
        return self._range.x0, self._range.x1

    def set_least_span(self, span: float) -> None:
        """The closest that zooming goes, and everything in view: x means something else now."""
        self._range.least_span = span
        self.fit()

    def set_log(self, is_log: bool) -> None:
        """Ranges of y are log10 from now on."""
        self._is_log, self._y = is_log, None

    def set_follow(self, is_following: bool) -> None:
        """Keep the newest step in view, until the user looks elsewhere."""
        self._range.is_following = is_following
        if not is_following:
            self._range.is_whole = False
        elif not self._range.x0 <= self._range.last <= self._range.x1:
            self._range.show_newest()
        self.look()

    def fit(self) -> None:
        """Everything, growing with what comes."""
        self._range.show_whole()
        self._range.is_following = True
        self._y = None
        self.look()

    def show(self, x: float) -> None:
        """Bring a place into view."""
        self._range.show(x)
        self.look()

    def show_data(self) -> None:
        """The points changed."""
        ends = [line.x[[0, -1]] for line in (self._picture.raw, self._picture.validation) if len(line)]
        if not ends:
            self.fit()
            return
        self._range.set_extent(float(min(end[0] for end in ends)), float(max(end[1] for end in ends)))
        self.look()

    def look(self) -> None:
        """Show the range, and tell of it in a moment."""
        self._plot.set_range(self.x_range, self._y or self._fitted_y())
        if self._told_following != self._range.is_following:
            self._told_following = self._range.is_following
            self.follow_changed.emit(self._told_following)
        if not self._timer.isActive():
            self._timer.start()

    def press(self, event: QKeyEvent, cursor: float | None) -> bool:
        """Obey a key; zooming keeps the crosshair, if there is one, where it is."""
        key, seen = event.key(), self._range
        middle = cursor if cursor is not None else (seen.x0 + seen.x1) / 2
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            seen.pan(seen.span * (_PAN_SHARE if key == Qt.Key.Key_Right else -_PAN_SHARE))
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            mapping = self._plot.mapping()
            self._move_y(mapping.height * (_PAN_SHARE if key == Qt.Key.Key_Up else -_PAN_SHARE))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            seen.zoom(_ZOOM_STEP, middle)
        elif key == Qt.Key.Key_Minus:
            seen.zoom(1 / _ZOOM_STEP, middle)
        elif key == Qt.Key.Key_Home:
            seen.pan(seen.first - seen.x0)
        elif key == Qt.Key.Key_End:
            seen.is_following = True
            seen.show_newest()
        elif key == Qt.Key.Key_F:
            self.set_follow(not seen.is_following)
        elif key == Qt.Key.Key_0:
            self.fit()
        else:
            return False
        self.look()
        return True

    def _move_y(self, down: float) -> None:
        mapping = self._plot.mapping()
        moved = down * (mapping.y1 - mapping.y0) / max(mapping.height, 1.0)
        self._y = mapping.y0 + moved, mapping.y1 + moved

    def _fitted_y(self) -> tuple[float, float]:
        picture, width = self._picture, max(int(self._plot.mapping().width), 1)
        lines, noise = [], EMPTY
        if picture.shows_train:
            noise = self._seen(picture.raw, width)
            lines.append(self._seen(picture.smooth, smooth_columns(width)))
        if picture.shows_validation:
            lines.append(self._seen(picture.validation, width))
        return fitted_y(lines, noise, is_log=self._is_log)

    def _seen(self, line: Series, num_columns: int) -> Columns:
        return line.columns(*self.x_range, num_columns).cut(*self.x_range)

    def _on_box_zoomed(self, axis: int, factor: float, pixel: float) -> None:
        mapping = self._plot.mapping()
        if axis == 0:
            self._range.zoom(factor, mapping.x_at(pixel))
        else:
            at = mapping.y_at(pixel)
            wanted = at - (at - mapping.y0) * factor, at + (mapping.y1 - at) * factor
            if not self._is_log or max(abs(wanted[0]), abs(wanted[1])) <= _MOST_DECADES:
                self._y = wanted
        self.look()

    def _on_box_dragged(self, axis: int, right: float, down: float) -> None:
        if axis != 1 and right:
            self._range.pan(-right * self._range.span / max(self._plot.mapping().width, 1.0))
        if axis == 1 or (axis == -1 and self._y is not None):
            self._move_y(down)
        self.look()

    def _on_timer_timeout(self) -> None:
        if self._picture.is_empty:
            return
        now = (*self.x_range, max(int(self._plot.mapping().width), 1))
        told, limit = self._told, self._range.span * _RANGE_CHANGE
        if told and told[2] == now[2] and max(abs(told[0] - now[0]), abs(told[1] - now[1])) < limit:
            return
        self._told = now
        self.range_changed.emit(*now)
