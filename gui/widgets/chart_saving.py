"""Asks where to, records the plot, and leaves painting and writing to a pool thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QPointF, QRectF, QSize, QStandardPaths, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPicture
from PySide6.QtWidgets import QFileDialog

from gui.theme.font import strong
from gui.widgets import chart_export
from gui.widgets.chart_picture import Picture
from gui.widgets.chart_plot import PlotView

_HEADING, _MARGIN = 36, 12
_BASELINE = 23.0


class ChartSaving(QObject):
    """Saves one plot as .png, .svg or .csv."""

    exported = Signal(str)  # path
    failed = Signal(str)  # a sentence

    def __init__(self, plot: PlotView, picture: Picture, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._plot = plot
        self._picture = picture
        self._title = title
        self._writer = chart_export.ExportWriter(self)
        self._writer.exported.connect(self.exported)
        self._writer.failed.connect(self.failed)

    def save(self, path: str, x_name: str) -> None:
        """By the suffix; either signal follows."""
        suffix = Path(path).suffix.lower()
        if suffix in chart_export.SUFFIXES:
            self._writer.write(path, self._maker(suffix, x_name))
        else:
            self.failed.emit(self.tr("A chart is saved as .png, .svg or .csv."))

    def ask(self, suffix: str, chosen: Callable[[str], None]) -> None:
        """Let the user choose a place; nothing waits for it."""
        dialog = QFileDialog(self._plot, self.tr("Save the chart"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(suffix)
        dialog.setNameFilter(f"{suffix.upper()} (*.{suffix})")
        dialog.setDirectory(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation))
        dialog.selectFile(f"loss.{suffix}")
        dialog.fileSelected.connect(chosen)
        dialog.open()

    def wait(self) -> None:
        """Until every file is written."""
        self._writer.wait()

    def _maker(self, suffix: str, x_name: str) -> Callable[[], bytes]:
        picture = self._picture
        if suffix == ".csv":
            table = chart_export.Table(x_name, picture.raw, picture.smooth, picture.validation)
            return lambda: chart_export.csv(table)
        drawing = self._drawing()
        return (lambda: chart_export.png(drawing)) if suffix == ".png" else (lambda: chart_export.svg(drawing))

    def _drawing(self) -> chart_export.Drawing:
        commands, plot = QPicture(), self._plot
        plot.hover.setVisible(False)
        painter = QPainter(commands)
        self._draw_heading(painter)
        plot.render(painter, QRectF(_MARGIN / 2, _HEADING, plot.width(), plot.height()), plot.rect())
        painter.end()
        plot.hover.setVisible(True)
        size = plot.size() + QSize(_MARGIN, _HEADING + _MARGIN)
        return chart_export.Drawing(commands, size, self._picture.tokens.panel, self._title)

    def _draw_heading(self, painter: QPainter) -> None:
        tokens, left = self._picture.tokens, 14.0
        for text, color, font in (
            (self._title, tokens.text, strong(QFont())),
            (self.tr("train"), tokens.accent, QFont()),
            (self.tr("validation"), tokens.warning, QFont()),
        ):
            painter.setFont(font)
            painter.setPen(QColor(color))
            painter.drawText(QPointF(left, _BASELINE), text)
            left += painter.fontMetrics().horizontalAdvance(text) + 14
