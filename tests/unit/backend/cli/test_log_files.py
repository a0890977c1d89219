"""The daily logs, read over days and over a day that was split."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.cli import log_files
from backend.formats.workspace import Workspace


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = Workspace(tmp_path).logs
    folder.mkdir()
    return folder


def test_logs_reach_back_over_days_when_the_newest_is_short(logs: Path) -> None:
    (logs / "everstep_20260101.log").write_text("a\nb\n", encoding="utf-8")
    (logs / "everstep_20260102.log").write_text("c\n", encoding="utf-8")
    assert log_files.newest_lines(Workspace(logs.parent), 2).lines == ["b", "c"]
    assert log_files.newest_lines(Workspace(logs.parent), 0).lines == []
    assert log_files.newest_lines(Workspace(logs.parent), 99).lines == ["a", "b", "c"]


def test_log_tail_follows_into_the_next_day_and_waits_for_whole_lines(logs: Path) -> None:
    today, tomorrow = logs / "everstep_20260101.log", logs / "everstep_20260102.log"
    today.write_text("a\nb\n", encoding="utf-8")
    tail = log_files.LogTail(Workspace(logs.parent))
    assert tail.start(1).lines == ["b"]
    assert tail.fresh_lines().lines == []
    with open(today, "a", encoding="utf-8") as file:
        file.write("c\nhal")
    assert tail.fresh_lines().lines == ["c"]
    with open(today, "a", encoding="utf-8") as file:
        file.write("f\n")
    tomorrow.write_text("d\n", encoding="utf-8")
    assert tail.fresh_lines().lines == ["half", "d"]
    assert tail.fresh_lines().lines == []


def test_logs_stand_in_order_when_a_day_was_split(logs: Path) -> None:
    for name, text in (("20260101_2", "b"), ("20260101_10", "c"), ("20260101", "d"), ("20260101_1", "a")):
        (logs / f"everstep_{name}.log").write_text(text + "\n", encoding="utf-8")
    assert log_files.newest_lines(Workspace(logs.parent), 9).lines == ["a", "b", "c", "d"]


def test_log_tail_loses_no_line_when_its_file_is_split(logs: Path) -> None:
    today = logs / "everstep_20260101.log"
    today.write_text("a\n", encoding="utf-8")
    tail = log_files.LogTail(Workspace(logs.parent))
    tail.start(0)
    with open(today, "a", encoding="utf-8") as file:
        file.write("b\n")
    today.rename(logs / "everstep_20260101_1.log")
    today.write_text("c\n", encoding="utf-8")
    assert tail.fresh_lines().lines == ["b", "c"]
