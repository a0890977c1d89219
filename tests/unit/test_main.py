"""The door: what it answers by itself, and which role it opens."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import main

ROOT = Path(__file__).resolve().parents[2]


def test_main_prints_help_when_no_role_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in ("demo", "test", "serve", "add", "status"))


def test_main_prints_the_project_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"everstep {project['version']}\n"


def test_main_loads_nothing_but_the_standard_library() -> None:
    program = "import sys, main; print([m for m in ('backend', 'msgspec', 'torch') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


class Became(Exception):
    """Instead of turning into another program."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """A project whose `.venv` is not made yet, and the commands main would have turned into."""
    commands: list[list[str]] = []

    def become(command: list[str]) -> None:
        commands.append(command)
        raise Became

    venv = tmp_path / ".venv"
    monkeypatch.setattr(main, "VENV", venv)
    monkeypatch.setattr(main, "MARKERS", (venv / ".everstep-ready", venv / ".everstep-ready-dev"))
    monkeypatch.setattr(main, "_become", become)
    return commands


def make_venv(venv: Path, *markers: str) -> None:
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    for marker in markers:
        (venv / marker).touch()


def test_main_continues_in_the_environment_when_it_is_made(
    became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_venv(main.VENV, ".everstep-ready")
    monkeypatch.setattr(main, "_bootstrap", lambda *, dev: pytest.fail("nothing to set up"))
    with pytest.raises(Became):
        main.main(["status", "--json"])
    assert became == [[str(main.VENV / "bin" / "python"), str(ROOT / "main.py"), "status", "--json"]]


def test_main_sets_up_the_test_tools_when_only_the_runtime_is_made(
    became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_venv(main.VENV, ".everstep-ready")
    asked: list[bool] = []
    monkeypatch.setattr(main, "_bootstrap", lambda *, dev: bool(asked.append(dev)))
    with pytest.raises(Became):
        main.main(["test"])
    assert asked == [True]


def test_main_stops_when_set_up_failed(became: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_bootstrap", lambda *, dev: 1)
    assert main.main(["status"]) == 1
    assert became == []


def test_main_starts_anew_when_set_up_changed_the_environment_it_runs_in(
    became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_venv(main.VENV, ".everstep-ready")
    monkeypatch.setattr(main.sys, "prefix", str(main.VENV))
    monkeypatch.setattr(main, "_bootstrap", lambda *, dev: bool(main.MARKERS[0].write_text("newer") == 0))
    with pytest.raises(Became):
        main.main(["status"])


def test_main_opens_the_role_when_its_environment_is_good(
    became: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_venv(main.VENV, ".everstep-ready")
    monkeypatch.setattr(main.sys, "prefix", str(main.VENV))
    monkeypatch.setattr(main, "_bootstrap", lambda *, dev: 0)
    monkeypatch.setattr(main, "_run_role", lambda argv: 7)
    assert main.main(["status"]) == 7
    assert became == []
