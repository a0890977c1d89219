"""The very folder a process began to work in, whatever its path leads to later. Looks, writes nothing.

A workspace may be moved, renamed or replaced by a copy while programs work in it. Its path then leads nowhere or to
another folder, which is none of their business.
"""

from __future__ import annotations

from pathlib import Path

from backend.contract.errors import WorkspaceMovedError


class Home:
    """A folder known by device and inode."""

    def __init__(self, root: Path) -> None:
        found = root.stat()
        self.root = root
        self.device, self.inode = found.st_dev, found.st_ino

    def is_here(self) -> bool:
        """Whether the path still leads to the folder. A disk that refuses the question is no move."""
        try:
            found = self.root.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return (found.st_dev, found.st_ino) == (self.device, self.inode)

    def require_here(self) -> None:
        """Raises WorkspaceMovedError."""
        if not self.is_here():
            raise WorkspaceMovedError(
                f"{self.root} does not lead any more to the folder that was worked in: it was moved, renamed or "
                "replaced. Nothing more is written; everything saved is safe in the folder that was moved.",
                hint="Name its new place with --workspace, or move it back; training then goes on where it was saved.",
            )
