"""From what the user named to a hashed copy in the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.contract.verbs import RefusedFile
from backend.formats.workspace import Workspace

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".txt")


@dataclass(frozen=True)
class Staged:
    """A file that lies in `datasets/`."""

    dataset_id: str
    """sha256 of the content, hex."""
    size_bytes: int
    folder: Path
    """`datasets/SHA256[:32]`; the content is `folder / "source"`."""
    file_name: str
    """Name for people, cleaned."""


@dataclass(frozen=True)
class Expanded:
    """Files that can be staged, and what was refused at once."""

    files: list[Path]
    refused: list[RefusedFile]


def stage(workspace: Workspace, source: Path) -> Staged:
    """Copy a file into the workspace under its hash; the same content twice is one folder.

    Raises DatasetError for what is no readable, non-empty regular file, StorageError when the disk refuses.
    Slow: not on the event loop, not inside a transaction.
    """
    raise NotImplementedError


def expand(paths: Sequence[str | Path]) -> Expanded:
    """Files as they are, folders walked for training files in order of name. Follows no link inside folders."""
    raise NotImplementedError


def clean_name(name: str) -> str:
    """A file name that is safe to show: no control or bidirectional characters, at most 255."""
    raise NotImplementedError
