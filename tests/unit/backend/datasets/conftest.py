"""Fixtures of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.formats.workspace import Workspace
from backend.store.database import Database
from tests.fakes.memory_folders import tmp_path

__all__ = ["database", "tmp_path", "workspace"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path)


@pytest.fixture
def database(workspace: Workspace) -> Iterator[Database]:
    """Its open database."""
    database = Database.open(workspace.database, workspace.journal)
    yield database
    database.close()
