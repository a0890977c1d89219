"""Whether the base model on disk is what was put there: asked before it is loaded, and before rows are blamed.

The folder's MANIFEST.json names the sha256 of every file. Reading them all costs little beside loading the weights. Of
a very large model the last full reading is remembered beside the folder, and holds for a week while size, time of
change and inode of no file differ.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from backend.store.durable import commit_file, read_manifest, verify_folder
from backend.trainer.failures import DamagedBaseError

_LARGE_BYTES = 8 * 10**9
_REMEMBERED_SECONDS = 7 * 24 * 3600.0


def require_sound_base(folder: Path, *, moved: Callable[[], None], anew: bool = False) -> None:
    """Compare the base model with its manifest; with `anew` whatever is remembered. Raises DamagedBaseError."""
    looks = _looks(folder)
    if not anew and _is_remembered(folder, looks):
        return
    problems = verify_folder(folder, moved=moved)
    if problems:
        name, _, what = problems[0].partition(": ")
        sys.stderr.write(f"{folder / name}: {what}\n")
        raise DamagedBaseError(
            f"{name} in {folder} is not what was put there.",
            hint="Set it again with `base set`; no file is to blame, and training goes on from the last checkpoint. "
            "If it happens again, the disk may be failing.",
        )
    with suppress(OSError):  # then it is read again next time
        commit_file(_record(folder), json.dumps({"at": time.time(), "files": looks}).encode())


def _record(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.verified.json")


def _looks(folder: Path) -> dict[str, Any]:
    """What changes when somebody writes to a file, by name; {} for what cannot be looked at."""
    try:
        names = [*read_manifest(folder).files, "MANIFEST.json"]
        states = {name: (folder / name).stat() for name in names}
    except (OSError, ValueError):
        return {}
    return {name: [state.st_size, state.st_mtime_ns, state.st_ino] for name, state in states.items()}


def _is_remembered(folder: Path, looks: dict[str, Any]) -> bool:
    if sum(size for size, _, _ in looks.values()) < _LARGE_BYTES:
        return False
    try:
        known = json.loads(_record(folder).read_bytes())
        age = time.time() - known["at"]
        return bool(known["files"] == looks) and 0 <= age < _REMEMBERED_SECONDS
    except (OSError, ValueError, KeyError, TypeError):
        return False
