"""The edges of the window: faults, desktop notifications, tray, leaving, telling, pictures."""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import QObject, QtMsgType, Signal, qWarning
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from backend.contract.errors import ErrorBody
from backend.contract.jobs import JobState
from backend.contract.results import RefusedFile
from backend.contract.status import Activity, RunState
from gui.client.connection_state import ConnectionState
from gui.excepthook import MAX_FAULTS, MAX_LOG_BYTES, FaultWatch, open_log
from gui.shell.command_line import parse
from gui.shell.leaving import Leaving
from gui.shell.main_window import MainWindow
from gui.shell.notifier import Notifier
from gui.shell.screenshots import SIZES, THEMES, Screenshots
from gui.shell.telling import Telling
from gui.shell.tray import Tray
from gui.shell.window_state import WindowState
from gui.state.stores import Stores
from gui.theme.palette import Look
from gui.theme.tokens import DARK, LIGHT
from tests.fakes.example_session import job, status


@pytest.fixture
def faults(qtbot: QtBot) -> Any:
    watch = FaultWatch()
    told: list[str] = []
    watch.fault_seen.connect(told.append)
    return watch, told


def test_fault_is_logged_each_time_and_told_once(faults: Any, expect_log: Any, qtbot: QtBot) -> None:
    expect_log("A fault of the window")
    watch, told = faults
    for _ in range(3):
        error = ValueError("<b>broken</b>")
        watch._on_exception(ValueError, error, None)
    assert told == ["ValueError: <b>broken</b>"]


def test_faults_stop_being_written_when_there_are_too_many(
    faults: Any, expect_log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expect_log("A fault of the window")
    expect_log("later ones are not written")
    watch, _ = faults
    for number in range(MAX_FAULTS + 20):
        watch._on_exception(ValueError, ValueError(str(number)), None)
    assert len(caplog.records) == MAX_FAULTS + 1


def test_fault_of_a_thread_is_told_too(faults: Any, expect_log: Any, qtbot: QtBot) -> None:
    expect_log("A fault of the window")
    watch, told = faults
    before = threading.excepthook
    threading.excepthook = watch._on_thread_exception
    try:
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
    finally:
        threading.excepthook = before
    qtbot.waitUntil(lambda: told == ["ZeroDivisionError: division by zero"])


def test_message_of_qt_reaches_the_log(faults: Any, expect_log: Any) -> None:
    expect_log("Qt: spilt")
    faults[0]._on_qt_message(QtMsgType.QtWarningMsg, None, "spilt")


def test_hooks_are_taken_and_given_back(faults: Any, expect_log: Any, qtlog: Any) -> None:
    expect_log("Qt: caught")
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    with qtlog.disabled():
        faults[0].install()
        qWarning("caught")
        faults[0].uninstall()
    sys.excepthook, threading.excepthook, sys.unraisablehook = before


@pytest.fixture
def root_logger() -> Any:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield root
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)
    faulthandler.disable()


def test_log_is_kept_in_two_files(root_logger: Any, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "window.log"
    path.parent.mkdir()
    path.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    open_log(path)
    logging.getLogger("everstep.window").info("first frame")
    assert "first frame" in path.read_text()
    assert path.with_suffix(".log.1").stat().st_size == MAX_LOG_BYTES + 1


def test_log_that_cannot_be_written_does_not_keep_the_window_from_opening(root_logger: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    open_log(tmp_path / "file" / "window.log")


def test_command_line_names_workspace_files_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = parse(["a.jsonl", "--workspace", "w", "--screenshots", "s"])
    assert options.workspace == tmp_path / "w"
    assert options.files == [str(tmp_path / "a.jsonl")]
    assert options.screenshots == tmp_path / "s"


def test_command_line_means_the_same_workspace_as_the_prompt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from platformdirs import user_data_path

    monkeypatch.delenv("EVERSTEP_WORKSPACE", raising=False)
    assert parse([]).workspace == user_data_path("everstep") / "workspace"
    monkeypatch.setenv("EVERSTEP_WORKSPACE", str(tmp_path))
    assert parse([]).workspace == tmp_path


class FakeTray(QObject):
    """A tray that is there or not."""

    def __init__(self) -> None:
        super().__init__()
        self.is_available = True
        self.told: list[tuple[str, str, str]] = []

    def show_message(self, *words: str) -> bool:
        if self.is_available:
            self.told.append((words[0], words[1], words[2]))
        return self.is_available


@pytest.mark.parametrize("address", ["unix:path=/nowhere/bus", ""])
def test_notifier_falls_back_to_the_tray_when_there_is_no_bus(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    tray = FakeTray()
    notifier = Notifier(tray)  # type: ignore[arg-type]
    notifier.notify("info", "<b>a.jsonl</b> is done", "line\none\u202e")
    qtbot.waitUntil(lambda: bool(tray.told), timeout=5000)
    assert tray.told == [("info", "<b>a.jsonl</b> is done", "line one\ufffd")]
    notifier.close()


class Steering(QObject):
    """A tray's wishes, counted."""

    def __init__(self, tray: Tray) -> None:
        super().__init__()
        self.wishes: list[str] = []
        for name in ("open", "pause", "resume", "stop_after_file", "quit"):
            getattr(tray, f"{name}_requested").connect(lambda name=name: self.wishes.append(name))


def test_tray_says_step_and_time_and_offers_what_can_be_done(qtbot: QtBot) -> None:
    tray = Tray(DARK)
    steering = Steering(tray)
    running = job(1, done_steps=50, total_steps=100)
    tray.show_status(status(activity=Activity.TRAINING, job=running, global_step=50, eta_seconds=600.0))
    assert tray.tool_tip() == "Everstep · Training\nstep 50 · file 50\u202f% · 10\u202fmin left"
    visible = [action.text() for action in tray._menu.actions() if action.isVisible() and action.text()]
    assert visible == ["Open", "Pause", "Stop after file", "Quit"]
    tray.show_status(status(run_state=RunState.PAUSED))
    visible = [action.text() for action in tray._menu.actions() if action.isVisible() and action.text()]
    assert visible == ["Open", "Resume", "Stop after file", "Quit"]
    for action in tray._menu.actions():
        action.trigger()
    assert steering.wishes == ["open", "pause", "resume", "quit"], "what is disabled wishes nothing"


def test_tray_redraws_only_when_something_is_to_be_seen(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr("gui.shell.tray.ring_pixmap", lambda *_, **__: drawn.append(1) or QPixmap(4, 4))
    tray = Tray(DARK)
    view = status(activity=Activity.TRAINING, global_step=1)
    tray.show_status(view)
    once = len(drawn)
    tray.show_status(view)
    assert len(drawn) == once
    tray.set_tokens(LIGHT)
    assert len(drawn) > once


class FakeActions(QObject):
    """Counts what it was asked, and answers when told to."""

    class Reply(QObject):
        done = Signal(object)
        failed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.reply = self.Reply()

    def shutdown(self) -> FakeActions.Reply:
        self.asked.append("shutdown")
        return self.reply


class Scene:
    """A window with all that leaving it needs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ended: list[int] = []
        monkeypatch.setattr("gui.shell.leaving.QApplication.exit", self.ended.append)
        self.window = MainWindow("demo")
        self.tray = FakeTray()
        self.stores = Stores()
        self.actions = FakeActions()
        state = WindowState(folder / "window.ini")
        self.leaving = Leaving(self.window, self.tray, state, self.stores, self.actions)  # type: ignore[arg-type]
        self.window.close_requested.connect(self.leaving.close)
        self.told: list[str] = []
        self.leaving.notice_posted.connect(lambda _level, _title, message: self.told.append(message))
        self.window.show()

    def train(self) -> None:
        self.stores.session.set_connection(ConnectionState.CONNECTED)
        self.stores.session.set_status(status(activity=Activity.TRAINING, job=job(1, state=JobState.TRAINING)))

    @property
    def question(self) -> Any:
        return self.leaving._question


@pytest.fixture
def scene(qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(tmp_path, monkeypatch)
    yield made
    made.window.close_for_good()
    shiboken6.delete(made.window)  # now, not when Python happens to collect it in another test


def test_closing_hides_behind_the_tray_and_says_so_once(scene: Scene) -> None:
    scene.window.close()
    assert not scene.window.isVisible()
    assert len(scene.told) == 1
    scene.window.show()
    scene.window.close()
    assert len(scene.told) == 1
    assert scene.ended == []


def test_closing_never_hides_when_there_is_no_tray(scene: Scene) -> None:
    scene.tray.is_available = False
    scene.train()
    scene.window.close()
    assert scene.window.isVisible()
    assert scene.question is not None
    assert scene.ended == []


def test_closing_ends_without_a_question_when_nothing_trains(scene: Scene) -> None:
    scene.tray.is_available = False
    scene.window.close()
    assert scene.ended == [0]


def test_quitting_keeps_training_when_asked_to(scene: Scene) -> None:
    scene.train()
    scene.leaving.quit()
    scene.question.keep_button.click()
    assert scene.actions.asked == []
    assert scene.ended == [0]


def test_quitting_saves_and_stops_before_it_ends_when_asked_to(scene: Scene) -> None:
    scene.train()
    scene.leaving.quit()
    scene.question.stop_button.click()
    assert scene.actions.asked == ["shutdown"]
    assert scene.ended == []
    scene.actions.reply.done.emit(None)
    assert not scene.leaving._patience.isActive()
    scene.leaving._patience.timeout.emit()
    assert scene.ended == [0]  # once


def test_quitting_is_called_off_by_cancel(scene: Scene) -> None:
    scene.train()
    scene.leaving.quit()
    scene.question.cancel_button.click()
    assert scene.window.isVisible()
    assert scene.ended == []
    assert scene.question is None


class Told(QObject):
    """A notifier that remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[tuple[str, str, str]] = []

    def notify(self, *words: str) -> None:
        self.words.append((words[0], words[1], words[2]))


def test_toasts_say_commands_in_the_words_of_the_window(scene: Scene) -> None:
    desktop = Told()
    telling = Telling(scene.window, scene.tray, desktop, scene.stores)  # type: ignore[arg-type]

    telling.tell_failure(ErrorBody(code="c", title="No", message="Nothing trains.", hint="`resume` goes on."))
    scene.stores.notices.tell("warning", "a.jsonl needs you", "none yet: `base set`")

    said = [toast.words[1] for toast in scene.window.toasts.toasts]
    assert said == ["Nothing trains. Resume goes on.", "none yet: choose a base model"]


def test_notices_are_toasts_and_reach_the_desktop_while_nobody_looks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    desktop = Told()
    telling = Telling(scene.window, scene.tray, desktop, scene.stores)  # type: ignore[arg-type]
    monkeypatch.setattr(scene.window, "isActiveWindow", lambda: False)
    scene.stores.notices.tell("warning", "a.jsonl needs you", "why")
    monkeypatch.setattr(scene.window, "isActiveWindow", lambda: True)
    scene.stores.notices.tell("info", "b.jsonl is done", "")
    assert [toast.words[0] for toast in scene.window.toasts.toasts] == ["a.jsonl needs you", "b.jsonl is done"]
    assert desktop.words == [("warning", "a.jsonl needs you", "why")]
    telling.tell_failure(ErrorBody(code="x", title="Not possible right now", message="It runs.", hint="Stop it."))
    telling.tell_refused([RefusedFile(path=f"/a/{n}.png", code="x", message="No data.") for n in range(9)])
    assert scene.window.toasts.toasts[-1].words[0] == "9 files were not added"
    assert scene.window.toasts.toasts[-1].words[1].endswith("and 6 more")
    telling.tell_fault("ValueError: x")
    assert "Training is not touched" in scene.window.toasts.toasts[-1].words[1]


def test_screenshots_paint_every_page_in_both_themes(
    scene: Scene, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: Any
) -> None:
    monkeypatch.setattr("gui.shell.screenshots.SETTLE_MS", 1)
    scene.window.add_page("train", "Train", "train", QWidget())
    look = Look(qapp)
    pictures = Screenshots(scene.window, look, tmp_path / "out")
    with qtbot.waitSignal(pictures.finished, timeout=10_000) as ended:
        pictures.start()
    look.choose("system")
    assert ended.args == [0]
    assert len(list((tmp_path / "out").glob("train-*.png"))) == len(SIZES) * len(THEMES)


def test_screenshots_end_with_a_fault_when_the_folder_cannot_be_written(
    scene: Scene, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qapp: Any, expect_log: Any
) -> None:
    expect_log("could not be written")
    monkeypatch.setattr("gui.shell.screenshots.SETTLE_MS", 1)
    monkeypatch.setattr("gui.shell.screenshots.QSaveFile.open", lambda *_: False)
    scene.window.add_page("train", "Train", "train", QWidget())
    pictures = Screenshots(scene.window, Look(qapp), tmp_path)
    with qtbot.waitSignal(pictures.finished, timeout=10_000) as ended:
        pictures.start()
    assert ended.args == [1]
