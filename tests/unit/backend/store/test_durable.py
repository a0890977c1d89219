"""Durable writes: what each promises, and that a refusing disk leaves the last good content."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.store import durable, failpoints

OLD, NEW = b"old", b"the new content"


def fill_with(content: bytes) -> Callable[[Path], dict[str, Any]]:
    def fill(staging: Path) -> dict[str, Any]:
        (staging / "inner").mkdir()
        (staging / "inner" / "weights.safetensors").write_bytes(content)
        (staging / "config.json").write_bytes(b"{}")
        return {"step": 7}

    return fill


# ---- files -------------------------------------------------------------------------------------------------


def test_commit_file_replaces_content_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    durable.commit_file(tmp_path / "a", OLD)
    durable.commit_file(tmp_path / "a", NEW, mode=0o640)
    assert (tmp_path / "a").read_bytes() == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) & 0o137 == 0o000 | (0o640 & 0o137)


def test_commit_file_writes_everything_when_the_system_writes_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    durable.commit_file(tmp_path / "a", NEW)
    assert (tmp_path / "a").read_bytes() == NEW


def test_write_new_refuses_when_the_name_is_taken_or_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "taken").write_bytes(OLD)
    for name in ("link", "taken"):
        with pytest.raises(FileExistsError):
            durable.write_new(tmp_path / name, NEW)
    assert (tmp_path / "taken").read_bytes() == OLD
    assert not (tmp_path / "elsewhere").exists()


def test_replace_status_replaces_content(tmp_path: Path) -> None:
    durable.replace_status(tmp_path / "s", OLD)
    durable.replace_status(tmp_path / "s", NEW)
    assert (tmp_path / "s").read_bytes() == NEW


def test_copy_in_gives_size_and_digest_of_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(NEW)
    found = durable.copy_in(tmp_path / "source", tmp_path / "copy")
    assert found == durable.hash_file(tmp_path / "copy") == durable.hash_file(tmp_path / "source")


@pytest.mark.parametrize("kind", ["file", "folder", "link to nothing"])
def test_copy_in_refuses_when_the_name_is_taken(tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(NEW)
    if kind == "file":
        target.write_bytes(OLD)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        durable.copy_in(source, target)
    assert kind != "file" or target.read_bytes() == OLD
    assert not list(tmp_path.glob(".tmp-*"))


def test_copy_in_refuses_when_the_name_is_taken_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(NEW)

    def take_the_name(name: str, _path: Path) -> None:
        if name == "durable.copy_before_rename":
            target.write_bytes(OLD)

    monkeypatch.setattr(durable, "failpoint", take_the_name)
    with pytest.raises(FileExistsError):
        durable.copy_in(source, target)
    assert target.read_bytes() == OLD
    assert not list(tmp_path.glob(".tmp-*"))


def test_copy_in_refuses_when_the_source_is_a_pipe_or_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="not a regular file"):
            durable.copy_in(tmp_path / name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_copy_in_refuses_when_the_source_grows_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(OLD)
    real = os.read

    def read(descriptor: int, size: int) -> bytes:
        data = real(descriptor, size)
        if source.stat().st_size == len(OLD):
            with source.open("ab") as file:
                file.write(b"more")
        return data

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", read)
        with pytest.raises(BlockingIOError, match="changed"):
            durable.copy_in(source, tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


# ---- the appended file -------------------------------------------------------------------------------------


def test_appender_cuts_what_a_crash_left_after_the_last_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"one\ntw")
    file = durable.Appender(path)
    file.append(b"two")
    file.close()
    assert path.read_bytes() == b"one\ntwo\n"


def test_appender_cuts_a_torn_record_when_it_is_longer_than_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "_CHUNK", 4)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"one\n" + b"x" * 19)
    durable.Appender(path).close()
    assert path.read_bytes() == b"one\n"
    path.write_bytes(b"x" * 19)
    durable.Appender(path).close()
    assert path.read_bytes() == b""


def test_appender_takes_records_back_when_the_disk_fills_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = durable.Appender(tmp_path / "events.jsonl")
    file.append(b"one")
    real = os.write
    calls: list[int] = []

    def write(descriptor: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, bytes(data[:2]))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(OSError, match="full"):
            file.append(b"two")
    file.append(b"three")
    file.sync()
    file.close()
    assert (tmp_path / "events.jsonl").read_bytes() == b"one\nthree\n"


def test_appender_takes_nothing_more_when_an_fsync_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = durable.Appender(tmp_path / "events.jsonl")

    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "broken")

    file.append(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="broken"):
            file.sync()
    with pytest.raises(OSError, match="lost"):
        file.sync()  # the kernel would say yes now, and the bytes may be gone
    with pytest.raises(OSError, match="lost"):
        file.append(b"two")
    file.close()
    file.close()


# ---- committed folders -------------------------------------------------------------------------------------


def test_commit_folder_gives_a_manifest_that_matches_what_is_read_back(tmp_path: Path) -> None:
    moves: list[int] = []
    target = tmp_path / "current_model" / "step-7"
    manifest = durable.commit_folder(target, fill_with(NEW), moved=lambda: moves.append(1))
    assert durable.verify_folder(target, manifest.sha256) == []
    assert durable.read_manifest(target) == manifest
    assert manifest.meta == {"step": 7}
    assert manifest.size_bytes == len(NEW) + 2
    assert sorted(manifest.files) == ["config.json", "inner/weights.safetensors"]
    assert moves
    assert [path.name for path in target.parent.iterdir()] == ["step-7"]


def test_commit_folder_refuses_when_the_name_is_taken(tmp_path: Path) -> None:
    manifest = durable.commit_folder(tmp_path / "x", fill_with(OLD))
    with pytest.raises(FileExistsError):
        durable.commit_folder(tmp_path / "x", fill_with(NEW))
    assert durable.verify_folder(tmp_path / "x", manifest.sha256) == []
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_commit_folder_raises_when_what_is_read_back_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "verify_folder", lambda *_, **__: ["weights: other bytes"])
    with pytest.raises(ValueError, match="other bytes"):
        durable.commit_folder(tmp_path / "x", fill_with(NEW))


def test_commit_folder_refuses_when_the_filler_left_a_link(tmp_path: Path) -> None:
    def fill(staging: Path) -> dict[str, Any]:
        (staging / "link").symlink_to("/etc")
        return {}

    with pytest.raises(ValueError, match="link"):
        durable.commit_folder(tmp_path / "x", fill)
    assert not (tmp_path / "x").exists()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: _flip(folder / "inner" / "weights.safetensors"),
        lambda folder: os.truncate(folder / "config.json", 1),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "extra.bin").write_bytes(b"x"),
        lambda folder: (folder / "MANIFEST.json").unlink(),
        lambda folder: (folder / "MANIFEST.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "MANIFEST.json").write_bytes(b"[]"),
        lambda folder: (folder / "MANIFEST.json").write_bytes(b'{"schema": 2, "files": {}, "meta": {}}'),
        lambda folder: _flip(folder / "MANIFEST.json"),
        lambda folder: ((folder / "config.json").unlink(), (folder / "config.json").symlink_to("/etc/hostname")),
        lambda folder: ((folder / "config.json").unlink(), os.mkfifo(folder / "config.json")),
        lambda folder: (folder / "inner" / "more").symlink_to("/etc"),
        lambda folder: ((folder / "config.json").unlink(), (folder / "config.json").mkdir()),
    ],
)
def test_verify_folder_names_a_problem_when_anything_was_changed(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    manifest = durable.commit_folder(tmp_path / "x", fill_with(NEW))
    damage(tmp_path / "x")
    assert durable.verify_folder(tmp_path / "x", manifest.sha256) != []


# ---- moving and removing -----------------------------------------------------------------------------------


def test_move_refuses_when_the_target_exists(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    (tmp_path / "b").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        durable.move(tmp_path / "a", tmp_path / "b")
    durable.move(tmp_path / "a", tmp_path / "new" / "deep" / "c")
    assert (tmp_path / "new" / "deep" / "c").read_bytes() == OLD


def test_remove_tree_removes_and_does_not_follow_a_link(tmp_path: Path) -> None:
    durable.commit_folder(tmp_path / "keep", fill_with(OLD))
    durable.commit_folder(tmp_path / "x", fill_with(OLD))
    (tmp_path / "link").symlink_to(tmp_path / "keep")
    (tmp_path / "x" / "link").symlink_to(tmp_path / "keep")
    for name in ("x", "link", "nothing"):
        durable.remove_tree(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep", "link"]
    assert durable.verify_folder(tmp_path / "keep") == []


def test_remove_file_is_content_when_the_file_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    durable.remove_file(tmp_path / "a")
    durable.remove_file(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_remove_stale_leaves_what_was_to_become_something_else(tmp_path: Path) -> None:
    for name in (".tmp-step-7-000001", ".tmp-step-7-000002", ".tmp-purge-step-1-000001", "step-6-000001"):
        (tmp_path / name).mkdir()
    assert durable.remove_stale(tmp_path, of="step-*-000001") == [".tmp-step-7-000001"]
    assert len(list(tmp_path.iterdir())) == 3


def test_remove_stale_removes_unfinished_work_only(tmp_path: Path) -> None:
    (tmp_path / ".tmp-file").write_bytes(OLD)
    (tmp_path / ".tmp-folder" / "inner").mkdir(parents=True)
    (tmp_path / ".tmp-link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    assert sorted(durable.remove_stale(tmp_path)) == [".tmp-file", ".tmp-folder", ".tmp-link"]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_scratch_folder_is_gone_afterwards_unless_it_was_moved_away(tmp_path: Path) -> None:
    with durable.scratch_folder(tmp_path / "check") as scratch:
        (scratch / "x").write_bytes(OLD)
    assert list(tmp_path.iterdir()) == []
    with durable.scratch_folder(tmp_path / "check") as scratch:
        durable.move(scratch, tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


# ---- a refusing disk ---------------------------------------------------------------------------------------


def _prepare(root: Path) -> None:
    durable.commit_file(root / "file", OLD)
    durable.commit_folder(root / "checkpoints" / "step-1", fill_with(OLD))
    durable.commit_file(root / "source", NEW)
    file = durable.Appender(root / "journal")
    file.append(b"one")
    file.sync()
    file.close()


def _append_two(root: Path) -> None:
    file = durable.Appender(root / "journal")
    try:
        file.append(b"two")
        file.sync()
    finally:
        file.close()


ACTS: dict[str, Callable[[Path], object]] = {
    "commit_file": lambda root: durable.commit_file(root / "file", NEW),
    "commit_folder": lambda root: durable.commit_folder(root / "checkpoints" / "step-2", fill_with(NEW)),
    "copy_in": lambda root: durable.copy_in(root / "source", root / "copy"),
    "append": _append_two,
    "move": lambda root: durable.move(root / "source", root / "moved" / "source"),
    "remove_file": lambda root: durable.remove_file(root / "source"),
    "remove_tree": lambda root: durable.remove_tree(root / "checkpoints" / "step-1"),
}


def _places(act: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The (failpoint, n-th hit) an act passes."""
    root = tmp_path / "listing" / act
    root.mkdir(parents=True)
    _prepare(root)
    hits: list[tuple[str, int]] = []

    def note(name: str, _: Path) -> None:
        hits.append((name, 1 + sum(known == name for known, _ in hits)))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "failpoint", note)
        ACTS[act](root)
    return hits


def _assert_last_good_is_kept(root: Path, act: str) -> None:
    assert (root / "file").read_bytes() in ((OLD, NEW) if act == "commit_file" else (OLD,))
    for path in (root / "checkpoints").glob("step-*"):
        assert durable.verify_folder(path) == []
    if act != "remove_tree":
        assert (root / "checkpoints" / "step-1").exists()
    if (root / "copy").exists():
        assert (root / "copy").read_bytes() == NEW
    if act != "remove_file":
        there = [path for path in (root / "source", root / "moved" / "source") if path.exists()]
        assert [path.read_bytes() for path in there] == [NEW]
    assert (root / "journal").read_bytes() in (b"one\n", b"one\ntwo\n")


@pytest.mark.parametrize("fault", ["ENOSPC", "EIO", "EROFS"])
@pytest.mark.parametrize("act", ACTS)
def test_last_good_content_is_kept_when_the_disk_refuses(
    act: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = _places(act, tmp_path, monkeypatch)
    assert places
    for number, (name, hit) in enumerate(places):
        root = tmp_path / f"{number}"
        root.mkdir()
        _prepare(root)
        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "_HITS", {})
            patch.setenv("EVERSTEP_FAILPOINTS", f"{name}:{hit}:{fault}")
            patch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(root))
            with pytest.raises(OSError, match=name) as raised:
                ACTS[act](root)
        assert raised.value.errno == getattr(errno, fault)
        _assert_last_good_is_kept(root, act)
        if not (root / "checkpoints" / "step-2").exists():  # and it works once the disk is well again
            durable.commit_folder(root / "checkpoints" / "step-2", fill_with(NEW))
