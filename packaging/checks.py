"""Every check of the source in one run: lint, types, import directions, tests. `python3 main.py test` starts it.

All stages run even when an early one fails, and each prints its time. Arguments other than --full go to
pytest, and then pytest alone is run: that is how one asks for a single test.
"""

from __future__ import annotations

import subprocess
import sys
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


def main(argv: list[str]) -> int:
    """0 when every stage passed, 1 when one failed, 130 when interrupted."""
    full = "--full" in argv
    asked = [word for word in argv if word != "--full"]
    pytest = ("pytest", ["-m", "pytest", "-m", "" if full else EVERYDAY, *asked])
    stages = [pytest] if asked else [*LINTS, pytest]
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
    if len(stages) > 1:
        print(" · ".join(told), flush=True)
    return 1 if num_failed else 0


def _run(arguments: list[str]) -> int:
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the stage got the same Ctrl-C; let it print what it knows
            process.wait()
            return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
