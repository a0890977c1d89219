"""The only place that writes, renames or unlinks inside a workspace. Standard library only.

A write is done when this module returns: bytes fsynced, name renamed into place, parent folder fsynced. A crash at
any point leaves the old content or the new one, never a mixture. Names beginning with `.tmp-` are unfinished work
and may be removed by whoever made them (`remove_stale`).

Raises OSError as the system gives it; callers translate. An fsync that failed is never repeated on the same file:
the kernel may have dropped the pages, so the content counts as lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

from backend.store.failpoints import failpoint
from backend.store.manifest import MANIFEST as MANIFEST
from backend.store.manifest import Manifest as Manifest
from backend.store.manifest import hash_file as hash_file
from backend.store.manifest import read_manifest as read_manifest
from backend.store.manifest import regular_files
from backend.store.manifest import verify_folder as verify_folder

TMP_PREFIX = ".tmp-"
_CHUNK = 1 << 20


# ---- folders -----------------------------------------------------------------------------------------------


def fsync_folder(folder: Path) -> None:
    """Make names created, renamed or removed in `folder` durable."""
    failpoint("durable.folder_fsync", folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o700) -> None:
    """Create `folder` and its missing parents, durably; an existing one is fine."""
    missing = []
    walk = folder
    while not walk.exists():
        missing.append(walk)
        walk = walk.parent
    for path in reversed(missing):
        try:
            os.mkdir(path, mode)
        except FileExistsError:
            continue
        fsync_folder(path.parent)


# ---- files -------------------------------------------------------------------------------------------------


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:  # os.write may write short without an error
        view = view[os.write(descriptor, view) :]


def _fsync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        failpoint("durable.file_fsync", path)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file that does not exist yet and fsync it; its name is durable after `fsync_folder(parent)`."""
    failpoint("durable.file_create", path)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        failpoint("durable.file_write", path)
        _write_all(descriptor, data)
        failpoint("durable.file_fsync", path)
        os.fsync(descriptor)
        if os.fstat(descriptor).st_size != len(data):
            raise OSError(5, "short file after writing", str(path))
    finally:
        os.close(descriptor)


def commit_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data`, atomically and durably."""
    staging = _staging(path)
    _forget(staging)
    try:
        write_new(staging, data, mode=mode)
        failpoint("durable.file_before_rename", path)
        os.replace(staging, path)
    except OSError:
        _forget(staging)
        raise
    failpoint("durable.file_after_rename", path)
    fsync_folder(path.parent)


def replace_status(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file atomically but without fsync: for status that is worthless after a crash."""
    staging = _staging(path)
    try:
        descriptor = os.open(staging, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)
        os.replace(staging, path)
    except OSError:
        _forget(staging)
        raise


def copy_in(source: Path, target: Path) -> tuple[int, str]:
    """Copy a regular file to a new name durably; returns (size in bytes, sha256 hex) of what was written.

    Raises FileExistsError when something has that name. Follows no link at the target, opens no device, pipe or
    socket (raises OSError), and raises OSError with EAGAIN when the source changed while it was read.
    """
    _require_free(target)
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        before = os.fstat(reading)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(22, "not a regular file", str(source))
        staging = _staging(target)
        _forget(staging)
        try:
            size, sha256 = _copy_to(reading, staging)
            after = os.fstat(reading)
            if (after.st_size, after.st_mtime_ns) != (
                before.st_size,
                before.st_mtime_ns,
            ) or size != after.st_size:
                raise OSError(11, "the file changed while it was read", str(source))
            failpoint("durable.copy_before_rename", target)
            _require_free(target)  # it may have come while we copied
            os.rename(staging, target)
        except OSError:
            _forget(staging)
            raise
    finally:
        os.close(reading)
    fsync_folder(target.parent)
    return size, sha256


def _copy_to(reading: int, staging: Path) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    writing = os.open(staging, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        while chunk := os.read(reading, _CHUNK):
            failpoint("durable.copy_write", staging)
            digest.update(chunk)
            _write_all(writing, chunk)
            size += len(chunk)
        failpoint("durable.file_fsync", staging)
        os.fsync(writing)
    finally:
        os.close(writing)
    return size, digest.hexdigest()


def open_partial(path: Path) -> BinaryIO:
    """Open a file that grows over several tries (a download), at its beginning; worth nothing until it is moved."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "r+b")


class Appender:
    """A file that only grows, one whole record a write. Not for use by two threads at once."""

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        self.path = path
        self.is_lost = False
        """A write of this file failed in a way that cannot be mended; it takes nothing more."""
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, mode)
        try:
            fsync_folder(path.parent)  # also of an old file: who created it may have been killed before this
            self._cut_torn_record()
        except OSError:
            os.close(self._descriptor)
            raise

    def append(self, record: bytes) -> None:
        """Add one record; its newline is added here. Visible to readers at once, durable after `sync`.

        When the disk refuses, what was written of the record is cut off again.
        """
        self._require_sound()
        size = os.fstat(self._descriptor).st_size
        try:
            failpoint("durable.append_write", self.path)
            _write_all(self._descriptor, record + b"\n")
        except OSError:
            self.is_lost = True  # unless it can be cut back: the next record must start a line
            os.ftruncate(self._descriptor, size)
            self.is_lost = False
            raise

    def sync(self) -> None:
        """Make everything appended so far durable. After a failure the file takes nothing more."""
        self._require_sound()
        try:
            failpoint("durable.append_fsync", self.path)
            os.fsync(self._descriptor)
        except OSError:
            self.is_lost = True
            raise

    def _require_sound(self) -> None:
        if self.is_lost:
            raise OSError(5, "an earlier write was lost", str(self.path))

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self.is_lost = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut_torn_record(self) -> None:
        """Drop what a crash left after the last newline, so that the next record starts a line."""
        size = os.fstat(self._descriptor).st_size
        end = size
        while end > 0:
            start = max(0, end - _CHUNK)
            block = os.pread(self._descriptor, end - start, start)
            newline = block.rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size:
            os.ftruncate(self._descriptor, end)


# ---- committed folders -------------------------------------------------------------------------------------


def commit_folder(
    target: Path, fill: Callable[[Path], Mapping[str, Any]], *, moved: Callable[[], None] = lambda: None
) -> Manifest:
    """Fill a staging folder beside `target`, then make it durable and rename it into place.

    `fill(staging)` may use any library to write files there and returns the manifest's `meta` (JSON types). Then
    each file is hashed and fsynced, MANIFEST.json written last, the folder renamed, the parent fsynced, and the
    whole read back. `moved` is called for every megabyte handled. `target` must not exist.
    Raises FileExistsError, OSError; ValueError when what was read back differs.
    """
    staging = _staging(target)
    remove_tree(staging)
    make_folder(target.parent)
    failpoint("durable.folder_create", target)
    os.mkdir(staging, 0o700)
    try:
        meta = fill(staging)
        manifest = seal_folder(staging, meta, moved=moved)
        if target.exists():
            raise FileExistsError(17, "already committed", str(target))
        failpoint("durable.folder_before_rename", target)
        os.rename(staging, target)
    except OSError:
        remove_tree(staging)
        raise
    failpoint("durable.folder_after_rename", target)
    fsync_folder(target.parent)
    problems = verify_folder(target, manifest.sha256, moved=moved)
    if problems:
        raise ValueError(f"{target} was not written as meant: {problems[0]}")
    return manifest


def seal_folder(folder: Path, meta: Mapping[str, Any], *, moved: Callable[[], None] = lambda: None) -> Manifest:
    """Hash and fsync every file of a staging folder, write its MANIFEST.json, fsync the folders."""
    files: dict[str, tuple[int, str]] = {}
    for path in regular_files(folder):
        size, sha256 = hash_file(path, moved=moved)
        _fsync_file(path)
        files[path.relative_to(folder).as_posix()] = (size, sha256)
    body = {
        "schema": 1,
        "meta": dict(meta),
        "files": {name: {"size": size, "sha256": sha256} for name, (size, sha256) in files.items()},
    }
    data = json.dumps(body, sort_keys=True, indent=1).encode()
    failpoint("durable.manifest_before_write", folder)
    write_new(folder / MANIFEST, data)
    failpoint("durable.manifest_after_write", folder)
    for inner, _, _ in os.walk(folder, topdown=False):  # every folder, also one that holds only folders
        fsync_folder(Path(inner))
    return Manifest(meta=dict(meta), files=files, sha256=hashlib.sha256(data).hexdigest())


# ---- moving and removing -----------------------------------------------------------------------------------


def move(source: Path, target: Path) -> None:
    """Rename a file or folder to a new name on the same disk, durably. Raises FileExistsError."""
    _require_free(target)
    make_folder(target.parent)
    failpoint("durable.move_before_rename", target)
    os.rename(source, target)
    fsync_folder(target.parent)
    if source.parent != target.parent:
        fsync_folder(source.parent)


def remove_file(path: Path) -> None:
    """Unlink a file durably; a missing one is fine."""
    failpoint("durable.unlink", path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    fsync_folder(path.parent)


def remove_tree(folder: Path) -> None:
    """Remove a folder: renamed to a `.tmp-` name first, so that a crash never leaves half of it under its name."""
    if folder.is_symlink() or not folder.exists():
        return
    doomed = folder
    if not folder.name.startswith(TMP_PREFIX):
        doomed = _staging(folder, "purge-")
        shutil.rmtree(doomed, ignore_errors=True)
        failpoint("durable.purge_before_rename", folder)
        os.rename(folder, doomed)
        fsync_folder(folder.parent)
    failpoint("durable.purge_before_unlink", folder)
    shutil.rmtree(doomed)
    fsync_folder(folder.parent)


def remove_stale(folder: Path, of: str = "*") -> list[str]:
    """Remove unfinished work directly inside `folder`, where `of` is given only what was to become a name that
    matches it; the caller knows that nobody is writing there."""
    removed = []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if fnmatchcase(entry.name, TMP_PREFIX + of)]
    for name in names:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            remove_file(path)
        removed.append(name)
    return removed


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """An empty `.tmp-` folder for a child to write into, removed at the end unless it was renamed away."""
    scratch = _staging(folder)
    remove_tree(scratch)
    make_folder(scratch.parent)
    os.mkdir(scratch, 0o700)
    try:
        yield scratch
    finally:
        remove_tree(scratch)


def _staging(path: Path, kind: str = "") -> Path:
    """One name a target: a crash can leave at most one unfinished copy."""
    return path.with_name(f"{TMP_PREFIX}{kind}{path.name}")


def _require_free(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise FileExistsError(17, "the target exists", str(target))


def _forget(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
