"""What `main.py gui` was started with. Reads arguments and environment, touches nothing."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QStandardPaths

WORKSPACE_VARIABLE = "EVERSTEP_WORKSPACE"


@dataclass(frozen=True)
class Options:
    """One start of the window."""

    workspace: Path
    files: list[str]
    screenshots: Path | None
    theme: str


def parse(argv: list[str]) -> Options:
    """The options of this start; prints help or what is wrong, and ends the process, as every command does."""
    parser = argparse.ArgumentParser(
        prog="main.py gui", description="Open the window of a workspace. Files given are added to its queue."
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="training files or folders to add")
    parser.add_argument("--workspace", metavar="DIR", help="folder to work in; without it one in your data folder")
    parser.add_argument("--screenshots", metavar="DIR", help="paint every page in both themes into DIR and end")
    parser.add_argument("--theme", choices=("system", "light", "dark"), default="", help="for this start only")
    given = parser.parse_args(argv)
    return Options(
        workspace=_workspace(given.workspace),
        files=[str(Path(name).absolute()) for name in given.files],
        screenshots=Path(given.screenshots).absolute() if given.screenshots else None,
        theme=given.theme,
    )


def _workspace(named: str | None) -> Path:
    named = named or os.environ.get(WORKSPACE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    data = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericDataLocation)
    return Path(data) / "everstep" / "workspace"  # where the prompt's verbs look, too
