"""Header, status bar, pages, state of the window, help: what each shows of the status and what it asks for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shiboken6
from msgspec import structs
from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from backend.contract.jobs import JobState
from backend.contract.models import LineageView
from backend.contract.status import Activity, GpuView, MachineView, ProcessView, RunState, TrainerView
from gui.shell.header import Header, SteerButton
from gui.shell.main_window import MainWindow
from gui.shell.status_bar import Item, StatusBar
from gui.shell.window_state import FIRST_SIZE, FRAME, WindowState, fitted
from gui.shell.words import activity_word, model_words, what_trains
from gui.widgets.labels import PlainLabel
from tests.fakes.example_session import job, status

MACHINE = MachineView(
    cpu_percent=40.0,
    memory_used_bytes=11_200_000_000,
    memory_total_bytes=64_000_000_000,
    disk_free_bytes=412_000_000_000,
    gpus=[GpuView(name="<b>RTX</b>\u202e", memory_used_bytes=21, memory_total_bytes=24, utilization_percent=96.0)],
    monitoring_percent=0.3,
)
OLD_SERVICE = ProcessView(pid=1, started_at=1000.0)
TRAINER = TrainerView(pid=1, attempt_id="a", attempt_seq=1, phase="training", started_at=0.0, last_progress_seconds=0.4)


def buttons(widget: QWidget) -> dict[str, QAbstractButton]:
    return {button.accessibleName(): button for button in widget.findChildren(SteerButton)}


def training(**more: object) -> object:
    running = job(1, done_steps=62, total_steps=100)
    return status(activity=Activity.TRAINING, job=running, global_step=12480, eta_seconds=2280.0, **more)


@pytest.fixture
def header(qtbot: QtBot) -> Header:
    made = Header()
    qtbot.addWidget(made)
    made.resize(1368, 56)
    made.show()
    return made


def test_every_activity_has_a_word() -> None:
    words = [activity_word(status(activity=activity)) for activity in Activity]
    assert len(set(words)) == len(Activity)
    assert activity_word(None) == "Not connected"


def test_what_trains_says_step_share_and_time() -> None:
    said = what_trains(training(queue_eta_seconds=3600.0))  # type: ignore[arg-type]
    assert said.startswith("step 12\u202f480 · file 62\u202f% · 38\u202fmin left · queue done ")


def test_what_trains_promises_no_time_while_held() -> None:
    said = what_trains(training(run_state=RunState.PAUSED, queue_eta_seconds=3600.0))  # type: ignore[arg-type]
    assert "left" not in said
    assert "done" not in said


@pytest.mark.parametrize(("state", "word"), [(JobState.EVALUATING, "evaluating"), (JobState.SAVING, "saving")])
def test_what_trains_says_what_is_done_when_no_step_is_made(state: JobState, word: str) -> None:
    resting = job(1, state, done_steps=100, total_steps=100)

    said = what_trains(status(activity=Activity.TRAINING, job=resting, global_step=100, eta_seconds=0.0))

    assert said == f"step 100 · {word}"


def test_what_trains_promises_no_time_when_every_step_is_made() -> None:
    done = job(1, JobState.TRAINING, done_steps=100, total_steps=100)
    assert "left" not in what_trains(status(activity=Activity.TRAINING, job=done, eta_seconds=0.0))


@pytest.mark.parametrize(
    ("state", "run_state", "word"),
    [
        (JobState.TRAINING, RunState.STOPPED, "Stopping"),
        (JobState.STOPPING, RunState.STOPPED, "Stopping"),
        (JobState.SAVING, RunState.STOPPED, "Saving"),
        (JobState.STOPPING, RunState.RUNNING, "Saving"),  # skipped
        (JobState.SAVING, RunState.RUNNING, "Training"),  # a checkpoint on the way
        (JobState.TRAINING, RunState.PAUSED, "Training"),
    ],
)
def test_pill_says_that_it_stops_when_it_was_told_to(state: JobState, run_state: RunState, word: str) -> None:
    running = job(1, state, done_steps=62, total_steps=100)
    assert activity_word(status(activity=Activity.TRAINING, job=running, run_state=run_state)) == word


def test_header_offers_nothing_when_nobody_answers(header: Header) -> None:
    assert not any(button.isEnabled() for button in buttons(header).values())


@pytest.mark.parametrize(
    ("run_state", "button", "wish"),
    [(RunState.RUNNING, "Pause", "pause_requested"), (RunState.PAUSED, "Resume", "resume_requested")],
)
def test_header_offers_pause_or_resume(
    qtbot: QtBot, header: Header, run_state: RunState, button: str, wish: str
) -> None:
    header.show_status(status(run_state=run_state))
    with qtbot.waitSignal(getattr(header, wish), timeout=1000):
        qtbot.mouseClick(buttons(header)[button], Qt.MouseButton.LeftButton)


def test_header_offers_to_keep_going_when_it_will_stop_after_the_file(qtbot: QtBot, header: Header) -> None:
    header.show_status(training(stop_after_file=True))  # type: ignore[arg-type]
    with qtbot.waitSignal(header.resume_requested, timeout=1000):
        qtbot.mouseClick(buttons(header)["Keep going"], Qt.MouseButton.LeftButton)


def test_header_refuses_resume_while_the_stop_file_lies_there(header: Header) -> None:
    header.show_status(status(run_state=RunState.PAUSED, stop_file=True))
    assert not buttons(header)["Pause"].isEnabled()


def test_header_says_what_needs_a_person(header: Header) -> None:
    header.show_status(status(activity=Activity.NEEDS_YOU, sentence="<b>a.jsonl</b> needs a choice"))
    assert "<b>a.jsonl</b> needs a choice" in [label.text() for label in header.findChildren(PlainLabel)]


def test_header_says_commands_in_the_words_of_the_window(header: Header) -> None:
    header.show_status(status(base_id="smol", sentence="Paused; `resume` goes on."))
    assert "Paused; Resume goes on." in [label.text() for label in header.findChildren(PlainLabel)]


def test_header_keeps_names_for_screen_readers_when_it_has_no_room_for_words(header: Header) -> None:
    header.resize(700, 56)
    header.show_status(status())
    found = header.findChildren(SteerButton)
    assert {button.text() for button in found} == {""}
    assert all(button.accessibleName() for button in found)


def test_header_offers_to_start_the_service_and_nothing_else(qtbot: QtBot, header: Header) -> None:
    header.show_away("The service was ended; nothing trains.", can_start=True)

    assert [name for name, button in buttons(header).items() if button.isEnabled()] == ["Start"]
    header.resize(1024, 56)
    assert {button.text() for button in buttons(header).values()} == {"Start", ""}  # the sentence needs the room
    assert "The service was ended; nothing trains." in [label.text() for label in header.findChildren(PlainLabel)]
    with qtbot.waitSignal(header.start_requested, timeout=1000):
        qtbot.mouseClick(buttons(header)["Start"], Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("then", [lambda header: header.show_away("Starting."), lambda h: h.show_status(status())])
def test_header_takes_start_away_when_there_is_nothing_to_start(
    header: Header, then: Callable[[Header], object]
) -> None:
    header.show_away("The service was ended.", can_start=True)

    then(header)

    assert not buttons(header)["Start"].isVisible()
    assert not buttons(header)["Start"].isEnabled()


@pytest.mark.parametrize(
    ("base_id", "quantization", "lineage_id", "words"),
    [
        ("smollm2-135m-instruct-b179c952", "none", 1, "smollm2-135m-instruct · LoRA r16"),
        ("smollm2-135m-instruct-b179c952", "nf4", 1, "smollm2-135m-instruct · QLoRA r16"),
        ("smollm2-135m-instruct-b179c952", "nf4", 2, "smollm2-135m-instruct"),  # of a line that has ended
        ("Qwen3-8B", "nf4", 1, "Qwen3-8B · QLoRA r16"),
        ("", "nf4", 1, ""),
    ],
)
def test_title_names_the_model_and_its_adapter(base_id: str, quantization: str, lineage_id: int, words: str) -> None:
    lineage = LineageView(
        lineage_id=1,
        base_id=base_id,
        lora_r=16,
        lora_alpha=32.0,
        target_modules="all-linear",
        quantization=quantization,
        dtype="bfloat16",
        created_at=0.0,
    )
    assert model_words(status(base_id=base_id, lineage_id=lineage_id), lineage) == words


def test_title_has_no_hash_before_the_adapter_is_known(header: Header) -> None:
    header.show_status(status(base_id="smollm2-135m-instruct-b179c952"))
    assert "smollm2-135m-instruct" in [label.text() for label in header.findChildren(PlainLabel)]


def shown_items(bar: StatusBar) -> list[str]:
    return [item.text() for item in bar.findChildren(Item) if item.isVisible()]


def test_status_bar_says_machine_watchdog_and_price(qtbot: QtBot) -> None:
    bar = StatusBar()
    qtbot.addWidget(bar)
    bar.resize(1440, 28)
    bar.show()
    bar.show_connection("backend connected", "good")
    bar.show_status(
        status(activity=Activity.TRAINING, machine=MACHINE, trainer=TRAINER, service=OLD_SERVICE, updated_at=1060.0)
    )
    said = " | ".join(shown_items(bar))
    for part in ("backend connected", "last beat 0.4", "monitoring cost 0.3", "<b>RTX</b>", "CPU 40", "RAM", "412"):
        assert part in said
    assert "\u202e" not in said


@pytest.mark.parametrize(
    ("activity", "run_state"),
    [
        (Activity.IDLE, RunState.RUNNING),
        (Activity.CHECKING, RunState.RUNNING),
        (Activity.PAUSED, RunState.PAUSED),
        (Activity.TRAINING, RunState.PAUSED),
        (Activity.STOPPED, RunState.STOPPED),
    ],
)
def test_status_bar_counts_no_beats_when_no_trainer_should_move(
    qtbot: QtBot, activity: Activity, run_state: RunState
) -> None:
    bar = StatusBar()
    qtbot.addWidget(bar)
    bar.resize(1440, 28)
    bar.show()
    quiet = structs.replace(TRAINER, last_progress_seconds=480.0)
    bar.show_status(status(trainer=quiet, activity=Activity.TRAINING))
    assert "last beat" in " ".join(shown_items(bar))

    bar.show_status(status(trainer=quiet, activity=activity, run_state=run_state))

    assert shown_items(bar) == []


def test_status_bar_keeps_the_price_of_a_start_to_itself(qtbot: QtBot) -> None:
    bar = StatusBar()
    qtbot.addWidget(bar)
    bar.resize(1440, 28)
    bar.show()
    bar.show_status(status(machine=MACHINE, service=OLD_SERVICE, updated_at=1059.0))
    assert "monitoring" not in " | ".join(shown_items(bar))


def test_status_bar_leaves_out_what_has_no_room_but_never_the_backend(qtbot: QtBot) -> None:
    bar = StatusBar()
    qtbot.addWidget(bar)
    bar.show_connection("backend connected", "good")
    bar.show_status(status(machine=MACHINE, trainer=TRAINER, service=OLD_SERVICE, updated_at=2000.0))
    bar.resize(700, 28)
    bar.show()
    said = " | ".join(shown_items(bar))
    assert "backend connected" in said
    assert "Disk" in said
    assert "monitoring" not in said


def test_status_bar_says_nothing_that_it_does_not_know(qtbot: QtBot) -> None:
    bar = StatusBar()
    qtbot.addWidget(bar)
    bar.resize(1440, 28)
    bar.show()
    bar.show_status(status())
    assert shown_items(bar) == []


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    made = MainWindow("demo")
    made.resize(1024, 700)
    yield made
    made.close_for_good()
    shiboken6.delete(made)  # now, not when Python happens to collect it in another test


def test_window_paints_a_first_frame_before_it_has_a_page(qtbot: QtBot, window: MainWindow) -> None:
    with qtbot.waitSignal(window.first_frame_painted, timeout=5000):
        window.show()


def test_window_opens_its_first_page_and_goes_to_others(window: MainWindow) -> None:
    first, second = QWidget(), QWidget()
    window.add_page("train", "Train", "train", first)
    window.add_page("data", "Data", "data", second)
    window.show()
    assert first.isVisible()
    window.nav.page_requested.emit("data")
    assert second.isVisible()
    assert window.page_names == ["train", "data"]


def test_page_has_the_keyboard_when_the_button_that_had_it_goes_grey(qtbot: QtBot, window: MainWindow) -> None:
    page = QWidget()
    page.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    window.add_page("train", "Train", "train", page)
    window.header.show_status(training())  # type: ignore[arg-type]
    window.show()
    window.activateWindow()
    skip = buttons(window.header)["Skip file"]
    skip.setFocus()
    qtbot.waitUntil(skip.hasFocus)

    window.header.show_status(status())

    assert not skip.isEnabled()
    assert page.hasFocus()


def test_window_says_when_it_is_minimised_and_when_it_is_back(window: MainWindow) -> None:
    told: list[bool] = []
    window.minimized_changed.connect(told.append)
    window.show()

    window.showMinimized()
    window.come_forward()

    assert told == [True, False]


def test_window_asks_before_it_closes(qtbot: QtBot, window: MainWindow) -> None:
    window.show()
    with qtbot.waitSignal(window.close_requested, timeout=1000):
        window.close()
    assert window.isVisible()


def test_window_may_be_collected_by_python(qtbot: QtBot) -> None:
    window = MainWindow("demo")
    window.show()
    window.toasts.post("info", "Something", "")
    QApplication.processEvents()

    with qtbot.capture_exceptions() as raised:
        del window
        gc.collect()
        QApplication.processEvents()

    assert raised == []


def test_every_button_of_the_frame_has_a_name(window: MainWindow) -> None:
    window.add_page("train", "Train", "train", QWidget())
    assert [b for b in window.findChildren(QAbstractButton) if not b.accessibleName()] == []


def test_help_names_every_key_of_the_page(window: MainWindow) -> None:
    window.show()
    window.help_sheet.explain_page("train")
    window.help_sheet.open()
    said = [label.text() for label in window.help_sheet.findChildren(PlainLabel)]
    assert {"Ctrl+K", "Ctrl+O", "Alt+Up / Alt+Down", "F1"} <= set(said)
    window.help_sheet.explain_page("train")
    window.grab()


def test_window_state_is_kept_and_comes_back(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "window.ini"
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(640, 480)
    state = WindowState(path)
    state.theme = "dark"
    state.has_told_of_tray = True
    state.save(window)
    again = WindowState(path)
    other = QWidget()
    qtbot.addWidget(other)
    again.restore(other)
    assert (other.width(), other.height()) == (640, 480)
    assert again.theme == "dark"
    assert again.has_told_of_tray


@pytest.mark.parametrize(
    "content", ["", "garbage\x00[", "[General]\nversion=99\ntheme=dark\n", "[General]\ntheme=pink"]
)
def test_window_state_has_good_defaults_when_the_file_is_no_use(qtbot: QtBot, tmp_path: Path, content: str) -> None:
    (tmp_path / "window.ini").write_text(content)
    state = WindowState(tmp_path / "window.ini")
    assert state.theme == "system"
    assert not state.has_told_of_tray
    window = QWidget()
    qtbot.addWidget(window)
    state.restore(window)
    assert window.width() > 500


@pytest.mark.parametrize(
    ("was", "screen"),
    [
        (QRect(0, 0, 1440, 900), QRect(0, 0, 1440, 900)),
        (QRect(2000, 1500, 1440, 900), QRect(0, 28, 1366, 740)),
        (QRect(-300, -20, 800, 600), QRect(0, 0, 1920, 1080)),
    ],
)
def test_window_and_its_frame_fit_on_the_screen(was: QRect, screen: QRect) -> None:
    assert screen.contains(fitted(was, screen).marginsAdded(FRAME))


def test_window_that_fits_stays_where_it_was() -> None:
    place = QRect(100, 80, 1200, 800)
    assert fitted(place, QRect(0, 0, 1920, 1080)) == place


@pytest.mark.parametrize("is_known", [False, True])
def test_window_is_no_larger_than_the_screen_when_it_starts(qtbot: QtBot, tmp_path: Path, is_known: bool) -> None:
    window, other = QWidget(), QWidget()
    qtbot.addWidget(window)
    qtbot.addWidget(other)
    screen = window.screen().availableGeometry()
    assert not screen.marginsRemoved(FRAME).contains(QRect(screen.topLeft(), FIRST_SIZE))  # or this shows nothing
    if is_known:
        window.resize(FIRST_SIZE)
        WindowState(tmp_path / "window.ini").save(window)

    WindowState(tmp_path / "window.ini").restore(other)

    assert other.height() <= screen.height() - FRAME.top() - FRAME.bottom()
    assert other.width() <= screen.width() - FRAME.left() - FRAME.right()
