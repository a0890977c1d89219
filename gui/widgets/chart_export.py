"""The chart as a file: PNG, SVG or CSV, written whole or not at all.

The picture is recorded on the UI thread (milliseconds) and painted, compressed and written by a pool thread; so are
the rows of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import (
    QBuffer,
    QByteArray,
    QCoreApplication,
    QIODevice,
    QObject,
    QPoint,
    QRect,
    QSaveFile,
    QSize,
    QThreadPool,
    Signal,
)
from PySide6.QtGui import QColor, QImage, QPainter, QPicture
from PySide6.QtSvg import QSvgGenerator

from gui.widgets.chart_levels import Floats, Series

PIXELS_PER_POINT = 2.0
"""A PNG has twice the resolution of the screen's logical pixels."""
_INCH = 0.0254
SUFFIXES = (".png", ".svg", ".csv")


@dataclass(frozen=True)
class Drawing:
    """A recorded picture."""

    commands: QPicture
    size: QSize
    background: str
    title: str


@dataclass(frozen=True)
class Table:
    """The curves by x, at full precision."""

    x_name: str
    raw: Series
    smooth: Series
    validation: Series


class ExportWriter(QObject):
    """Writes one file at a time away from the UI thread."""

    exported = Signal(str)  # path
    failed = Signal(str)  # a sentence

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        app = QCoreApplication.instance()
        if app is not None:
            app.aboutToQuit.connect(self.wait)  # a thread that outlives the program takes it down with a crash

    def write(self, path: str, make: Callable[[], bytes]) -> None:
        """Make the bytes and put them there; either signal follows."""
        self._pool.start(lambda: self._write(path, make))

    def wait(self) -> None:
        """Until nothing is left to write (at the end of the program, and in tests)."""
        self._pool.waitForDone()

    def _write(self, path: str, make: Callable[[], bytes]) -> None:
        problem = save(path, make())
        if problem:
            self.failed.emit(problem)
        else:
            self.exported.emit(path)


def save(path: str, content: bytes) -> str:
    """Replace the file in one move; a sentence when it could not be done."""
    file = QSaveFile(path)
    if not file.open(QIODevice.OpenModeFlag.WriteOnly):
        return _failure(path, file.errorString())
    if file.write(QByteArray(content)) != len(content) or not file.commit():
        return _failure(path, file.errorString())
    return ""


def png(drawing: Drawing) -> bytes:
    """The picture in pixels."""
    image = QImage(drawing.size * PIXELS_PER_POINT, QImage.Format.Format_RGB32)
    image.fill(QColor(drawing.background))
    image.setDotsPerMeterX(round(drawing.commands.logicalDpiX() / _INCH))  # else the recording would be scaled
    image.setDotsPerMeterY(round(drawing.commands.logicalDpiY() / _INCH))
    painter = QPainter(image)
    painter.scale(PIXELS_PER_POINT, PIXELS_PER_POINT)
    painter.drawPicture(0, 0, drawing.commands)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # bytes in the stubs, text in the library
    return bytes(buffer.data().data())


def svg(drawing: Drawing) -> bytes:
    """The picture in lines (pyqtgraph's own exporter fails on every plot)."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator(QSvgGenerator.SvgVersion.Svg11)  # the other one cannot clip
    generator.setResolution(drawing.commands.logicalDpiX())
    generator.setOutputDevice(buffer)
    generator.setSize(drawing.size)
    generator.setViewBox(QRect(QPoint(0, 0), drawing.size))
    generator.setTitle(drawing.title)
    painter = QPainter(generator)
    painter.fillRect(QRect(QPoint(0, 0), drawing.size), QColor(drawing.background))
    painter.drawPicture(0, 0, drawing.commands)
    painter.end()
    return bytes(buffer.data().data())


def csv(table: Table) -> bytes:
    """One row for each x of either curve; what is not known there is empty."""
    return "".join(_rows(table)).encode()


def _rows(table: Table) -> Iterator[str]:
    yield f"{table.x_name},loss,loss_min,loss_max,loss_smoothed,validation_loss\n"
    x = np.union1d(table.raw.x, table.validation.x)
    columns = [
        _at(x, table.raw.x, table.raw.mean),
        _at(x, table.raw.x, table.raw.lo),
        _at(x, table.raw.x, table.raw.hi),
        _at(x, table.smooth.x, table.smooth.mean),
        _at(x, table.validation.x, table.validation.mean),
    ]
    for at, *values in zip(x.tolist(), *(column.tolist() for column in columns), strict=True):
        yield ",".join([_number(at), *("" if value != value else repr(value) for value in values)]) + "\n"


def _at(x: Floats, own_x: Floats, values: Floats) -> Floats:
    """Values by x; of several at one x the last."""
    placed = np.full(len(x), np.nan)
    placed[np.searchsorted(x, own_x)] = values
    return placed


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _failure(path: str, reason: str) -> str:
    sentence = QCoreApplication.translate("ChartExport", "The chart could not be saved as %1: %2")
    return sentence.replace("%1", path).replace("%2", reason)
