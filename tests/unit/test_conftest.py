"""The suite's own protections, each seen red: surprise logs, broken promises of logs, order of rooms, budget."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

SUITE = """
import logging
import pytest

def test_surprise():
    logging.getLogger("a.b").warning("spilt")

def test_surprise_in_a_logger_that_keeps_to_itself():
    logger = logging.getLogger("alone")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    logger.error("spilt alone")

def test_announced(expect_log):
    expect_log("spil+t")
    logging.getLogger("a.b").warning("spilt")

def test_announced_in_vain(expect_log):
    expect_log("never")

def test_announced_as_possible(expect_log):
    expect_log("never", at_least=0)

def test_quiet():
    logging.getLogger("a.b").info("fine")
"""


def run_suite(folder: Path, *arguments: str, conftest_changes: tuple[str, str] = ("", "")) -> tuple[int, str]:
    """A suite of its own under our conftest.py."""
    text = (TESTS / "conftest.py").read_text(encoding="utf-8").replace(*conftest_changes)
    (folder / "conftest.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", *arguments, str(folder)]
    wide = {**os.environ, "COLUMNS": "200"}  # or the summary's lines are cut off
    ran = subprocess.run(command, cwd=folder, env=wide, capture_output=True, text=True, check=False, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_logs.py").write_text(SUITE)
    return run_suite(folder)[1]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("test_surprise", "unexpected log record: WARNING a.b: spilt"),
        ("test_surprise_in_a_logger_that_keeps_to_itself", "unexpected log record: ERROR alone: spilt alone"),
        ("test_announced_in_vain", "announced but never logged: never"),
    ],
)
def test_log_watch_fails_a_test_when_logs_and_promises_differ(told: str, name: str, complaint: str) -> None:
    assert f"ERROR test_logs.py::{name} - Failed: {complaint}" in told


def test_log_watch_leaves_the_others_alone(told: str) -> None:
    assert "6 passed, 3 errors" in told


def test_rooms_run_from_cheap_to_dear(tmp_path: Path) -> None:
    for room in ("torture", "architecture", "unit"):
        (tmp_path / room).mkdir()
        (tmp_path / room / f"test_{room}.py").write_text("def test_nothing():\n    pass\n")
    _, printed = run_suite(tmp_path, "--collect-only")
    seen = [line.split("/")[0] for line in printed.splitlines() if "::" in line]
    assert seen == ["unit", "architecture", "torture"]


@pytest.mark.parametrize(("markers", "code"), [("not full", 1), ("", 0)])
def test_budget_fails_an_everyday_run_when_it_costs_too_much(tmp_path: Path, markers: str, code: int) -> None:
    (tmp_path / "test_one.py").write_text("def test_nothing():\n    pass\n")
    shrunk = ("EVERYDAY_SECONDS = 660", "EVERYDAY_SECONDS = 0")
    returned, printed = run_suite(tmp_path, "-m", markers, conftest_changes=shrunk)
    assert returned == code
    assert ("OVER BUDGET" in printed) == bool(code)


def test_qt_warning_fails_a_test(tmp_path: Path) -> None:
    (tmp_path / "test_qt.py").write_text(
        "from PySide6.QtCore import qWarning\n"
        "def test_warned():\n    qWarning('spilt')\n"
        "def test_quiet():\n    pass\n"
    )
    project = TESTS.parent / "pyproject.toml"
    _, printed = run_suite(tmp_path, "-c", str(project), "--rootdir", str(tmp_path))
    assert "1 failed, 1 passed" in printed
    assert "Qt messages with level WARNING or above emitted" in printed
