"""What holds for every test: no unexpected log record, rooms in order, and a price tag on each room.

That a Qt warning fails a test is said in pyproject.toml (`qt_log_level_fail`), and pytest-qt sees to it.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ROOM_ORDER = ("unit", "architecture", "integration", "e2e", "torture", "gui", "gpu")

EVERYDAY_SECONDS = 660
"""Engine 360, window 300."""

# Widgets of a unit test need no screen. The tests under tests/gui start a screen of their own, in other processes.
os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ.pop("DISPLAY", None)


class LogExpectation:
    """A warning the test announces: `expect_log("pattern")`; `at_least=0` where it may also stay away."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []
        self._announced: list[tuple[re.Pattern[str], int]] = []

    def __call__(self, pattern: str, *, at_least: int = 1) -> None:
        self._announced.append((re.compile(pattern), at_least))

    def complaints(self) -> list[str]:
        """What was logged without being announced, and what was announced without being logged."""
        texts = [f"{record.levelname} {record.name}: {record.getMessage()}" for record in self.records]
        unexpected = [text for text in texts if not any(known.search(text) for known, _ in self._announced)]
        missing = [
            known.pattern
            for known, at_least in self._announced
            if sum(bool(known.search(text)) for text in texts) < at_least
        ]
        return [f"unexpected log record: {text}" for text in unexpected] + [
            f"announced but never logged: {pattern}" for pattern in missing
        ]


@pytest.fixture(autouse=True)
def expect_log(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> object:
    """Fail the test on any record of WARNING or above that it did not announce through this fixture."""
    expectation = LogExpectation()
    call_handlers = logging.Logger.callHandlers

    def watch(logger: logging.Logger, record: logging.LogRecord) -> None:
        # Here, not in a handler: a logger that does not propagate, or whose handlers were replaced, counts too.
        if record.levelno >= logging.WARNING:
            expectation.records.append(record)
        call_handlers(logger, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", watch)
    yield expectation
    complaints = expectation.complaints()
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap rooms first, so that a small mistake is heard of in seconds."""
    items.sort(key=lambda item: _order(item.path))  # stable: within a room the order stays


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test for a CUDA device is skipped, not failed, where there is none."""
    if item.get_closest_marker("gpu") and not Path("/proc/driver/nvidia/version").exists():
        pytest.skip("no NVIDIA driver on this machine")


class RoomCosts:
    """Adds up what each room cost, prints it, and fails an everyday run that outgrew its budget."""

    def __init__(self, *, is_everyday: bool) -> None:
        self._is_everyday = is_everyday
        self._seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        room = _room(TESTS.parent / report.location[0])
        self._seconds[room] = self._seconds.get(room, 0.0) + report.duration

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._is_over() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        told = " · ".join(f"{room} {self._seconds[room]:.1f} s" for room in sorted(self._seconds, key=_rank))
        if told:
            terminalreporter.write_line(f"cost: {told}")
        if self._is_over():
            total = sum(self._seconds.values())
            terminalreporter.write_line(f"OVER BUDGET: {total:.0f} s; an everyday run may cost {EVERYDAY_SECONDS} s")

    def _is_over(self) -> bool:
        return self._is_everyday and sum(self._seconds.values()) > EVERYDAY_SECONDS


def pytest_configure(config: pytest.Config) -> None:
    """An everyday run is one that leaves the `full` tests out."""
    config.pluginmanager.register(RoomCosts(is_everyday="not full" in config.getoption("markexpr")))


def _order(path: Path) -> int:
    return _rank(_room(path))


def _room(path: Path) -> str:
    return path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else path.name


def _rank(room: str) -> int:
    return ROOM_ORDER.index(room) if room in ROOM_ORDER else len(ROOM_ORDER)
