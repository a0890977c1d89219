"""The header row of a chart: name, legend and quiet text buttons. It knows no data and says what was asked."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QColor, QIcon, QPainter, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
    QWidgetAction,
)

from gui.theme.tokens import BODY_PX, CONTROL_RADIUS, LIGHT, Tokens
from gui.widgets.chart_smoothing import LARGEST_FACTOR
from gui.widgets.plain import unmnemonic

PRESETS = (0.0, 0.6, 0.9, 0.94, 0.97, 0.99, 0.999)
_SLIDER_STEPS = 300
_SPACING = 2
EXPORTS = ("png", "svg", "csv")


class SmoothingMenu(QMenu):
    """A slider over the whole range with the usual factors below it."""

    chosen = Signal(float)

    def __init__(self, factor: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTitle(self.tr("Smoothing"))
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _SLIDER_STEPS)
        self._slider.setMinimumWidth(180)
        self._slider.setAccessibleName(self.tr("Smoothing factor"))
        self._value = QLabel()
        box = QWidget()
        layout = QVBoxLayout(box)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.addWidget(self._value)
        layout.addWidget(self._slider)
        action = QWidgetAction(self)
        action.setDefaultWidget(box)
        self.addAction(action)
        self.addSeparator()
        self._presets = QActionGroup(self)
        for preset in PRESETS:
            item = self.addAction(self.tr("off") if preset == 0.0 else f"{preset:g}")
            item.setCheckable(True)
            item.setData(preset)
            self._presets.addAction(item)
        self.set_factor(factor)
        self._slider.valueChanged.connect(self._on_slider_moved)
        self._presets.triggered.connect(self._on_preset_triggered)

    def set_factor(self, factor: float) -> None:
        """Show a factor without asking for it."""
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(slider_of(factor))
        self._slider.blockSignals(blocked)
        self._value.setText(self.tr("Smoothing %1").replace("%1", factor_text(factor)))
        for item in self._presets.actions():
            item.setChecked(abs(item.data() - factor) < 5e-4)

    def _on_slider_moved(self, position: int) -> None:
        self.chosen.emit(factor_of(position))

    def _on_preset_triggered(self, item: QAction) -> None:
        self.chosen.emit(float(item.data()))


class ChartHeader(QWidget):
    """Title, legend, smoothing, axis, log, follow, fit, export."""

    smoothing_chosen = Signal(float)
    axis_chosen = Signal(str)
    log_toggled = Signal(bool)
    follow_toggled = Signal(bool)
    fit_requested = Signal()
    export_requested = Signal(str)
    train_toggled = Signal(bool)
    validation_toggled = Signal(bool)

    def __init__(self, title: str, factor: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel(title)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.train = self._button(self.tr("train"), self.tr("Show or hide the training loss"), checked=True)
        self.validation = self._button(self.tr("validation"), self.tr("Show or hide the validation loss"), checked=True)
        self.smooth = self._button("", self.tr("How strongly the line is smoothed"))
        self.axis = self._button("", self.tr("What runs along the bottom"))
        self.log = self._button(self.tr("log"), self.tr("Logarithmic scale (L)"), checked=False)
        self.follow = self._button(self.tr("follow"), self.tr("Keep the newest step in view (F)"), checked=True)
        self.fit = self._button(self.tr("fit"), self.tr("Show everything (0, or double-click)"))
        self.export = self._button(self.tr("export"), self.tr("Save the chart as a picture or its data as a table"))
        self.smoothing_menu = SmoothingMenu(factor, self)
        self.axis_menu, self.axis_items = self._axis_menu()
        self.export_menu = self._export_menu()
        for button, menu in ((self.smooth, self.smoothing_menu), (self.axis, self.axis_menu)):
            button.setMenu(menu)
            button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.export.setMenu(self.export_menu)
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(_SPACING)
        buttons = (self.smooth, self.axis, self.log, self.follow, self.fit, self.export)
        self._row = (self.title, self.train, self.validation, *buttons)
        for widget in self._row:
            layout.addWidget(widget)
        layout.insertStretch(3, 1)
        self._factor = factor
        self.set_tokens(LIGHT)
        self.set_axis("step")
        self.set_factor(factor)
        self._connect_signals()

    def set_factor(self, factor: float) -> None:
        """Show the smoothing factor."""
        self._factor = factor
        self.smoothing_menu.set_factor(factor)
        self._fit_words()
        self.smooth.setAccessibleName(self.tr("Smoothing %1").replace("%1", factor_text(factor)))

    def set_axis(self, axis: str) -> None:
        """Show what runs along the bottom."""
        for name, item in self.axis_items.items():
            item.setChecked(name == axis)
        self.axis.setText(self.axis_items[axis].text() + " ▾")
        self.axis.setAccessibleName(self.tr("Axis: %1").replace("%1", self.axis_items[axis].text()))
        self._fit_words()

    def set_log(self, is_log: bool) -> None:
        """Show whether the scale is logarithmic."""
        _show_checked(self.log, is_log)

    def set_follow(self, is_following: bool) -> None:
        """Show whether the newest step is kept in view."""
        _show_checked(self.follow, is_following)

    def set_tokens(self, tokens: Tokens) -> None:
        """Quiet buttons: muted text, the accent where something is on."""
        self.title.setStyleSheet(f"color: {tokens.text}; font-size: {BODY_PX}px; font-weight: 600; padding-right: 6px;")
        self.setStyleSheet(
            f"QToolButton {{ border: 1px solid transparent; border-radius: {CONTROL_RADIUS}px; padding: 3px 2px;"
            f" color: {tokens.text_muted}; font-size: {BODY_PX}px; background: transparent; }}"
            f"QToolButton::menu-indicator {{ image: none; width: 0px; }}"
            f"QToolButton:hover {{ background: {tokens.hover}; color: {tokens.text}; }}"
            f"QToolButton:pressed {{ background: {tokens.pressed}; }}"
            f"QToolButton:focus {{ border-color: {tokens.focus}; }}"
            f"QToolButton:checked {{ color: {tokens.accent}; }}"
        )
        self.train.setStyleSheet(_legend_sheet(tokens.accent, tokens))
        self.validation.setStyleSheet(_legend_sheet(tokens.warning, tokens))
        self.train.setIcon(QIcon(_line_sample(tokens.accent, is_dashed=False)))
        self.validation.setIcon(QIcon(_line_sample(tokens.validation, is_dashed=True)))
        for button in (self.train, self.validation):
            button.setIconSize(QSize(14, 14))
        self._fit_words()

    def _fit_words(self) -> None:
        """The word before the factor goes first, then the legend's, where there is no room for all."""
        value = factor_text(self._factor)
        for style, words in (
            (Qt.ToolButtonStyle.ToolButtonTextBesideIcon, self.tr("smooth %1")),
            (Qt.ToolButtonStyle.ToolButtonTextBesideIcon, "%1"),
            (Qt.ToolButtonStyle.ToolButtonIconOnly, "%1"),
        ):
            self.train.setToolButtonStyle(style)
            self.validation.setToolButtonStyle(style)
            self.smooth.setText(words.replace("%1", value) + " ▾")
            if self._needed_width() <= self.width():
                return

    def _needed_width(self) -> int:
        # Asked of the widgets: the layout learns of their new words only when it is its turn.
        return sum(widget.sizeHint().width() + _SPACING for widget in self._row) - _SPACING

    def minimumSizeHint(self) -> QSize:
        return QSize(200, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_words()

    def _export_menu(self) -> QMenu:
        menu = QMenu(self.tr("Export"), self)
        titles = (self.tr("Picture (PNG)…"), self.tr("Drawing (SVG)…"), self.tr("Table (CSV)…"))
        for suffix, title in zip(EXPORTS, titles, strict=True):
            menu.addAction(title).setData(suffix)
        menu.triggered.connect(self._on_export_triggered)
        return menu

    def _axis_menu(self) -> tuple[QMenu, dict[str, QAction]]:
        menu = QMenu(self.tr("Axis"), self)
        group = QActionGroup(menu)
        items = {}
        for name, title in (("step", self.tr("step")), ("time", self.tr("time")), ("tokens", self.tr("tokens"))):
            item = menu.addAction(title)
            item.setCheckable(True)
            item.setData(name)
            group.addAction(item)
            items[name] = item
        menu.triggered.connect(self._on_axis_triggered)
        return menu, items

    def _button(self, text: str, tip: str, *, checked: bool | None = None) -> QToolButton:
        button = QToolButton()
        button.setText(unmnemonic(text))
        button.setToolTip(tip)
        button.setAccessibleName(text)
        button.setAccessibleDescription(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if checked is not None:
            button.setCheckable(True)
            button.setChecked(checked)
        return button

    def _connect_signals(self) -> None:
        self.smoothing_menu.chosen.connect(self.smoothing_chosen)
        self.log.toggled.connect(self.log_toggled)
        self.follow.toggled.connect(self.follow_toggled)
        self.fit.clicked.connect(self.fit_requested)
        self.train.toggled.connect(self.train_toggled)
        self.validation.toggled.connect(self.validation_toggled)

    def _on_axis_triggered(self, item: QAction) -> None:
        self.axis_chosen.emit(str(item.data()))

    def _on_export_triggered(self, item: QAction) -> None:
        self.export_requested.emit(str(item.data()))


def factor_of(position: int) -> float:
    """The slider's place as a factor: evenly spaced in how many steps it looks back."""
    return round(min(1.0 - float(10.0 ** (-3.0 * position / _SLIDER_STEPS)), LARGEST_FACTOR), 4)


def slider_of(factor: float) -> int:
    """Where the slider stands for a factor."""
    return round(-math.log10(1.0 - min(max(factor, 0.0), LARGEST_FACTOR)) / 3.0 * _SLIDER_STEPS)


def factor_text(factor: float) -> str:
    """0.94, 0.999."""
    return f"{factor:.3f}" if factor > 0.99 else f"{factor:.2f}"


def _show_checked(button: QToolButton, is_checked: bool) -> None:
    blocked = button.blockSignals(True)
    button.setChecked(is_checked)
    button.blockSignals(blocked)


def _legend_sheet(color: str, tokens: Tokens) -> str:
    return f"QToolButton {{ color: {tokens.text_faint}; }} QToolButton:checked {{ color: {color}; }}"


def _line_sample(color: str, *, is_dashed: bool) -> QPixmap:
    pixmap = QPixmap(28, 28)
    pixmap.setDevicePixelRatio(2.0)  # sharp on any screen
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(QColor(color), 2.4)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    if is_dashed:
        pen.setDashPattern([1.5, 0.75])
    painter.setPen(pen)
    painter.drawLine(QPointF(1.0, 7.5), QPointF(13.0, 7.5))
    painter.end()
    return pixmap
