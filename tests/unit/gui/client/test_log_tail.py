"""The newest lines of the log, without a service."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gui.client import log_tail as module
from gui.client.log_tail import log_tail


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_lines_are_the_newest_over_all_files(logs: Path) -> None:
    (logs / "everstep_20261122.log").write_text("a\nb\n")
    (logs / "everstep_20261123_1.log").write_text("c\nd\n")
    (logs / "everstep_20261123_2.log").write_text("e\n")
    (logs / "everstep_20261123.log").write_text("f\ng\n")
    (logs / "other.log").write_text("x\n")
    assert log_tail(logs.parent, 4) == ["d", "e", "f", "g"]
    assert log_tail(logs.parent, 100) == list("abcdefg")


def test_nothing_is_shown_when_there_is_no_log(tmp_path: Path) -> None:
    assert log_tail(tmp_path, 10) == []
    assert log_tail(tmp_path, 0) == []


def test_only_the_end_is_read_when_a_log_is_large(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TAIL_BYTES", 100)
    (logs / "everstep_20261123.log").write_text("".join(f"line {number}\n" for number in range(1000)))
    found = log_tail(logs.parent, 1000)
    assert found[-1] == "line 999"
    assert 5 < len(found) < 12
    assert all(line.startswith("line 9") for line in found)


def test_bytes_that_are_no_text_are_shown_as_signs(logs: Path) -> None:
    (logs / "everstep_20261123.log").write_bytes(b"\xff\xfe broken\n")
    assert log_tail(logs.parent, 10) == ["\ufffd\ufffd broken"]


def test_nobody_waits_when_a_log_is_a_pipe_or_a_link(logs: Path) -> None:
    os.mkfifo(logs / "everstep_20261123.log")
    (logs / "everstep_20261122.log").symlink_to("/etc/passwd")
    assert log_tail(logs.parent, 10) == []
