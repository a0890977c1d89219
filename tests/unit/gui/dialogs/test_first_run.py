"""The first steps: wishes go out, the service's word comes back, nothing waits."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QLabel, QLineEdit, QProgressBar
from pytestqt.qtbot import QtBot

from backend.contract.errors import ErrorBody
from backend.contract.models import BaseModelView
from gui.dialogs.first_run import FirstRun
from gui.theme.palette import Look
from gui.widgets.buttons import ControlButton, FlatButton
from tests.fakes.accessibility import unnamed_widgets
from tests.fakes.hostile_strings import HOSTILE_STRINGS

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def panel(qtbot: QtBot, look: Look) -> FirstRun:
    made = FirstRun(can_cancel=True)
    qtbot.addWidget(made)
    made.resize(900, 600)
    made.show()
    return made


def base(state: str, source: str = "Qwen/Qwen3-0.6B", **fields: object) -> BaseModelView:
    return BaseModelView(base_id="b", source=source, folder="/b", state=state, **fields)  # type: ignore[arg-type]


def button(panel: FirstRun, words: str) -> ControlButton:
    found = [one for one in panel.findChildren(ControlButton) if one.shown_text == words and one.isVisible()]
    assert len(found) == 1, words
    return found[0]


def words_of(panel: FirstRun) -> str:
    return "\n".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def press(qtbot: QtBot, panel: FirstRun, words: str) -> None:
    qtbot.mouseClick(button(panel, words), Qt.MouseButton.LeftButton)


def test_sample_button_asks_for_the_sample_and_shows_that_it_comes(qtbot: QtBot, panel: FirstRun) -> None:
    with qtbot.waitSignal(panel.sample_requested, timeout=1000):
        press(qtbot, panel, "Try the sample")

    assert "sample model" in words_of(panel)


def test_hub_field_asks_for_the_model_when_return_is_pressed(qtbot: QtBot, panel: FirstRun) -> None:
    field = panel.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)
    field.setText("https://huggingface.co/Qwen/Qwen3-0.6B")

    with qtbot.waitSignal(panel.base_requested, timeout=1000) as asked:
        qtbot.keyClick(field, Qt.Key.Key_Return)

    assert asked.args == ["Qwen/Qwen3-0.6B"]


def test_hub_field_says_what_an_id_looks_like_when_it_is_none(qtbot: QtBot, panel: FirstRun) -> None:
    field = panel.findChild(QLineEdit)
    assert isinstance(field, QLineEdit)

    with qtbot.assertNotEmitted(panel.base_requested):
        field.setText("not an id")
        qtbot.keyClick(field, Qt.Key.Key_Return)

    assert not button(panel, "Get it").isEnabled()
    assert "organisation/name" in words_of(panel)


@pytest.mark.parametrize(("words", "chosen"), [("Folder…", "/models/x"), ("GGUF file…", "/models/x.gguf")])
def test_chooser_opens_beside_and_hands_over_what_was_chosen(
    qtbot: QtBot, panel: FirstRun, words: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QFileDialog, "open", lambda *_: opened.append("opened"))
    press(qtbot, panel, words)
    chooser = panel.findChild(QFileDialog)
    assert isinstance(chooser, QFileDialog)

    with qtbot.waitSignal(panel.base_requested, timeout=1000) as asked:
        chooser.fileSelected.emit(chosen)

    assert opened == ["opened"]

    assert asked.args == [chosen]


def test_progress_shows_the_share_or_that_nobody_knows_it(panel: FirstRun) -> None:
    panel.follow(base("fetching", progress=0.42))
    bar = panel.findChild(QProgressBar)
    assert isinstance(bar, QProgressBar)
    assert (bar.value(), bar.maximum()) == (420, 1000)
    assert "Getting Qwen/Qwen3-0.6B" in words_of(panel)

    panel.follow(base("converting", source="/models/tiny.gguf"))
    assert bar.maximum() == 0
    assert "Converting tiny.gguf" in words_of(panel)
    assert "no end known yet" in words_of(panel)


def test_cancel_asks_and_goes_back(qtbot: QtBot, panel: FirstRun) -> None:
    panel.follow(base("fetching", progress=0.1))

    with qtbot.waitSignal(panel.cancel_requested, timeout=1000):
        press(qtbot, panel, "Cancel")

    assert button(panel, "Try the sample")


def test_no_button_promises_to_cancel_when_nobody_can(qtbot: QtBot, look: Look) -> None:
    panel = FirstRun()
    qtbot.addWidget(panel)
    panel.show()

    panel.follow(base("fetching", progress=0.1))

    assert "Cancel" not in [one.shown_text for one in panel.findChildren(ControlButton) if one.isVisible()]
    assert "goes on when this window is closed" in words_of(panel)


def test_failure_says_why_and_tries_the_same_again(qtbot: QtBot, panel: FirstRun) -> None:
    panel.follow(base("failed", reason="The Hub did not answer."))
    assert "The Hub did not answer." in words_of(panel)

    with qtbot.waitSignal(panel.base_requested, timeout=1000) as asked:
        press(qtbot, panel, "Try again")

    assert asked.args == ["Qwen/Qwen3-0.6B"]


def test_failure_of_the_sample_is_tried_again_as_the_sample(qtbot: QtBot, panel: FirstRun) -> None:
    press(qtbot, panel, "Try the sample")
    panel.show_failure(ErrorBody(code="unreachable", title="No connection", message="The index cannot be reached."))

    with qtbot.waitSignal(panel.sample_requested, timeout=1000):
        press(qtbot, panel, "Try again")


def test_failure_leads_back_to_the_choice(qtbot: QtBot, panel: FirstRun) -> None:
    panel.follow(base("failed"))

    press(qtbot, panel, "Choose another")

    assert button(panel, "Try the sample")


def test_failure_can_be_copied(qtbot: QtBot, panel: FirstRun) -> None:
    panel.show_failure(ErrorBody(code="model", title="Cannot be used", message="No tokenizer.", hint="Take another."))
    copy = next(one for one in panel.findChildren(FlatButton) if one.shown_text == "Copy details")

    qtbot.mouseClick(copy, Qt.MouseButton.LeftButton)

    assert QGuiApplication.clipboard().text() == "Cannot be used: No tokenizer. Take another. [model]"


def test_choice_comes_back_when_there_is_no_model(panel: FirstRun) -> None:
    panel.follow(base("fetching"))

    panel.follow(None)

    assert button(panel, "Try the sample")


def test_every_part_has_a_name_in_every_state(panel: FirstRun) -> None:
    for show in (panel.show_choice, lambda: panel.follow(base("fetching")), lambda: panel.follow(base("failed"))):
        show()
        assert unnamed_widgets(panel) == []


def test_keyboard_reaches_every_way(qtbot: QtBot, panel: FirstRun) -> None:
    qtbot.waitUntil(panel.isActiveWindow)
    seen: set[str] = set()
    for _ in range(8):
        focused = QGuiApplication.focusObject()
        if isinstance(focused, ControlButton):
            seen.add(focused.shown_text)
        elif isinstance(focused, QLineEdit):
            seen.add("field")
        qtbot.keyClick(panel.window().focusWidget() or panel, Qt.Key.Key_Tab)

    assert seen >= {"Try the sample", "Folder…", "GGUF file…", "field"}


def test_hostile_words_are_shown_as_they_are_written(panel: FirstRun) -> None:
    for text in HOSTILE_STRINGS:
        panel.follow(base("fetching", source=text))
        panel.follow(base("failed", source=text, reason=text))
        assert all(label.textFormat() == Qt.TextFormat.PlainText for label in panel.findChildren(QLabel))
        assert not panel.grab().isNull()
