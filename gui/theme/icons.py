"""The program's own drawings (`resources/icons`, 24x24, one stroke) in any colour, sharp on any screen."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QGuiApplication, QIcon, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

_FOLDER = Path(__file__).resolve().parents[2] / "resources" / "icons"
_SIZES = (16, 20, 24)
_INK = b"currentColor"


def icon_names() -> list[str]:
    """Every drawing there is."""
    return sorted(path.stem for path in _FOLDER.glob("*.svg"))


def icon(name: str, color: str, disabled_color: str = "") -> QIcon:
    """A drawing as an icon for buttons, menus and lists. `color` is `#rrggbb`."""
    drawn = QIcon()
    for mode, ink in ((QIcon.Mode.Normal, color), (QIcon.Mode.Disabled, disabled_color)):
        for size in _SIZES if ink else ():
            for ratio in {1.0, 2.0, _screen_ratio()}:
                drawn.addPixmap(icon_pixmap(name, ink, size, ratio=ratio), mode)
    return drawn


def icon_pixmap(name: str, color: str, size: int, *, ratio: float = 0.0) -> QPixmap:
    """A drawing `size` device-independent pixels wide, at the screen's own resolution."""
    ratio = ratio or _screen_ratio()
    key = f"everstep-icon/{name}/{color}/{size}/{ratio}"
    pixmap = QPixmap()
    if QPixmapCache.find(key, pixmap):
        return pixmap
    renderer = QSvgRenderer(QByteArray(_drawing(name).replace(_INK, color.encode())))
    pixels = round(size * ratio)
    pixmap = QPixmap(QSize(pixels, pixels))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    pixmap.setDevicePixelRatio(ratio)
    QPixmapCache.insert(key, pixmap)
    return pixmap


def _drawing(name: str) -> bytes:
    return (_FOLDER / f"{name}.svg").read_bytes()


def _screen_ratio() -> float:
    app = QGuiApplication.instance()
    return app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0
