"""The run of all checks: every stage runs, one failure is enough, arguments mean pytest alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).resolve().parents[3] / "packaging" / "checks.py"


@pytest.fixture
def checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("everstep_checks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ran(checks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The stages that were started; mypy fails."""
    started: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        started.append(arguments)
        return 2 if "mypy" in arguments else 0

    monkeypatch.setattr(checks, "_run", run)
    monkeypatch.setattr(checks, "_run_side_by_side", lambda *both: [run(arguments) for arguments in both])
    return started


def test_checks_run_every_stage_when_an_early_one_fails(checks: ModuleType, ran: list[list[str]]) -> None:
    assert checks.main([]) == 1
    assert [arguments[1] for arguments in ran] == ["ruff", "mypy", checks.LINT_IMPORTS, "pytest", "pytest"]


def test_checks_run_every_room_of_the_tests_once(checks: ModuleType, ran: list[list[str]]) -> None:
    checks.main([])
    parts, whole = ran[-2:]
    everyday = ["-m", "pytest", "-m", "not full and not gpu"]
    assert parts == [*everyday, *checks.PARTS]
    assert whole == [*everyday, *(f"--ignore={room}" for room in checks.PARTS)]


def test_checks_fail_when_either_half_of_the_tests_fails(checks: ModuleType) -> None:
    programs = {"good": ["-c", "print('1 passed')"], "bad": ["-c", "raise SystemExit(1)"]}
    assert checks._run_side_by_side(programs["good"], programs["good"]) == [0, 0]
    assert sorted(checks._run_side_by_side(programs["good"], programs["bad"])) == [0, 1]
    assert sorted(checks._run_side_by_side(programs["bad"], programs["good"])) == [0, 1]


def test_checks_run_pytest_alone_when_arguments_are_given(checks: ModuleType, ran: list[list[str]]) -> None:
    assert checks.main(["tests/unit", "-x"]) == 0
    assert ran == [["-m", "pytest", "-m", "not full and not gpu", "tests/unit", "-x"]]


def test_checks_deselect_nothing_when_full(checks: ModuleType, ran: list[list[str]]) -> None:
    checks.main(["--full"])
    assert len(ran) == 5
    assert all(arguments[2:4] == ["-m", ""] for arguments in ran[-2:])


def test_checks_name_the_failed_stage(
    checks: ModuleType, ran: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    checks.main([])
    assert "mypy FAILED in" in capsys.readouterr().out.splitlines()[-1]
