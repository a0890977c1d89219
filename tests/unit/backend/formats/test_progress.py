"""The progress counter in shared memory."""

from __future__ import annotations

import time
from pathlib import Path

from backend.formats.progress import ProgressWriter, read_progress


def test_progress_of_a_missing_or_short_file_is_none(tmp_path: Path) -> None:
    assert read_progress(tmp_path / "missing") is None
    (tmp_path / "short").write_bytes(b"x" * 10)
    assert read_progress(tmp_path / "short") is None


def test_progress_moves_with_time_and_phase(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path / "progress.bin")
    assert read_progress(tmp_path / "progress.bin").counter == 0
    before = time.monotonic_ns()
    writer.enter("training")
    writer.move()
    seen = read_progress(tmp_path / "progress.bin")
    assert (seen.counter, seen.phase) == (2, "training")
    assert before <= seen.moved_at_ns <= time.monotonic_ns()


def test_progress_shows_only_the_newest_phase_and_cuts_a_long_name(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path / "progress.bin")
    writer.enter("a very long name of a phase that goes on")
    assert read_progress(tmp_path / "progress.bin").phase == "a very long name of a phase that"
    writer.enter("idle")
    assert read_progress(tmp_path / "progress.bin").phase == "idle"


def test_progress_of_a_second_writer_starts_anew(tmp_path: Path) -> None:
    ProgressWriter(tmp_path / "progress.bin").enter("saving")
    writer = ProgressWriter(tmp_path / "progress.bin")
    writer.move()
    assert read_progress(tmp_path / "progress.bin").counter == 1
    assert (tmp_path / "progress.bin").stat().st_size == 64
