"""What the window needs of the system: found by proof, installed as root, else named with the line to type."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "packaging" / "system_packages.py"
LISTED = """\
[set-up]
python3-venv
[window]
libhere   libc.so.6
libgone   libgone-of-everstep.so.9
[tests]
tool      everstep-has-no-such-tool
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("everstep_system_packages", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "list.txt").write_text(LISTED)
    read = module.read
    monkeypatch.setattr(module, "read", lambda section: read(section, tmp_path / "list.txt"))
    return module


def test_missing_packages_are_named_with_the_line_to_type_when_not_root(
    packages: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    assert packages.main(["window", "tests"]) == 1
    told = capsys.readouterr().err
    assert "    sudo apt install libgone\n" in told
    assert "libhere" not in told
    assert "tool" not in told, "one line to type at a time"


def test_missing_packages_are_installed_when_root(packages: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(packages, "_install", lambda apt_get, names: not installed.extend(names))
    real = packages.is_there
    monkeypatch.setattr(packages, "is_there", lambda proof: bool(installed) or real(proof))
    assert packages.main(["window"]) == 0
    assert installed == ["libgone"]


def test_installing_that_changes_nothing_is_told(
    packages: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(packages, "_install", lambda apt_get, names: True)
    assert packages.main(["window"]) == 1
    assert "libgone (libgone-of-everstep.so.9)" in capsys.readouterr().err


def test_what_must_be_found_is_named_when_there_is_no_apt(
    packages: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    assert packages.main(["window"]) == 1
    assert "libgone-of-everstep.so.9" in capsys.readouterr().err


def test_proof_is_a_library_a_program_or_a_file(packages: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.ttf").touch()
    found = ["libc.so.6", "sh", f"{tmp_path}/**/*.[to]tf"]
    missing = ["libgone-of-everstep.so.9", "everstep-has-no-such-tool", f"{tmp_path}/**/*.woff"]
    assert [packages.is_there(proof) for proof in found + missing] == [True] * 3 + [False] * 3


def test_every_package_of_window_and_tests_has_a_proof(packages: ModuleType) -> None:
    text = (ROOT / "packaging" / "debian-packages.txt").read_text(encoding="utf-8")
    window = text.partition("[window]")[2]
    lines = [line for line in window.splitlines() if line and not line.startswith(("#", "["))]
    assert len(lines) > 20
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.+-]+ +\S+", line)] == []
