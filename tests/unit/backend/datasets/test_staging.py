"""Staging: a hashed copy that nobody can change, and a sentence for everything that is no training file."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
from pathlib import Path

import pytest

from backend.contract.errors import DatasetError, StorageError
from backend.datasets import staging
from backend.formats.workspace import Workspace
from backend.store import durable, failpoints

CONTENT = b'{"text": "one"}\n{"text": "two"}\n'
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace beside the user's files."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A training file."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(CONTENT)
    return path


def test_stage_copies_a_file_under_its_hash(workspace: Workspace, source: Path) -> None:
    staged = staging.stage(workspace, source)
    assert staged.dataset_id == SHA256
    assert staged.folder == workspace.datasets / SHA256[:32]
    assert (staged.size_bytes, staged.file_name) == (len(CONTENT), "train.jsonl")
    source.write_bytes(b"changed")
    assert (staged.folder / "source").read_bytes() == CONTENT
    assert stat.S_IMODE((staged.folder / "source").stat().st_mode) == 0o600
    assert [path.name for path in workspace.datasets.iterdir()] == [SHA256[:32]]


def test_stage_gives_one_folder_when_the_content_is_the_same(workspace: Workspace, source: Path) -> None:
    other = source.with_name("other name.jsonl")
    other.write_bytes(CONTENT)
    first, second = staging.stage(workspace, source), staging.stage(workspace, other)
    assert first.folder == second.folder
    assert second.file_name == "other name.jsonl"
    assert [path.name for path in workspace.datasets.iterdir()] == [SHA256[:32]]


def test_stage_replaces_a_copy_that_was_damaged_and_keeps_it(workspace: Workspace, source: Path) -> None:
    staged = staging.stage(workspace, source)
    (staged.folder / "source").write_bytes(b"damaged")
    staging.stage(workspace, source)
    assert (staged.folder / "source").read_bytes() == CONTENT
    (kept,) = workspace.quarantine.iterdir()
    assert (kept / "source").read_bytes() == b"damaged"


def test_stage_refuses_what_is_no_file_of_its_own(workspace: Workspace, source: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "folder" / "out.jsonl").symlink_to(source)
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket.jsonl"))
    cases = {
        "folder": "is a folder",
        "pipe.jsonl": "device, pipe or socket",
        "socket.jsonl": "device, pipe or socket",
        "empty.jsonl": "is empty",
        "folder/out.jsonl": "is a link to",
        "loop.jsonl": "leads to itself",
        "missing.jsonl": "does not exist",
        "train.jsonl/x": "does not exist",
        "x" * 300: "name that is too long",
    }
    for name, words in cases.items():
        with pytest.raises(DatasetError, match=words) as raised:
            staging.stage(workspace, tmp_path / name)
        assert raised.value.hint
        assert str(tmp_path) in raised.value.message
    with pytest.raises(DatasetError, match="device, pipe or socket"):
        staging.stage(workspace, Path("/dev/zero"))
    listener.close()
    assert list(workspace.datasets.iterdir() if workspace.datasets.exists() else []) == []


def test_stage_follows_a_link_that_stays_in_its_folder(workspace: Workspace, source: Path) -> None:
    link = source.with_name("link.jsonl")
    link.symlink_to("train.jsonl")
    assert staging.stage(workspace, link).dataset_id == SHA256


@pytest.mark.parametrize(("number", "words"), [(errno.EACCES, "may not be read"), (errno.EAGAIN, "changed while")])
def test_stage_names_the_reason_when_the_file_cannot_be_read(
    workspace: Workspace, source: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(durable, "copy_in", refuse)
    with pytest.raises(DatasetError, match=words):
        staging.stage(workspace, source)


@pytest.mark.parametrize(
    ("place", "fault", "code"),
    [
        ("durable.copy_write", "ENOSPC", "disk_full"),
        ("durable.file_fsync", "EIO", "storage"),
        ("durable.copy_before_rename", "EROFS", "storage"),
        ("durable.move_before_rename", "ENOSPC", "disk_full"),
    ],
)
def test_stage_leaves_nothing_when_the_disk_refuses(
    workspace: Workspace, source: Path, monkeypatch: pytest.MonkeyPatch, place: str, fault: str, code: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "_HITS", {})
        patch.setenv("EVERSTEP_FAILPOINTS", f"{place}:1:{fault}")
        patch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(workspace.root))
        with pytest.raises(StorageError) as raised:
            staging.stage(workspace, source)
    assert raised.value.body().code == code
    assert list(workspace.datasets.iterdir()) == []
    assert staging.stage(workspace, source).dataset_id == SHA256


# ---- expand ------------------------------------------------------------------------------------------------


def test_expand_walks_folders_for_training_files_in_order(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.json", "sub/c.CSV", "sub/deep/d.txt", "sub/e.parquet", "x.bin", ".hidden.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(CONTENT)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "f.jsonl").write_bytes(CONTENT)
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "link.jsonl").symlink_to("b.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    found = staging.expand([tmp_path, tmp_path / "b.jsonl"])
    names = [path.relative_to(tmp_path).as_posix() for path in found.files]
    assert names == ["a.json", "b.jsonl", "sub/c.CSV", "sub/e.parquet", "sub/deep/d.txt"]
    assert found.refused == []


def test_expand_refuses_with_a_sentence_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "good.jsonl").write_bytes(CONTENT)
    (tmp_path / "model.gguf").write_bytes(CONTENT)
    (tmp_path / "nothing").mkdir()
    names = ["model.gguf", "missing.jsonl", "nothing", "good.jsonl"]
    found = staging.expand([tmp_path / name for name in names])
    assert [path.name for path in found.files] == ["good.jsonl"]
    assert [Path(one.path).name for one in found.refused] == names[:3]
    assert [one.code for one in found.refused] == ["dataset"] * 3
    assert "must end in .jsonl" in found.refused[0].message
    assert "does not exist" in found.refused[1].message
    assert "holds no new training file" in found.refused[2].message


def test_expand_takes_paths_relative_to_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    assert staging.expand(["a.jsonl"]).files == [tmp_path / "a.jsonl"]


def test_expand_refuses_a_folder_with_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "MAX_FILES", 3)
    for number in range(5):
        (tmp_path / f"{number}.jsonl").write_bytes(CONTENT)
    assert "more than 3" in staging.expand([tmp_path]).refused[0].message


# ---- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("train.jsonl", "train.jsonl"),
        ("a\nb\x1b[31m.jsonl", "a b [31m.jsonl"),
        ("evil\u202elnosj.exe", "evil lnosj.exe"),
        ("a\u2066b\u2069c", "a b c"),
        ("bytes-\udcff.jsonl", "bytes- .jsonl"),
        ("e\u0301te\u0301.jsonl", "\u00e9t\u00e9.jsonl"),
        ("\u0646\u0627\u0645\u0647\u200c\u0647\u0627.txt", "\u0646\u0627\u0645\u0647\u200c\u0647\u0627.txt"),
        ("<img src=x>.jsonl", "<img src=x>.jsonl"),
        ("\u2028", "unnamed"),
        ("x" * 400, "x" * 255),
    ],
)
def test_clean_name_is_safe_to_show(name: str, clean: str) -> None:
    assert staging.clean_name(name) == clean
    staging.clean_name(name).encode()  # can be stored and sent


# ---- how much a folder holds ---------------------------------------------------------------------------------------


def test_expand_says_how_much_a_folder_holds(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(CONTENT)
    assert staging.expand([tmp_path]).notes == [f"{tmp_path} holds 1 training file, {len(CONTENT)} bytes."]


@pytest.mark.parametrize(("limit", "value"), [("MANY_FILES", 2), ("MANY_BYTES", 2 * len(CONTENT))])
def test_expand_takes_a_large_folder_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(staging, limit, value)
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(CONTENT)
    refused = staging.expand([tmp_path])
    assert (refused.files, refused.refused[0].code) == ([], "many_files")
    assert "3 training files" in refused.refused[0].message
    assert "--yes" in refused.refused[0].message
    assert len(staging.expand([tmp_path], takes_many=True).files) == 3


def test_expand_takes_home_and_root_only_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jsonl").write_bytes(CONTENT)
    found = staging.expand(["/", tmp_path])
    assert found.files == []
    assert "whole file system" in found.refused[0].message
    assert "home folder" in found.refused[1].message
    assert len(staging.expand([tmp_path], takes_many=True).files) == 1


def test_expand_tells_a_folder_it_may_not_read_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("locked", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_bytes(CONTENT)
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "no", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = staging.expand([tmp_path])
    assert found.files == [tmp_path / "open" / "a.jsonl"]
    assert [Path(one.path).name for one in found.refused] == ["locked"]
    assert "may not be read" in found.refused[0].message


@pytest.mark.parametrize("given", ["", "  ", "a\0b"])
def test_expand_refuses_what_is_no_path(given: str) -> None:
    found = staging.expand([given])
    assert (found.files, len(found.refused)) == ([], 1)


def test_expand_and_stage_take_a_name_that_is_not_utf8(workspace: Workspace, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jsonl"))
    path.write_bytes(CONTENT)
    (found,) = staging.expand([path.as_uri()]).files
    assert staging.stage(workspace, found).file_name == "caf .jsonl"
    assert staging.expand([tmp_path]).files == [path]
