"""The loss chart: a header, a plot and a line of words, and what they are given to show.

This module is the door to pyqtgraph: nothing else of the window imports it or the chart_* modules behind it, so that
the window can paint its first frame before the half second which that import takes.
"""

from __future__ import annotations

import math

from numpy.typing import ArrayLike
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from gui.theme.tokens import LIGHT, Tokens
from gui.widgets import chart_words
from gui.widgets.chart_data import AXES, ChartData
from gui.widgets.chart_header import ChartHeader
from gui.widgets.chart_navigation import ChartNavigation
from gui.widgets.chart_picture import Band, Bands, HoverCard, Mark, Marks, Picture
from gui.widgets.chart_plot import PlotView
from gui.widgets.chart_saving import ChartSaving
from gui.widgets.labels import ElidedLabel

__all__ = ["Band", "LossChart", "Mark"]

_MARK_REACH_PIXELS = 6.0


class LossChart(QWidget):
    """Raw and smooth training loss, validation loss, files and resumes along one axis."""

    range_changed = Signal(float, float, int)  # x0, x1, pixels: finer points of that stretch are wanted
    hovered = Signal(object)  # float | None
    follow_changed = Signal(bool)
    axis_changed = Signal(str)  # points along another axis are wanted
    smoothing_changed = Signal(float)
    log_changed = Signal(bool)
    exported = Signal(str)  # path
    export_failed = Signal(str)  # a sentence

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture = Picture(empty_text=self.tr("The curve begins with the first step."))
        self._title = title or self.tr("Loss")
        self._data = ChartData(self._picture)
        self._is_log = False
        self._card: HoverCard | None = None
        self.header = ChartHeader(self._title, self._data.factor)
        self.plot = PlotView(self._picture)
        self.plot.setAccessibleName(self._title)
        self._summary = ElidedLabel(size="small", ink="text_muted")
        self._saving = ChartSaving(self.plot, self._picture, self._title, self)
        self._navigation = ChartNavigation(self.plot, self._picture, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.header)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self._summary)
        self.setFocusProxy(self.plot)
        self.setMinimumSize(280, 200)
        self._connect_signals()
        self.set_tokens(LIGHT)
        self._show_data()

    # What is shown

    def set_raw(
        self,
        x: ArrayLike,
        mean: ArrayLike,
        lo: ArrayLike | None = None,
        hi: ArrayLike | None = None,
        *,
        step: ArrayLike | None = None,
    ) -> None:
        """The training loss; lo and hi where a point stands for several steps.

        `step` is the last step of each point; along the step axis it is x itself.
        """
        self._data.set_raw(x, mean, lo, hi, step=step)
        self._show_data()

    def set_smoothed(self, x: ArrayLike, y: ArrayLike) -> None:
        """A line smoothed elsewhere; without points the chart smooths the raw one again."""
        self._data.set_smoothed(x, y)
        self._show_data()

    def set_validation(self, x: ArrayLike, y: ArrayLike, *, gap: ArrayLike | None = None) -> None:
        """The validation loss, and the gap to the training loss as it was measured with it."""
        self._data.set_validation(x, y, gap)
        self._show_data()

    def set_bands(self, bands: list[Band]) -> None:
        """Stretches with a name: the files."""
        self._picture.bands = Bands(bands)
        self.plot.curves.invalidate()

    def set_marks(self, marks: list[Mark]) -> None:
        """Places with a few words: where training was resumed."""
        self._picture.marks = Marks(marks)
        self.plot.curves.invalidate()

    def set_tokens(self, tokens: Tokens) -> None:
        """Colours."""
        self._picture.tokens = tokens
        self.header.set_tokens(tokens)
        self.plot.set_tokens(tokens)

    # How it is shown

    @property
    def smoothing(self) -> float:
        """The factor 0..0.999."""
        return self._data.factor

    def set_smoothing(self, factor: float) -> None:
        """0 shows the raw line alone."""
        if self._data.set_factor(factor):
            self.header.set_factor(self._data.factor)
            self._show_data()
            self.smoothing_changed.emit(self._data.factor)

    @property
    def axis(self) -> str:
        """step, time or tokens."""
        return self._data.axis

    def set_axis(self, axis: str) -> None:
        """What x means from now on; whoever gives the points gives them anew."""
        if axis == self._data.axis or axis not in AXES:
            return
        self._data.set_axis(axis)
        self.header.set_axis(axis)
        self.show_hover(None)
        self._navigation.set_least_span(AXES[axis])
        self._show_data()
        self.axis_changed.emit(axis)

    def set_log(self, is_log: bool) -> None:
        """Logarithmic scale of y."""
        if is_log == self._is_log:
            return
        self._is_log = is_log
        self.header.set_log(is_log)
        self._navigation.set_log(is_log)
        self._show_data()
        self.log_changed.emit(is_log)

    @property
    def is_following(self) -> bool:
        """The newest step is kept in view."""
        return self._navigation.is_following

    def set_follow(self, is_following: bool) -> None:
        """Keep the newest step in view, until the user looks elsewhere."""
        self._navigation.set_follow(is_following)

    def fit(self) -> None:
        """Everything, growing with what comes."""
        self._navigation.fit()

    def visible_range(self) -> tuple[float, float]:
        """The x range of the view."""
        return self._navigation.x_range

    def visible_steps(self) -> tuple[int, int]:
        """The steps in view, whatever runs along the bottom; (0, 0) when that is not known."""
        return self._data.steps_between(*self.visible_range())

    # Crosshair

    def set_hover(self, x: float | None) -> None:
        """Show the crosshair where another plot has its own."""
        self._show_card(None if x is None else self._card_at(x))

    def show_hover(self, x: float | None) -> None:
        """Show the crosshair and tell the other plots."""
        before = None if self._card is None else self._card.x
        self.set_hover(x)
        after = None if self._card is None else self._card.x
        if after != before:
            self.hovered.emit(after)

    def _card_at(self, x: float) -> HoverCard | None:
        card = chart_words.hover_card(self._picture, self._data.steps, self._data.axis, x)
        if card is None or self.plot.curves.has_words_at_marks:
            return card
        x0, x1 = self.visible_range()
        reach = _MARK_REACH_PIXELS * (x1 - x0) / max(self.plot.mapping().width, 1.0)
        return chart_words.with_marks(card, self._picture.marks.between(x - reach, x + reach))

    def _show_card(self, card: HoverCard | None) -> None:
        if card == self._card:
            return
        self._card = card
        self.plot.hover.show_card(card)
        self._summary.show_text(self._summary_text() if card is None else " · ".join(text for text, _ in card.lines))

    # Files

    def export(self, path: str) -> None:
        """Save as .png, .svg or .csv, by the suffix; `exported` or `export_failed` follows."""
        self._saving.save(path, self._data.axis)

    def wait_for_exports(self) -> None:
        """Until every file is written."""
        self._saving.wait()

    # Inside

    def _show_data(self) -> None:
        self.plot.show_axes(is_log=self._is_log, axis=self._data.axis, are_shown=not self._picture.is_empty)
        self.plot.curves.invalidate()
        self._navigation.show_data()
        text = self._summary_text()
        self.plot.setAccessibleDescription(text or self._picture.empty_text)
        if self._card is None:
            self._summary.show_text(text)
        else:
            self._show_card(self._card_at(self._card.x))

    def _summary_text(self) -> str:
        return chart_words.summary(self._picture, self._data.steps, self._data.axis)

    def _connect_signals(self) -> None:
        header, navigation = self.header, self._navigation
        header.smoothing_chosen.connect(self.set_smoothing)
        header.axis_chosen.connect(self.set_axis)
        header.log_toggled.connect(self.set_log)
        header.follow_toggled.connect(self.set_follow)
        header.fit_requested.connect(self.fit)
        header.export_requested.connect(self._on_export_requested)
        header.train_toggled.connect(self._on_train_toggled)
        header.validation_toggled.connect(self._on_validation_toggled)
        navigation.range_changed.connect(self.range_changed)
        navigation.follow_changed.connect(header.set_follow)
        navigation.follow_changed.connect(self.follow_changed)
        self.plot.box.menu_requested.connect(self._on_menu_requested)
        self.plot.mouse_at.connect(self._on_mouse_at)
        self._saving.exported.connect(self.exported)
        self._saving.failed.connect(self.export_failed)

    def _on_train_toggled(self, is_shown: bool) -> None:
        self._picture.shows_train = is_shown
        self._show_data()

    def _on_validation_toggled(self, is_shown: bool) -> None:
        self._picture.shows_validation = is_shown
        self._show_data()

    def _on_mouse_at(self, pixel: float | None) -> None:
        self.show_hover(None if pixel is None else self.plot.mapping().x_at(pixel))

    def _on_menu_requested(self, place: QPointF) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Fit")).triggered.connect(self.fit)
        for title, is_on, choose in (
            (self.tr("Follow the newest step"), self.is_following, self.set_follow),
            (self.tr("Logarithmic"), self._is_log, self.set_log),
        ):
            action = menu.addAction(title)
            action.setCheckable(True)
            action.setChecked(is_on)
            action.toggled.connect(choose)
        menu.addSeparator()
        for submenu in (self.header.smoothing_menu, self.header.axis_menu, self.header.export_menu):
            menu.addMenu(submenu)
        menu.popup(place.toPoint())

    def _on_export_requested(self, suffix: str) -> None:
        self._saving.ask(suffix, self.export)

    def _walk(self, points: int) -> None:
        """Move the crosshair to a neighbouring point of the training loss."""
        raw = self._picture.raw
        at = raw.latest() if self._card is None else raw.nearest(self._card.x)
        if at is None:
            return
        moved = at if self._card is None else at + points
        while 0 <= moved < len(raw) and not math.isfinite(raw.mean[moved]):
            moved += points
        if 0 <= moved < len(raw):
            self._navigation.show(float(raw.x[moved]))
            self.show_hover(float(raw.x[moved]))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move, + and - zoom, F follows, 0 fits, L is the scale, Shift and arrows walk the crosshair."""
        key, with_shift = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if with_shift and key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self._walk(1 if key == Qt.Key.Key_Right else -1)
        elif key == Qt.Key.Key_L:
            self.set_log(not self._is_log)
        elif key == Qt.Key.Key_Escape and self._card is not None:
            self.show_hover(None)
        elif event.modifiers() & Qt.KeyboardModifier.ControlModifier or not self._navigation.press(
            event, None if self._card is None else self._card.x
        ):
            super().keyPressEvent(event)
