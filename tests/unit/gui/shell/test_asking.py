"""What asks beside the window: a preview that was asked for takes the keyboard, one that was not leaves it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import shiboken6
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from gui.dialogs.preview import DatasetPreview
from gui.shell.asking import Asking


class FakeActions(QObject):
    """Answers nothing; remembers what was asked for."""

    class Reply(QObject):
        done = Signal(object)
        failed = Signal(object)

    input_requested = Signal(str)
    dataset_requested = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.reply = self.Reply()

    def show_dataset(self, job_id: int) -> FakeActions.Reply:
        self.asked.append(job_id)
        return self.reply


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[QWidget]:
    made = QWidget()
    made.resize(1000, 700)
    made.show()
    yield made
    shiboken6.delete(made)


@pytest.fixture
def asking(window: QWidget) -> Asking:
    return Asking(window, FakeActions(), window)  # type: ignore[arg-type]


@pytest.fixture
def activated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(DatasetPreview, "raise_", lambda _self: calls.append("raise"))
    monkeypatch.setattr(DatasetPreview, "activateWindow", lambda _self: calls.append("activate"))
    return calls


def preview(window: QWidget) -> DatasetPreview:
    (found,) = window.findChildren(DatasetPreview)
    return found


def quiet(window: QWidget) -> bool:
    return preview(window).testAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)


def test_preview_leaves_the_keyboard_where_it_is_when_nobody_asked(
    window: QWidget, asking: Asking, activated: list[str]
) -> None:
    asking.offer_preview(1)

    assert preview(window).isVisible()
    assert quiet(window)
    assert activated == []


def test_preview_comes_forward_when_it_is_asked_for(window: QWidget, asking: Asking, activated: list[str]) -> None:
    asking.offer_preview(1)

    asking.show_preview(1)

    assert not quiet(window)
    assert activated == ["raise", "activate"]


def test_preview_that_is_open_is_not_touched_when_it_is_offered(
    window: QWidget, asking: Asking, activated: list[str]
) -> None:
    asking.show_preview(1)
    activated.clear()

    asking.offer_preview(1)

    assert not quiet(window)
    assert activated == []
