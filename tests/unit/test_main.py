"""The door: what it answers by itself, and which role it opens."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without a screen, until the test gives it one."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_main_prints_help_when_no_role_is_named(
    words: list[str], display: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in ("gui", "demo", "test", "serve", "add", "status"))


@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY"])
def test_main_opens_the_window_when_no_role_is_named_and_there_is_a_display(
    variable: str, display: pytest.MonkeyPatch
) -> None:
    roles: list[list[str]] = []
    display.setenv(variable, ":0")
    display.setattr(main, "_enter_environment", lambda argv: 0)
    display.setattr(main, "_run_role", lambda argv: bool(roles.append(argv)))
    assert main.main([]) == 0
    assert roles == [["gui"]]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What the script for system packages was asked; it finds them missing while a file `refuses` lies there."""
    asked: list[list[str]] = []
    listed = tmp_path / "debian-packages.txt"
    listed.write_text("[window]\nlibx libx.so\n")

    class Ran:
        returncode = 0

    def run(command: list[str], **_options: object) -> Ran:
        asked.append(command[3:])
        ran = Ran()
        ran.returncode = int((tmp_path / "refuses").exists())
        return ran

    monkeypatch.setattr(main, "VENV", tmp_path)
    monkeypatch.setattr(main, "SYSTEM_PACKAGES", listed)
    monkeypatch.setattr(main.subprocess, "run", run)
    return asked


def test_system_is_looked_at_once_while_the_list_is_the_same(system: list[list[str]]) -> None:
    assert [main._system_is_ready(), main._system_is_ready()] == [True, True]
    assert system == [["window"]]
    main.SYSTEM_PACKAGES.write_text("[window]\nliby liby.so\n")
    assert main._system_is_ready()
    assert system == [["window"], ["window"]]


def test_system_is_looked_at_again_when_something_was_missing(system: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "refuses").touch()
    assert not main._system_is_ready()
    (tmp_path / "refuses").unlink()
    assert main._system_is_ready()


def test_window_is_not_started_when_the_system_lacks_something(system: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "refuses").touch()
    assert main._run_role(["gui"]) == 1


def test_tests_are_not_started_when_the_system_lacks_their_tools(system: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "refuses").touch()
    assert main._run_role(["test"]) == 1
    assert system == [["window", "tests"]]


def test_demo_stays_at_the_prompt_when_the_system_cannot_show_a_window(
    system: list[list[str]], tmp_path: Path, display: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    display.setenv("DISPLAY", ":0")
    display.setattr("backend.cli.main.main", lambda argv: bool(given.append(argv)))
    (tmp_path / "refuses").touch()
    main._run_role(["demo"])
    (tmp_path / "refuses").unlink()
    main._run_role(["demo"])
    assert given == [["demo", "--headless"], ["demo"]]


def test_verbs_of_the_engine_ask_nothing_of_the_system(
    system: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.cli.main.main", lambda argv: 0)
    assert main._run_role(["status"]) == 0
    assert system == []


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
