"""Reading files that another process appends to, one line a record."""

from __future__ import annotations

from pathlib import Path


class LineTail:
    """Gives each complete line once. A line without newline is not yet a record.

    Starts at `offset` bytes and never reads the same line twice; a missing file is an empty one.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self.offset = offset

    def read(self, max_bytes: int = 4 * 2**20) -> list[bytes]:
        """Complete lines that came since the last call, without their newline, at most about `max_bytes`."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self.offset)
                data = file.read(max_bytes)
                if data and b"\n" not in data:  # a record longer than the window: take all of it or nothing
                    data += file.read()
        except FileNotFoundError:
            return []
        end = data.rfind(b"\n") + 1
        self.offset += end
        return data[:end].split(b"\n")[:-1]
