"""The layout of a workspace: names only."""

from __future__ import annotations

from pathlib import Path

from backend.formats.workspace import Workspace


def test_workspace_keeps_everything_inside_itself_and_writes_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "w")
    paths = [getattr(workspace, name) for name in dir(Workspace) if isinstance(getattr(Workspace, name), property)]
    single = [path for path in paths if isinstance(path, Path)]
    assert all(path.is_relative_to(tmp_path / "w") for path in [*single, *workspace.folders] if path != workspace.root)
    assert not (tmp_path / "w").exists()


def test_workspace_names_each_thing_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    names = [name for name in dir(Workspace) if isinstance(getattr(Workspace, name), property)]
    single = [path for name in names if isinstance(path := getattr(workspace, name), Path)]
    assert len(set(single)) == len(single)


def test_workspace_root_is_absolute_and_knows_home(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Workspace(Path("~/w")).root == tmp_path / "w"
    assert Workspace(Path("w")).root == tmp_path / "w"
