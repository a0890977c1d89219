"""One window a workspace; a second start hands over its files, also after a crash of the first."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEventLoop
from PySide6.QtWidgets import QApplication

from gui.shell.single_instance import SingleInstance

ROOT = Path(__file__).resolve().parents[4]
START = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from gui.shell.single_instance import SingleInstance
app = QCoreApplication([])
one = SingleInstance()
is_first = one.claim(Path(sys.argv[1]), sys.argv[2:])
print('first' if is_first else 'later', flush=True)
if is_first:
    app.exec()
"""


@pytest.fixture(autouse=True)
def application() -> QCoreApplication:
    return QCoreApplication.instance() or QApplication(["everstep-tests"])


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Not below tmp_path: the name of a socket is short."""
    with tempfile.TemporaryDirectory(prefix="everstep-run-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture
def first() -> Iterator[SingleInstance]:
    found = SingleInstance()
    yield found
    found.release()


def start(*arguments: str | Path, cwd: Path | None = None, temporary: str = "/tmp") -> subprocess.Popen[str]:
    words = [sys.executable, "-c", START, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": temporary}
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, cwd=cwd)


def turn_until_ended(process: subprocess.Popen[str]) -> str:
    give_up_at = time.monotonic() + 20
    while process.poll() is None:
        assert time.monotonic() < give_up_at
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 10)
    return process.communicate()[0].strip()


def turn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 10)


def listen(instance: SingleInstance) -> list[object]:
    heard: list[object] = []
    instance.paths_received.connect(heard.append)
    instance.activated.connect(lambda: heard.append("activated"))
    return heard


def test_first_start_is_the_one(first: SingleInstance, tmp_path: Path, runtime_folder: Path) -> None:
    assert first.claim(tmp_path)
    (folder,) = runtime_folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    (found,) = folder.glob("*.socket")
    assert found.stat().st_mode & 0o077 == 0


def test_second_start_hands_its_files_to_the_first_and_leaves(first: SingleInstance, tmp_path: Path) -> None:
    assert first.claim(tmp_path / "workspace")
    heard = listen(first)
    later = start(tmp_path / "workspace", "a b.jsonl", "/data/ä.txt", cwd=tmp_path)
    assert turn_until_ended(later) == "later"
    turn(0.05)
    assert heard == [[str(tmp_path / "a b.jsonl"), "/data/ä.txt"], "activated"]


def test_second_start_brings_the_window_forward_when_it_has_no_files(first: SingleInstance, tmp_path: Path) -> None:
    assert first.claim(tmp_path)
    heard = listen(first)
    assert turn_until_ended(start(tmp_path)) == "later"
    turn(0.05)
    assert heard == ["activated"]


def test_files_wait_until_somebody_in_the_first_window_takes_them(first: SingleInstance, tmp_path: Path) -> None:
    assert first.claim(tmp_path)
    later = start(tmp_path, "/x")
    turn(0.6)  # the first frame is shown, the rooms behind it are still being built
    assert later.poll() is None
    heard = listen(first)
    assert turn_until_ended(later) == "later"
    turn(0.05)
    assert heard == [["/x"], "activated"]


def test_two_names_of_one_folder_are_one_workspace(first: SingleInstance, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    assert first.claim(real)
    listen(first)
    assert turn_until_ended(start(tmp_path / "link")) == "later"


def test_other_workspaces_have_windows_of_their_own(first: SingleInstance, tmp_path: Path) -> None:
    assert first.claim(tmp_path / "one")
    other = SingleInstance()
    assert other.claim(tmp_path / "two")
    other.release()


def test_start_after_a_crash_is_the_first_again(first: SingleInstance, tmp_path: Path) -> None:
    crashed = start(tmp_path)
    assert crashed.stdout is not None
    assert crashed.stdout.readline() == "first\n"
    crashed.send_signal(signal.SIGKILL)
    crashed.communicate()
    assert first.claim(tmp_path)
    heard = listen(first)
    assert turn_until_ended(start(tmp_path, "/x")) == "later"
    turn(0.05)
    assert heard == [["/x"], "activated"]


def test_start_after_a_crash_is_the_first_when_the_pid_is_another_process_by_now(
    first: SingleInstance, tmp_path: Path, runtime_folder: Path
) -> None:
    first.claim(tmp_path)
    (lock,) = (runtime_folder / "everstep").glob("*.lock")
    content = lock.read_bytes()
    first.release()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        lock.write_bytes(content.replace(str(os.getpid()).encode(), str(stranger.pid).encode(), 1))
        assert first.claim(tmp_path)
        stranger.communicate(b"\n")


def test_hand_over_says_no_when_the_first_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gui.shell.single_instance._FIRST_IS_COMING_SECONDS", 0.2)
    busy = start(tmp_path)
    assert busy.stdout is not None
    assert busy.stdout.readline() == "first\n"
    try:
        busy.send_signal(signal.SIGSTOP)
        monkeypatch.setattr("gui.shell.single_instance._ANSWER_MS", 300)
        later = SingleInstance()
        started = time.monotonic()
        assert not later.claim(tmp_path, ["/x"])
        assert not later.is_handed_over
        assert time.monotonic() - started < 5
    finally:
        busy.kill()
        busy.communicate()


@pytest.mark.parametrize("garbage", [b"\n", b"hello\n", b'{"paths": 3}\n', b"\xff" * 100 + b"\n", b"no end", b""])
def test_garbage_on_the_socket_changes_nothing(
    first: SingleInstance, tmp_path: Path, runtime_folder: Path, garbage: bytes
) -> None:
    assert first.claim(tmp_path)
    heard = listen(first)
    (path,) = (runtime_folder / "everstep").glob("*.socket")
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(path))
        stranger.sendall(garbage)
        turn(0.1)
    turn(0.1)
    assert heard == []
    assert turn_until_ended(start(tmp_path, "/x")) == "later"
    turn(0.05)
    assert heard == [["/x"], "activated"]


def test_folder_that_others_can_enter_is_not_used(
    first: SingleInstance, tmp_path: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime_folder.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="everstep-run-") as other:
        monkeypatch.setattr("tempfile.tempdir", other)
        assert first.claim(tmp_path)
        listen(first)
        assert list(runtime_folder.iterdir()) == []
        assert (Path(other) / f"everstep-{os.geteuid()}").exists()
        assert turn_until_ended(start(tmp_path, temporary=other)) == "later"
        first.release()


def test_short_folder_is_taken_when_the_name_of_the_usual_one_is_too_long_for_a_socket(
    first: SingleInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with tempfile.TemporaryDirectory(prefix="everstep-run-") as other:
        monkeypatch.setattr("tempfile.tempdir", other)
        assert first.claim(tmp_path)
        heard = listen(first)
        assert turn_until_ended(start(tmp_path, "/x", temporary=other)) == "later"
        turn(0.05)
        first.release()
    assert heard == [["/x"], "activated"]
