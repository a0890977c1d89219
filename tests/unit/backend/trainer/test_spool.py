"""Events out, commands in."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import msgspec
import pytest

from backend.contract.spool import AnyTrainerEvent, Control, Desired, PhaseChanged, Request
from backend.formats.progress import read_progress
from backend.store.durable import Appender, commit_file
from backend.trainer.spool import Commands, EventLog


def _events(folder: Path) -> list[PhaseChanged]:
    lines = (folder / "events.jsonl").read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=AnyTrainerEvent) for line in lines]


def test_emit_numbers_the_events_of_all_threads_without_a_gap(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    threads = [
        threading.Thread(target=lambda: [log.emit(PhaseChanged, phase="idle") for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.n for event in _events(tmp_path)] == list(range(1, 201))


def test_emit_moves_the_progress_counter(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    before = read_progress(tmp_path / "progress.bin")
    log.emit(PhaseChanged, phase="idle")
    after = read_progress(tmp_path / "progress.bin")
    assert after is not None
    assert after.counter > (before.counter if before else 0)


def test_emit_waits_for_space_and_leaves_no_torn_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path)
    log.emit(PhaseChanged, phase="first")
    append = Appender.append
    failures = 0

    def failing(self: Appender, record: bytes) -> None:
        nonlocal failures
        if failures < 2:
            failures += 1
            with self.path.open("ab") as file:
                file.write(record[:10])  # the part that still fitted
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, record)

    monkeypatch.setattr(Appender, "append", failing)
    log.emit(PhaseChanged, phase="second")
    assert [(event.n, event.phase) for event in _events(tmp_path)] == [(1, "first"), (2, "second")]


def test_emit_gives_up_when_told_to_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(tmp_path)
    log.gives_up = lambda: True

    def failing(self: Appender, record: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Appender, "append", failing)
    with pytest.raises(OSError, match="No space left"):
        log.emit(PhaseChanged, phase="idle")


def _say(folder: Path, control: Control) -> None:
    commit_file(folder / "control.json", msgspec.json.encode(control))


def test_control_is_run_without_a_file(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    assert commands.control().desired is Desired.RUN
    assert commands.control().assignment is None
    assert commands.leaving() == ""


def test_control_goes_by_its_number_not_by_the_time_of_the_file(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    _say(tmp_path, Control(seq=5, desired=Desired.PAUSE))
    assert commands.is_paused()
    _say(tmp_path, Control(seq=4, desired=Desired.STOP))
    assert commands.is_paused()
    assert commands.leaving() == ""
    _say(tmp_path, Control(seq=6, desired=Desired.STOP))
    assert commands.leaving() == "stop"


def test_control_keeps_the_last_good_one_when_the_file_is_broken_or_gone(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    _say(tmp_path, Control(seq=1, desired=Desired.PAUSE))
    assert commands.is_paused()
    (tmp_path / "control.json").write_bytes(b'{"seq": 2, "desi')
    assert commands.is_paused()
    (tmp_path / "control.json").unlink()
    assert commands.is_paused()


def test_leaving_names_the_stop_file_and_signals(tmp_path: Path) -> None:
    commands = Commands(tmp_path, tmp_path / ".stop")
    commands.was_signalled = True
    assert commands.leaving() == "stop"
    (tmp_path / ".stop").symlink_to("nowhere")  # a link counts, wherever it leads
    assert commands.leaving() == "stop_file"


def test_new_requests_are_handed_out_once(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    first, second = Request(request_id="a", kind="save"), Request(request_id="b", kind="save")
    _say(tmp_path, Control(seq=1, desired=Desired.RUN, requests=[first]))
    assert commands.new_requests() == [first]
    _say(tmp_path, Control(seq=2, desired=Desired.RUN, requests=[first, second]))
    assert commands.new_requests() == [second]
    assert commands.new_requests() == []
