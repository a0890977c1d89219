"""Reading back what durable.py committed: manifests and digests. Standard library only, writes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "MANIFEST.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """What a committed folder holds; `sha256` is the digest of MANIFEST.json itself."""

    meta: Mapping[str, Any]
    files: Mapping[str, tuple[int, str]]
    """Relative name to (size in bytes, sha256 hex)."""
    sha256: str = field(default="")

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(size for size, _ in self.files.values())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a committed folder. Raises OSError when missing, ValueError when it is not one of ours."""
    data = (folder / MANIFEST).read_bytes()
    body = json.loads(data)
    try:
        if body["schema"] != 1:
            raise ValueError(f"{folder}: manifest schema {body['schema']!r}")
        files = {str(name): (int(entry["size"]), str(entry["sha256"])) for name, entry in body["files"].items()}
        return Manifest(meta=body["meta"], files=files, sha256=hashlib.sha256(data).hexdigest())
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"{folder}: not a manifest ({problem!r})") from None


def verify_folder(
    folder: Path, manifest_sha256: str | None = None, *, moved: Callable[[], None] = lambda: None
) -> list[str]:
    """Read a committed folder back and compare. Empty list: it is what was written. Never raises for damage."""
    try:
        manifest = read_manifest(folder)
    except (OSError, ValueError) as problem:
        return [f"MANIFEST.json: {problem}"]
    if manifest_sha256 is not None and manifest.sha256 != manifest_sha256:
        return [f"MANIFEST.json has sha256 {manifest.sha256[:12]}, expected {manifest_sha256[:12]}"]
    problems = []
    for name, (size, sha256) in manifest.files.items():
        try:
            found_size, found = hash_file(folder / name, moved=moved)
        except OSError as problem:
            problems.append(f"{name}: {problem.strerror}")
            continue
        if (found_size, found) != (size, sha256):
            problems.append(f"{name}: {found_size} bytes with sha256 {found[:12]}, expected {size} with {sha256[:12]}")
    try:
        present = {path.relative_to(folder).as_posix() for path in regular_files(folder)} - {MANIFEST}
    except ValueError as problem:  # a link, pipe or device among the files
        return [*problems, str(problem)]
    problems.extend(f"{name}: not in the manifest" for name in sorted(present - set(manifest.files)))
    return problems


def hash_file(path: Path, *, moved: Callable[[], None] = lambda: None) -> tuple[int, str]:
    """(size in bytes, sha256 hex) of a regular file, streamed; follows no link, raises OSError for what is none."""
    digest = hashlib.sha256()
    size = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would block
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "not a regular file", str(path))
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
            moved()
    finally:
        os.close(descriptor)
    return size, digest.hexdigest()


def regular_files(folder: Path) -> list[Path]:
    """Every file below a folder in order of name. Raises ValueError for a link, pipe, socket or device."""
    found = []
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in [*folders, *names]:
            if Path(root, name).is_symlink():
                raise ValueError(f"{Path(root, name)} is a link")
        for name in sorted(names):
            path = Path(root, name)
            if not path.is_file():
                raise ValueError(f"{path} is not a regular file")
            found.append(path)
    return found
