"""Disks: how much is free, and whether a folder may hold a workspace at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

_NETWORK_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "ncpfs", "fuse.sshfs", "fuse.rclone", "davfs",
     "fuse.davfs2", "9p", "glusterfs", "fuse.glusterfs", "ceph", "fuse.ceph", "lustre"}
)  # fmt: skip


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written below `folder`."""
    return shutil.disk_usage(folder).free


def size_words(num_bytes: float) -> str:
    """Bytes in words that are never rounded to nothing: 812 kB, 1.2 GB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if num_bytes >= 10 or unit == "bytes" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def filesystem_kind(folder: Path) -> str:
    """Name of the file system that holds `folder` (or its nearest existing parent); "" when unknown."""
    path = folder.absolute()
    while not path.exists():
        path = path.parent
    real = str(path.resolve())
    best = ""
    kind = ""
    for partition in psutil.disk_partitions(all=True):
        mount = partition.mountpoint
        inside = real == mount or real.startswith(mount.rstrip(os.sep) + os.sep)
        if inside and len(mount) >= len(best):
            best, kind = mount, partition.fstype
    return kind


def is_network_filesystem(kind: str) -> bool:
    """Locks and fsync cannot be trusted there, and SQLite's log cannot be shared over it."""
    return kind.lower() in _NETWORK_FILESYSTEMS
