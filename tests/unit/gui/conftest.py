"""What every test of the window's rooms needs: cycles end on the thread of the widgets, as in the program itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from PySide6.QtGui import QGuiApplication


@pytest.fixture(scope="session")
def _what_was_there_stays() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # thousands of collected tests are none of our cycles
    yield
    gc.unfreeze()
    if QGuiApplication.instance() is not None:
        QGuiApplication.clipboard().clear()  # what Python put there must not outlive Qt


@pytest.fixture(autouse=True)
def cycles_end_on_this_thread(_what_was_there_stays: None) -> Iterator[None]:
    """Servers that tests run beside the window would else take widgets of earlier tests apart (gui/collector.py)."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()
