"""`python -P -m backend.service --workspace DIR`: started by the guardian."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.contract.errors import EverstepError
from backend.formats.workspace import Workspace
from backend.service.core import Options, Programs
from backend.service.service import serve

CANNOT_SERVE = 3


def main(argv: Sequence[str], programs: Programs | None = None) -> int:
    """Serve until asked to end: 0 done, 1 done but a job needs a person, 3 cannot serve, others are faults."""
    parser = argparse.ArgumentParser(prog="backend.service")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--until-idle", action="store_true")
    parser.add_argument("--linger", type=float)
    parser.add_argument("--safe-mode", action="store_true")
    parser.add_argument("--tell", choices=("text", "json"), default="")
    given = parser.parse_args(argv)
    options = Options(
        until_idle=given.until_idle, linger_seconds=given.linger, safe_mode=given.safe_mode, tell=given.tell
    )
    os.umask(0o077)
    try:
        return asyncio.run(serve(Workspace(given.workspace), options, programs or Programs.real()))
    except EverstepError as problem:
        sys.stderr.write(f"{problem}\n")
        return CANNOT_SERVE
    except OSError as problem:
        sys.stderr.write(f"The disk refused: {problem.strerror} ({problem.filename}).\n")
        return CANNOT_SERVE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
