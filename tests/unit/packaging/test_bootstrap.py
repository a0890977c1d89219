"""The set-up script: its sentences on fakes, and its promises on a real environment with a one-file package."""

from __future__ import annotations

import errno
import importlib.util
import io
import os
import signal
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "packaging" / "bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    """The script, loaded under another name: `packaging` is never imported."""
    spec = importlib.util.spec_from_file_location("everstep_bootstrap", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def environment(bootstrap: ModuleType, tmp_path: Path) -> Any:
    """A project with something that looks like a made `.venv`."""
    make_project(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("home = /usr\nversion = 3.11.7\n")
    return bootstrap.Environment(tmp_path, dev=False)


def make_project(folder: Path) -> None:
    (folder / "packaging").mkdir()
    (folder / "packaging" / "bootstrap.py").write_bytes(SCRIPT.read_bytes())
    (folder / "packaging" / "constraints.txt").write_text("everstep-probe==1.0\n")
    (folder / "packaging" / "debian-packages.txt").write_text("[set-up]\npython3-venv\n\n[window]\nlibx libx.so\n")
    (folder / "pyproject.toml").write_text(
        '[project]\ndependencies = ["everstep-probe"]\n[project.optional-dependencies]\ndev = ["everstep-probe"]\n'
    )


def test_supported_versions_agree_with_the_project_file(bootstrap: ModuleType) -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    first, last = bootstrap.SUPPORTED[0], bootstrap.SUPPORTED[-1]
    assert asked == f">={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}"


def test_environment_is_ready_when_marker_was_written(environment: Any) -> None:
    assert not environment.is_ready()
    environment.remember()
    assert environment.is_ready()


def test_environment_is_not_ready_for_tests_when_only_the_runtime_was_made(
    bootstrap: ModuleType, environment: Any
) -> None:
    environment.remember()
    assert not bootstrap.Environment(environment.root, dev=True).is_ready()


@pytest.mark.parametrize("changed", ["packaging/constraints.txt", "pyproject.toml"])
def test_environment_is_stale_but_sound_when_requirements_changed(
    bootstrap: ModuleType, environment: Any, changed: str
) -> None:
    environment.remember()
    path = environment.root / changed
    path.write_text(path.read_text().replace("everstep-probe", "everstep-other"))
    again = bootstrap.Environment(environment.root, dev=False)
    assert not again.is_ready()
    assert again.is_sound()


def test_environment_is_unsound_when_its_interpreter_changed(environment: Any) -> None:
    environment.remember()
    environment.python.unlink()
    environment.python.symlink_to("/bin/sh")
    assert not environment.is_sound()
    assert not environment.is_ready()


def test_environment_is_unsound_when_marker_is_garbage(environment: Any) -> None:
    environment.remember()
    (environment.folder / ".everstep-ready").write_text("[1]")
    assert not environment.is_ready()
    assert not environment.is_sound()


def test_forget_leaves_nobody_to_trust_the_folder(bootstrap: ModuleType, environment: Any) -> None:
    bootstrap.Environment(environment.root, dev=True).remember()
    environment.forget()
    assert not environment.is_sound()


@pytest.mark.parametrize(
    ("tail", "sentence"),
    [
        (["ERROR: Could not install: [Errno 28] No space left on device"], "The disk is full."),
        (["ERROR: [Errno 30] Read-only file system: 'x'"], "A folder could not be written."),
        (
            [
                "WARNING: Retrying: NewConnectionError: Temporary failure in name resolution",
                "ERROR: No matching distribution found for torch",
            ],
            "no connection to the package index",
        ),
        (["ERROR: No matching distribution found for torch"], "pip found no fitting build"),
        (["ERROR: something else"], "something else"),
    ],
)
def test_failure_is_told_in_a_sentence(bootstrap: ModuleType, tail: list[str], sentence: str) -> None:
    error = bootstrap._explain_failure(["/x/.venv/bin/python", "-m", "pip", "install"], tail)
    assert sentence in error.message
    assert error.hint


def test_failure_shows_the_last_five_lines(bootstrap: ModuleType) -> None:
    error = bootstrap._explain_failure(["pip"], [f"line {number}" for number in range(9)])
    assert [line.strip() for line in error.message.splitlines()[1:]] == [f"line {number}" for number in range(4, 9)]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "cannot be written"), (errno.EIO, "operating system refused")],
)
def test_os_error_is_told_in_a_sentence(bootstrap: ModuleType, number: int, sentence: str) -> None:
    assert sentence in bootstrap._explain_os_error(OSError(number, os.strerror(number), "/x")).message


def test_missing_ensurepip_names_the_line_to_type_when_not_root(
    bootstrap: ModuleType, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(bootstrap.sys, "executable", "/usr/bin/python3")
    with pytest.raises(bootstrap.SetupError) as caught:
        bootstrap._install_system_packages(environment, bootstrap.Narrator(io.StringIO()))
    assert "    sudo apt install python3-venv\n" in caught.value.hint


def test_missing_ensurepip_is_installed_when_root(
    bootstrap: ModuleType, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(bootstrap.sys, "executable", "/usr/bin/python3")
    monkeypatch.setattr(bootstrap, "_run", lambda command, doing, narrator: commands.append(command))
    bootstrap._install_system_packages(environment, bootstrap.Narrator(io.StringIO()))
    assert commands[-1][:3] == ["/usr/bin/apt-get", "install", "-y"]
    assert commands[-1][-1] == "python3-venv"


def test_folder_is_made_without_pip_when_only_another_pip_exists(
    bootstrap: ModuleType, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "_has_ensurepip", lambda: False)
    monkeypatch.setattr(bootstrap, "_pip_from_elsewhere", lambda environment: ["other-pip"])
    monkeypatch.setattr(bootstrap, "_run", lambda command, doing, narrator, *_: commands.append(command))
    narrator = bootstrap.Narrator(io.StringIO())
    bootstrap._make_folder(environment, narrator)
    bootstrap._install(environment, narrator)
    assert commands[0][-1] == "--without-pip"
    assert commands[1][:2] == ["other-pip", "install"]


def test_pip_noise_is_kept_from_people(bootstrap: ModuleType, tmp_path: Path) -> None:
    program = tmp_path / "pip.py"
    program.write_text("print('WARNING: Location x is ignored: no folder'); print('Looking in links: x'); exit(1)")
    with pytest.raises(bootstrap.SetupError) as caught:
        bootstrap._run([sys.executable, str(program)], "trying", bootstrap.Narrator(io.StringIO()))
    assert "ignored" not in caught.value.message
    assert "Looking" not in caught.value.message


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  Downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl (190.1 MB)", ("torch-2.13.0", " (190.1 MB)")),
        ("  Downloading idna-3.20-py3-none-any.whl.metadata (8 kB)", None),
        ("Processing /a/wheels/torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl (from x)", ("torch-2.13.0+cpu", None)),
        ("Collecting numpy>=2 (from x)", None),
    ],
)
def test_download_names_are_read_from_pip(bootstrap: ModuleType, line: str, shown: tuple[str, str] | None) -> None:
    found = bootstrap.FETCHED.match(line)
    assert (found and ("-".join(found.group(1).split("-")[:2]), found.group(2))) == shown


def test_narrator_takes_nothing_back_when_there_is_no_terminal(bootstrap: ModuleType) -> None:
    stream = io.StringIO()
    narrator = bootstrap.Narrator(stream)
    narrator.tick("working")
    narrator.line("done")
    assert stream.getvalue().endswith("done\n")
    assert "working" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


@dataclass
class RealRun:
    """What happened to one project whose set-up was killed, then started twice at once, then made stale."""

    marker_after_kill: bool = True
    codes: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    probe: str = ""
    stale_code: int = -1
    stale_told: str = ""
    lost: tuple[int, str] = (-1, "")


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    """One real environment, three acts. pip is real; the package is one file in a folder."""
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    for version in ("1.0", "2.0"):
        make_wheel(folder, version)
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}

    def start() -> subprocess.Popen[str]:
        script = str(folder / "packaging" / "bootstrap.py")
        return subprocess.Popen([sys.executable, "-I", script], stderr=subprocess.PIPE, text=True, env=variables)

    run = RealRun()
    with start() as first:
        assert first.stderr is not None
        while "Fetching" not in (line := first.stderr.readline()):
            assert line, "ended before it fetched anything"
        os.kill(first.pid, signal.SIGKILL)
    run.marker_after_kill = (folder / ".venv" / ".everstep-ready").exists()
    with start() as one, start() as two:
        run.told = [one.communicate(timeout=120)[1], two.communicate(timeout=120)[1]]
        run.codes = [one.returncode, two.returncode]
    run.probe = probe(folder)
    (folder / "packaging" / "constraints.txt").write_text("everstep-probe==2.0\n")
    with start() as stale:
        run.stale_told = stale.communicate(timeout=120)[1]
        run.stale_code = stale.returncode
    run.probe += " " + probe(folder)
    (folder / "packaging" / "constraints.txt").write_text("everstep-probe==3.0\n")
    with start() as lost:
        told = lost.communicate(timeout=120)[1]
        run.lost = (lost.returncode, told + f"marker {(folder / '.venv' / '.everstep-ready').exists()}")
    return run


def make_wheel(folder: Path, version: str) -> None:
    info = f"everstep_probe-{version}.dist-info"
    with zipfile.ZipFile(folder / f"everstep_probe-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("everstep_probe.py", f"version = '{version}'\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: everstep-probe\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def probe(folder: Path) -> str:
    command = [folder / ".venv" / "bin" / "python", "-I", "-c", "import everstep_probe as p; print(p.version)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_killed_setup_leaves_no_marker(real_run: RealRun) -> None:
    assert not real_run.marker_after_kill


def test_two_starts_at_once_end_with_one_good_environment(real_run: RealRun) -> None:
    assert real_run.codes == [0, 0]
    assert sum("Made .venv" in told for told in real_run.told) == 1
    assert sum("Waiting for it to finish" in told for told in real_run.told) >= 1
    assert real_run.probe.split()[0] == "1.0"


def test_stale_environment_is_brought_up_to_date_in_place(real_run: RealRun) -> None:
    assert real_run.stale_code == 0
    assert "up to date" in real_run.stale_told
    assert "Made .venv" not in real_run.stale_told
    assert real_run.probe.split()[1] == "2.0"


def test_failed_update_says_why_and_leaves_no_marker(real_run: RealRun) -> None:
    code, told = real_run.lost
    assert code == 1
    assert "pip found no fitting build" in told
    assert "Nothing half-made will be used" in told
    assert told.endswith("marker False")
