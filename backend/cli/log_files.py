"""The daily log files, read without a service: the newest lines, and new ones as they come.

`everstep_YYYYMMDD.log` is written to; a day that got too large was split, and its earlier parts end in `_1`, `_2`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from backend.contract.results import LogsResult
from backend.formats.workspace import Workspace

_NAME = re.compile(r"everstep_(\d{8})(?:_(\d+))?\.log")
_NEWEST_PART = 10**9
_TAIL_BYTES = 4 << 20
"""Of a log file, at most its last 4 MB are read."""


def newest_lines(workspace: Workspace, num_lines: int) -> LogsResult:
    """The newest lines over all files, oldest first."""
    found: list[str] = []
    for path in reversed(log_files(workspace)):
        if len(found) >= num_lines:
            break
        found = _last_lines(path, num_lines - len(found)) + found
    return LogsResult(lines=found)


def log_files(workspace: Workspace) -> list[Path]:
    """Log files, oldest first."""
    try:
        named = [(path, _NAME.fullmatch(path.name)) for path in workspace.logs.iterdir()]
    except OSError:
        return []
    aged = [((found[1], int(found[2] or _NEWEST_PART)), path) for path, found in named if found]
    return [path for _, path in sorted(aged)]


class LogTail:
    """Reads what is added, from one file into the next, also when a file gets another name."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._inode = 0
        self._offset = 0

    def start(self, num_lines: int) -> LogsResult:
        """The newest lines there are; `fresh_lines` goes on after them."""
        files = log_files(self._workspace)
        if files:
            found = files[-1].stat()
            self._inode, self._offset = found.st_ino, found.st_size
        return newest_lines(self._workspace, num_lines)

    def fresh_lines(self) -> LogsResult:
        """Whole lines that came since the last call."""
        files = [(path, path.stat().st_ino) for path in log_files(self._workspace)]
        inodes = [inode for _, inode in files]
        # A file we were in that is gone was too old to keep: everything left is news.
        position = inodes.index(self._inode) if self._inode in inodes else 0
        lines: list[str] = []
        for path, inode in files[position:]:
            offset = self._offset if inode == self._inode else 0
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read(_TAIL_BYTES)
            whole = data[: data.rfind(b"\n") + 1]
            lines += _split(whole)
            self._inode, self._offset = inode, offset + len(whole)
        return LogsResult(lines=lines)


def _last_lines(path: Path, num_lines: int) -> list[str]:
    try:
        with open(path, "rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - _TAIL_BYTES))
            return _split(file.read())[-num_lines:]
    except OSError:
        return []


def _split(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").removesuffix("\n").split("\n") if data else []
