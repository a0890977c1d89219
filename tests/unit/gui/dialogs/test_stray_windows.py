"""Nothing that is built flashes up as a window of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from backend.contract.errors import ErrorBody
from gui.dialogs.confirm import Consent
from gui.dialogs.first_run import FirstRun
from gui.dialogs.preview import DatasetPreview
from gui.dialogs.quit import QuitQuestion
from gui.dialogs.working import FailurePanel, ProgressPanel
from gui.theme.palette import Look
from gui.widgets.card import Card
from gui.widgets.empty_state import EmptyState
from gui.widgets.gap_gauge import GapGauge
from gui.widgets.toasts import ToastStack
from tests.fakes.stray_windows import stray_windows


def consent() -> QWidget:
    return Consent("Delete?", what_happens="a", what_stays_safe="b", how_to_undo="c", action="Delete v003")


def preview() -> QWidget:
    made = DatasetPreview("a.jsonl")
    made.show_failure(ErrorBody(code="x", title="x", message="x"))
    return made


def toasts() -> QWidget:
    host = QWidget()
    ToastStack(host).post("info", "Saved", "All is well.", action="Show", do=lambda: None)
    return host


def card() -> QWidget:
    made = Card()
    made.set_aside("good", "good")
    made.set_title("Queue")
    made.add_to_header(QWidget())
    return made


@pytest.mark.parametrize(
    "build",
    [FirstRun, QuitQuestion, ProgressPanel, FailurePanel, GapGauge, consent, preview, toasts, card,
     lambda: EmptyState("models", "Nothing", "Yet.")],
)  # fmt: skip
def test_building_shows_no_window(qtbot: QtBot, qapp: QApplication, look: Look, build: Callable[[], QWidget]) -> None:
    with stray_windows(qapp) as seen:
        qtbot.addWidget(build())

    assert seen == []


@pytest.mark.qt_log_ignore("This plugin does not support", extend=True)
def test_widget_shown_without_a_parent_is_found(qtbot: QtBot, qapp: QApplication, look: Look) -> None:
    label = QLabel("x")
    qtbot.addWidget(label)

    with stray_windows(qapp) as seen:
        label.setVisible(True)

    assert seen == ["QLabel"]
