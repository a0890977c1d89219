"""How the database file is opened and checked, and what SQLite's complaints mean for a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from backend.contract.errors import DamagedError, EverstepError, LockedError, StorageError

_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
_REFUSED = (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError, apsw.NoLFSError)
_NETWORK_KINDS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "ceph", "glusterfs", "fuse.sshfs", "fuse.rclone"}
)
_PRAGMAS = (
    ("synchronous", "FULL"),
    ("fullfsync", 1),
    ("checkpoint_fullfsync", 1),
    ("foreign_keys", 1),
    ("trusted_schema", 0),
    ("cell_size_check", 1),
    ("mmap_size", 0),
)


def require_local_disk(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Raises StorageError for a network folder: locks and syncs there do not do what SQLite relies on."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return  # no such list on this system
    known = [line.split()[1:3] for line in lines if len(line.split()) > 2]
    above = [(place, kind) for place, kind in known if folder.is_relative_to(place.replace("\\040", " "))]
    kind = max(above, key=lambda one: len(one[0]))[1] if above else ""
    if kind in _NETWORK_KINDS:
        raise StorageError(
            f"{folder} lies on a network folder ({kind}), where a crash could damage the list of jobs.",
            hint="Put the workspace on a local disk.",
            code="network_folder",
        )


def connect(path: Path) -> apsw.Connection:
    """Open or create the file with the pragmas that make a commit survive power loss."""
    require_local_disk(path.parent.resolve())
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(5000)
        if connection.pragma("journal_mode", "WAL") != "wal":
            raise StorageError(
                f"The file system of {path.parent} cannot hold a database that survives a crash.",
                hint="Put the workspace on a local disk, not on a network or cloud folder.",
            )
        for name, value in _PRAGMAS:
            connection.pragma(name, value)
    except BaseException:
        connection.close()
        raise
    return connection


def check(connection: apsw.Connection, *, thorough: bool) -> None:
    """Raises DamagedError when SQLite finds the file inconsistent."""
    pragma = "integrity_check" if thorough else "quick_check"
    found = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(3)")]
    if found != ["ok"]:
        raise DamagedError(f"The database does not hold together: {found[0]}.")


def check_tables(connection: apsw.Connection, tables: Iterable[str]) -> None:
    """Like a quick `check` of these tables only."""
    for table in tables:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check('{table}')")]
        if found != ["ok"]:
            raise DamagedError(f"The database does not hold together: {found[0]}.")


def as_everstep_error(problem: apsw.Error, path: Path) -> EverstepError | None:
    """The error a person understands; None for what is a fault of ours."""
    if isinstance(problem, _DAMAGED):
        return DamagedError(
            f"The database {path.name} is damaged ({problem}).",
            hint="Start the service again: it keeps the bad file and rebuilds the list from the journal.",
        )
    if isinstance(problem, apsw.FullError):
        return StorageError(
            f"The disk that holds {path.parent} is full. Nothing was changed.",
            hint="Free some space and try again.",
            code="disk_full",
        )
    if isinstance(problem, _REFUSED):
        return StorageError(
            f"The disk that holds {path.parent} refused to read or write ({problem}). Nothing was changed.",
            hint="See that the disk is there, writable and healthy.",
        )
    if isinstance(problem, apsw.BusyError):
        return LockedError(
            f"Another program has {path.name} open.", hint="Close it: only the service of a workspace may use it."
        )
    return None


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise SQLite's complaints as errors of ours."""
    try:
        yield
    except apsw.Error as problem:
        error = as_everstep_error(problem, path)
        if error is None:
            raise
        raise error from problem
