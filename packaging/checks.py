"""Every check of the source in one run: lint, types, import directions, tests. `python3 main.py test` starts it.

All stages run even when an early one fails, and each prints its time. The tests run as two processes side by side:
those of single parts compute, those of the whole mostly wait for programs to start. Arguments other than --full
go to pytest, and then pytest alone is run: that is how one asks for a single test.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"
LINTS = (
    ("ruff", ["-m", "ruff", "check", "."]),
    ("mypy", ["-m", "mypy"]),
    ("import-linter", ["-c", LINT_IMPORTS, "--no-logo"]),
)
EVERYDAY = "not full and not gpu"
PARTS = ("tests/unit", "tests/architecture")


def main(argv: list[str]) -> int:
    """0 when every stage passed, 1 when one failed, 130 when interrupted."""
    full = "--full" in argv
    asked = [word for word in argv if word != "--full"]
    pytest = ["-m", "pytest", "-m", "" if full else EVERYDAY]
    stages: list[tuple[str, list[str]]] = [("pytest", [*pytest, *asked])] if asked else list(LINTS)
    told = []
    num_failed = 0
    for name, arguments in stages:
        print(f"== {name}", flush=True)
        started = time.monotonic()
        code = _run(arguments)
        if code == 130:
            return 130
        num_failed += code != 0
        told.append(f"{name} {'passed' if code == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s")
        print(f"-- {told[-1]}", flush=True)
    if asked:
        return 1 if num_failed else 0
    started = time.monotonic()
    codes = _run_side_by_side([*pytest, *PARTS], [*pytest, *(f"--ignore={room}" for room in PARTS)])
    if 130 in codes:
        return 130
    told.append(f"pytest {'FAILED' if any(codes) else 'passed'} in {time.monotonic() - started:.1f} s")
    print(" · ".join(told), flush=True)
    return 1 if num_failed or any(codes) else 0


def _run_side_by_side(parts: list[str], whole: list[str]) -> list[int]:
    """Both runs of the tests at once; what the first said is printed when it cannot mix with the other."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, *parts], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        ) as first,
    ):
        print("== pytest: the whole program (its parts are tested beside it and told after it)", flush=True)
        codes = [_run(whole)]
        try:
            codes.append(first.wait())
        except KeyboardInterrupt:
            codes.append(130)
        said.seek(0)
        print("== pytest: the parts", said.read().decode(errors="replace"), sep="\n", flush=True)
    return codes


def _run(arguments: list[str]) -> int:
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the stage got the same Ctrl-C; let it print what it knows
            process.wait()
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
