"""The application in the program's own clothes, once in each theme, and undressed again after the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication

from gui.theme.palette import Look


@pytest.fixture(params=["light", "dark"])
def look(qapp: QApplication, request: pytest.FixtureRequest) -> Iterator[Look]:
    """Style, font and palette of one theme."""
    font = qapp.font()
    dressed = Look(qapp)
    dressed.choose(request.param)
    dressed.apply()
    yield dressed
    # Closed widgets wait for an event loop to go; undressing all those of the tests before takes longer with each.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    dressed.choose("system")
    dressed.deleteLater()
    qapp.setPalette(QPalette())
    qapp.setFont(font)
    qapp.setStyle("Fusion")
