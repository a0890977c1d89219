"""Everstep's only door: a switch that finds the role named on the command line and imports nothing else.

Order of a start: help and version answer at once. Every other word first makes sure of the project's own
`.venv` (packaging/bootstrap.py, run as a script, because the name `packaging` belongs to another package and
is never imported), goes on inside it with the same arguments, and only then imports the one role it needs.
The window and its tests also need system libraries; packaging/system_packages.py sees to those.

Set-up tells how far it is at the terminal, before there is a Qt to draw with. A start without a terminal (from an
icon) shows nothing until the window comes; set-up then was done before, by whoever installed the icon.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
MARKERS = (VENV / ".everstep-ready", VENV / ".everstep-ready-dev")
SYSTEM_PACKAGES = ROOT / "packaging" / "debian-packages.txt"

HELP = """\
Everstep keeps fine-tuning a local language model on every file you drop on it, and never loses a step.

  python3 main.py                  open the window; without a display, print this
  python3 main.py gui FILE ...     open the window and add files; --workspace DIR, --screenshots DIR
  python3 main.py demo             train a small real model on sample data and compare before and after
  python3 main.py serve            run the engine on a workspace and watch its inbox
  python3 main.py base set MODEL   choose the model to train: a folder, a GGUF file or a Hub id
  python3 main.py add FILE ...     check files and put them in the queue
  python3 main.py status           what runs, what waits, what needs you
  python3 main.py queue list       the queue; also move, hold, retry, remove, undo
  python3 main.py pause | resume | stop | skip
  python3 main.py metrics | logs | config
  python3 main.py test             every check of the source: lint, types, imports, tests

Any verb takes --help, --json and --workspace DIR. The first start sets up what it needs in .venv.
"""


def main(argv: list[str]) -> int:
    """Answer at once what needs no library; hand everything else to its role inside the `.venv`."""
    if not argv and _has_display():
        argv = ["gui"]
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"everstep {_version()}")
        return 0
    return _enter_environment(argv) or _run_role(argv)


def _run_role(argv: list[str]) -> int:
    if argv[0] == "gui":
        if not _system_is_ready():
            return 1
        from gui.app import main as run_window

        return run_window(argv[1:])
    if argv[0] == "demo" and _has_display() and "--headless" not in argv and not _system_is_ready():
        argv = [*argv, "--headless"]
    if argv[0] == "test":
        if _see_to_system("window", "tests"):
            return 1
        # Replaces this process: the checks need nothing of it, and Ctrl-C then has one reader only.
        _become([sys.executable, "-P", str(ROOT / "packaging" / "checks.py"), *argv[1:]])
    if argv[0] == "serve":
        from backend.guardian.guardian import main as run_guardian

        return run_guardian(argv[1:])
    from backend.cli.main import main as run_verb

    return run_verb(argv)


def _enter_environment(argv: list[str]) -> int:
    """Make the `.venv` good and continue in it. Returns only inside it (0), or when that failed (not 0)."""
    inside = Path(sys.prefix).resolve() == VENV.resolve()
    python = VENV / "bin" / "python"
    made = MARKERS[1] if argv[0] == "test" else MARKERS[0]
    # Outside, an existing marker is enough: the process inside checks what it says, once per start.
    if inside or not (made.exists() and python.exists()):
        before = _markers()
        failed = _bootstrap(dev=argv[0] == "test")
        if failed:
            return failed
        if inside and _markers() == before:
            return 0
    return _become([str(python), str(ROOT / "main.py"), *argv])


def _become(command: list[str]) -> NoReturn:
    sys.stdout.flush()
    os.execv(command[0], command)


def _bootstrap(*, dev: bool) -> int:
    script = str(ROOT / "packaging" / "bootstrap.py")
    command = [sys.executable, "-I", script, *(["--dev"] if dev else [])]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()  # without a marker nothing it leaves behind will be used
            raise


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _system_is_ready() -> bool:
    """Whether Qt finds its libraries. Looked up once a list and `.venv`: a window should open in a blink."""
    marker = VENV / ".everstep-window"
    listed = SYSTEM_PACKAGES.read_bytes()
    if marker.exists() and marker.read_bytes() == listed:
        return True
    if sys.platform == "linux" and _see_to_system("window"):
        return False
    marker.write_bytes(listed)
    return True


def _see_to_system(*sections: str) -> int:
    script = str(ROOT / "packaging" / "system_packages.py")
    return subprocess.run([sys.executable, "-I", script, *sections], stdin=subprocess.DEVNULL, check=False).returncode


def _markers() -> list[bytes]:
    return [marker.read_bytes() for marker in MARKERS if marker.exists()]


def _version() -> str:
    # Not tomllib: `--version` also answers under a Python that is too old for the rest.
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    return found.group(1) if found else "of unknown version"


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
