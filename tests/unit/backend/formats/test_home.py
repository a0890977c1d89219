"""A folder is known by what it is, not by its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.contract.errors import WorkspaceMovedError
from backend.formats.home import Home


def test_home_is_here_until_it_is_moved_and_again_when_it_is_moved_back(tmp_path: Path) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    root.mkdir()
    home = Home(root)
    home.require_here()
    root.rename(away)
    assert not home.is_here()
    root.mkdir()
    with pytest.raises(WorkspaceMovedError, match="moved, renamed or replaced"):
        home.require_here()
    root.rmdir()
    away.rename(root)
    assert home.is_here()


def test_home_is_here_when_its_path_is_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert Home(tmp_path / "link").is_here()
