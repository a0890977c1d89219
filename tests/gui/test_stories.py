"""What people do with the window, done with a real mouse and real keys on a real desktop, against the real engine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.proof import Engine, kill, services, trainers, wait_until, write_rows
from tests.e2e.prompt import SMALL_MODEL_SETTINGS, add_long, until_steps
from tests.gui.desktop import SOURCE, Desktop, OpenWindow, middle, until


def names(engine: Engine) -> list[str]:
    """Waiting files in the order they will be trained."""
    return [job["file_name"] for job in engine.jobs().values() if job["state"] in ("queued", "held")]


def order(window: OpenWindow) -> list[str]:
    """Files in the order the window shows them."""
    return [word for row in window.rows() for word in row["text"].split() if word.endswith(".jsonl")]


def train_for_long(engine: Engine, path: Path, *, seed: int) -> int:
    """Train a file that will not end before the test has; returns a step of it."""
    before = engine.api.call("status")["global_step"]
    add_long(engine, path, seed=seed)
    return until_steps(engine, before + 3)


def hold_training(engine: Engine) -> None:
    engine.api.call("pause")


def test_window_starts_the_service_asks_for_a_model_shows_the_first_file_and_trains_it(
    desktop: Desktop, tiny_model: Path, tmp_path: Path
) -> None:
    with Engine(tmp_path / "new") as engine, OpenWindow(desktop, engine.workspace.root) as window:
        window.the("Item", text="backend connected")
        window.the("FirstRun")
        assert len(services(engine.workspace)) == 1
        engine.set_up(tiny_model, SMALL_MODEL_SETTINGS)
        until(lambda: window.find("FirstRun") is None, "the curves take the place of the first steps")
        job_id = engine.add(write_rows(tmp_path / "first.jsonl", 12, seed=11))[0]
        until(lambda: window.the("DatasetPreview")["title"].startswith("first.jsonl"), "the preview names the file")
        desktop.click(window.the("DatasetPreview"))  # it came unasked, so it has left the keyboard where it was
        desktop.press("Escape")
        until(lambda: window.find("DatasetPreview") is None, "the preview is closed")
        assert engine.wait_for_end(job_id)[job_id]["state"] == "finished"
        until(lambda: window.find(text=" · train "), "the line below the curve names a step")


def test_drop_from_another_program_queues_the_file_and_leaves_the_original(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    hold_training(engine)
    path = write_rows(tmp_path / "ä dropped.jsonl", 8, seed=1)
    command = [sys.executable, "-P", str(SOURCE), "20", "900", str(path), str(tmp_path / "photo.png")]
    with subprocess.Popen(command, env=desktop.environment, stdout=subprocess.PIPE, text=True) as source:
        assert source.stdout is not None
        until(lambda: desktop.hand("search", "--onlyvisible", "--pid", source.pid), "the other program shows")
        time.sleep(0.3)
        desktop.drag((60, 930), middle(window.the("LossChart")), hover_seconds=0.6)
        assert source.stdout.readline().strip() == "CopyAction"
        source.terminate()
    window.row("dropped.jsonl")
    assert path.exists()
    assert "photo.png" in window.the("Toast", name="not added")["about"]


def test_alt_up_and_the_mouse_reorder_and_ctrl_z_takes_it_back(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    hold_training(engine)
    for name in ("a", "b", "c"):
        engine.add(write_rows(tmp_path / f"{name}.jsonl", 8, seed=ord(name)))
    until(lambda: order(window) == ["a.jsonl", "b.jsonl", "c.jsonl"], "three files in order")
    desktop.click(window.row("c.jsonl"))
    desktop.press("alt+Up")
    until(lambda: order(window) == ["a.jsonl", "c.jsonl", "b.jsonl"], "c is before b")
    top = window.row("a.jsonl")["rect"]
    desktop.drag(middle(window.row("b.jsonl")), (top[0] + top[2] // 2, top[1] + 4))
    until(lambda: order(window) == ["b.jsonl", "a.jsonl", "c.jsonl"], "b was dragged before a")
    until(lambda: names(engine) == ["b.jsonl", "a.jsonl", "c.jsonl"], "the service says the same")
    desktop.press("ctrl+z")
    until(lambda: order(window) == ["a.jsonl", "c.jsonl", "b.jsonl"], "undone")


def test_del_removes_and_ctrl_z_brings_back(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    hold_training(engine)
    engine.add(write_rows(tmp_path / "gone.jsonl", 8, seed=3))
    desktop.click(window.row("gone.jsonl"))
    desktop.press("Delete")
    until(lambda: not order(window), "the file left the queue")
    desktop.press("ctrl+z")
    window.row("gone.jsonl")


def test_header_pauses_and_ctrl_p_resumes(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    step = train_for_long(engine, tmp_path / "long.jsonl", seed=4)
    desktop.click(window.the("SteerButton", name="Pause"))
    window.the("StatePill", text="Paused")
    assert window.the("SteerButton", name="Resume")
    desktop.press("ctrl+p")
    window.the("StatePill", text="Training")
    assert until_steps(engine, step + 5) > step


def test_palette_finds_a_verb_by_a_few_letters_and_runs_it(
    desktop: Desktop, engine: Engine, window: OpenWindow
) -> None:
    desktop.press("ctrl+k")
    window.the("CommandPalette")
    desktop.write("paus")
    time.sleep(0.2)
    desktop.press("Return")
    until(lambda: engine.api.call("status")["run_state"] == "paused", "the service is paused")
    assert window.find("CommandPalette") is None


def test_help_opens_with_f1_and_leaves_with_escape(desktop: Desktop, window: OpenWindow) -> None:
    desktop.press("F1")
    window.the("HelpSheet")
    desktop.press("Escape")
    until(lambda: window.find("HelpSheet") is None, "the sheet is gone")


def test_closing_hides_behind_the_tray_and_a_second_start_brings_files_and_window(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    hold_training(engine)
    until(lambda: desktop.hand("search", "--class", "everstep"), "the window is known")
    time.sleep(1)
    desktop.press("ctrl+w")
    until(window.is_hidden, "the window is hidden")
    assert window.is_running()
    later = write_rows(tmp_path / "later.jsonl", 8, seed=5)
    with _second_start(desktop, engine, later) as second:
        assert second.wait(20) == 0
    window.the("TrainPage")
    window.row("later.jsonl")


def _second_start(desktop: Desktop, engine: Engine, path: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", "import sys, main; sys.exit(main._run_role(sys.argv[1:]))"]
    words = ["gui", "--workspace", str(engine.workspace.root), str(path)]
    return subprocess.Popen([*command, *words], env=desktop.environment, cwd="/")


def test_tray_icon_brings_the_window_back_and_its_menu_pauses(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    train_for_long(engine, tmp_path / "long.jsonl", seed=12)
    desktop.press("ctrl+w")
    until(window.is_hidden, "the window is hidden")
    window.the("QSystemTrayIcon", text="Everstep · Training")

    def menu() -> object:
        icon = window.the("QSystemTrayIcon")  # a tray may still be moving its icons
        desktop.click(icon, button=3)
        time.sleep(0.5)
        return window.find("QMenu")

    until(menu, "the menu of the icon")
    desktop.press("Down", "Down", "Return")  # Open, Pause
    window.the("QSystemTrayIcon", text="Everstep · Paused")
    assert engine.api.call("status")["run_state"] == "paused"
    desktop.click(window.the("QSystemTrayIcon"))
    window.the("MainWindow")


def test_closing_without_a_tray_asks_and_ends_the_window_but_not_the_training(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    step = train_for_long(engine, tmp_path / "long.jsonl", seed=6)
    window.the("StatePill", text="Training")
    desktop.end_tray()
    try:
        time.sleep(0.5)
        desktop.press("ctrl+w")
        keep = window.the("ControlButton", text="Keep training")
        desktop.click(keep)
        until(lambda: not window.is_running(), "the window has ended")
        assert window.process.returncode == 0
        assert until_steps(engine, step + 5) > step
    finally:
        desktop.start_tray()


def test_killed_window_changes_nothing_and_the_next_one_shows_what_is_so_now(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    step = train_for_long(engine, tmp_path / "long.jsonl", seed=7)
    trainer = trainers(engine.workspace)[0].pid
    window.process.send_signal(signal.SIGKILL)
    window.process.wait(10)
    assert until_steps(engine, step + 5) > step
    assert [process.pid for process in trainers(engine.workspace)] == [trainer]
    with OpenWindow(desktop, engine.workspace.root) as again:
        again.the("StatePill", text="Training")
        again.row("long.jsonl")


def test_killed_trainer_recovers_and_the_desktop_is_told_while_nobody_looks(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    step = train_for_long(engine, tmp_path / "long.jsonl", seed=8)
    desktop.press("ctrl+w")  # behind the tray: nobody looks
    until(window.is_hidden, "the window is hidden")
    told = len(desktop.notifications())
    kill(trainers(engine.workspace)[0].pid)
    assert until_steps(engine, step + 5) > step
    until(lambda: "Everstep" in desktop.notifications()[told:], "the notification daemon was told")


def test_finished_file_is_told_to_the_desktop(
    desktop: Desktop, engine: Engine, window: OpenWindow, tmp_path: Path
) -> None:
    desktop.press("ctrl+w")
    until(window.is_hidden, "the window is hidden")
    told = len(desktop.notifications())
    job_id = engine.add(write_rows(tmp_path / "short.jsonl", 12, seed=9))[0]
    engine.wait_for_end(job_id)
    until(lambda: "short.jsonl is done" in desktop.notifications()[told:], "the notification daemon was told")
    wait_until(lambda: window.is_running(), 1, "the window lives")
