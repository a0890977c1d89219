"""From what the user named to a hashed copy in the workspace."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from backend.contract.errors import DatasetError, EverstepError, StorageError
from backend.contract.results import RefusedFile
from backend.formats.workspace import Workspace
from backend.store import durable

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".txt")
MAX_FILES = 10_000
MANY_FILES = 1_000
MANY_BYTES = 10_000_000_000
"""A folder that holds more is taken only by somebody who says so."""
MAX_DEPTH = 32
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
_SAY_YES = "Add its subfolders one by one, or all of it at the prompt with `add --yes FOLDER`."
Refuse = Callable[[Path, EverstepError], None]
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories without a glyph: controls, bidirectional marks, surrogates, line separators."""


_JOINERS = "\u200c\u200d"
"""Without a glyph too, but words of some languages are written with them."""


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
    notes: list[str]
    """Sentences on the folders among them."""


def stage(workspace: Workspace, source: Path) -> Staged:
    """Copy a file into the workspace under its hash; the same content twice is one folder.

    Raises DatasetError for what is no readable, non-empty regular file, StorageError when the disk refuses.
    Slow: not on the event loop, not inside a transaction.
    """
    real = _require_regular(source)
    try:
        with durable.scratch_folder(workspace.datasets / f"staging-{secrets.token_hex(8)}") as scratch:
            size, sha256 = durable.copy_in(real, scratch / "source")
            if size == 0:
                raise _refusal(source, "is empty.", "Put at least one row of training data into it.")
            folder = workspace.datasets / sha256[:32]
            _keep(workspace, scratch, folder, sha256)
    except OSError as problem:
        raise _copy_error(source, problem) from problem
    return Staged(dataset_id=sha256, size_bytes=size, folder=folder, file_name=clean_name(source.name))


def _keep(workspace: Workspace, scratch: Path, folder: Path, sha256: str) -> None:
    """Give the copy its name, unless a sound copy of the same content has it."""
    if folder.exists() and not _holds(folder, sha256):
        durable.move(folder, workspace.quarantine / f"dataset-{folder.name}-{secrets.token_hex(4)}")
    try:
        durable.move(scratch, folder)
    except FileExistsError:
        if not _holds(folder, sha256):  # else it was there, or another thread was first with the same content
            raise


def damage(workspace: Workspace, dataset_id: str, file_name: str) -> str:
    """Why the copy of a file cannot be used any more, as a sentence; '' when it is what was added. Slow."""
    folder = workspace.datasets / dataset_id[:32]
    try:
        if _holds(folder, dataset_id):
            return ""
        what = "is not what was added" if (folder / "source").exists() else "is missing"
    except OSError as problem:
        what = f"cannot be read: {problem.strerror}"
    return (
        f"The workspace's copy of {file_name} {what} ({folder.name}/source in datasets/). Add the file again and "
        "`queue retry` this job; if it happens again, the disk may be failing."
    )


def _holds(folder: Path, sha256: str) -> bool:
    try:
        return durable.hash_file(folder / "source")[1] == sha256
    except FileNotFoundError:
        return False


def _require_regular(source: Path) -> Path:
    """The path to read, after refusing what is no file of its own; raises DatasetError."""
    try:
        if source.is_symlink():
            real = source.resolve(strict=True)
            if not real.is_relative_to(source.parent.resolve()):
                raise _refusal(source, f"is a link to {real}.", "Name the file it points to.")
        else:
            real = source
        mode = real.stat().st_mode
    except OSError as problem:
        raise _copy_error(source, problem) from problem
    except RuntimeError:  # a loop of links, as Path.resolve reports it before Python 3.13
        raise _refusal(source, "is a link that leads to itself.", "Name the file itself.") from None
    if stat.S_ISDIR(mode):
        raise _refusal(source, "is a folder.", "Name files, or add the folder as a whole.")
    if not stat.S_ISREG(mode):
        raise _refusal(source, "is a device, pipe or socket, not a file.", "Copy its data to a file first.")
    return real


def _refusal(source: Path, what: str, hint: str, *, code: str | None = None) -> DatasetError:
    return DatasetError(f"{clean_path(source)} {what}", hint=hint, code=code)


def _copy_error(source: Path, problem: OSError) -> EverstepError:
    if problem.errno in _DISK_ERRORS:
        return StorageError(
            f"{clean_path(source)} could not be copied into the workspace: {problem.strerror}.",
            hint="See that the disk has room and is healthy, then add the file again.",
            code="disk_full" if problem.errno in (errno.ENOSPC, errno.EDQUOT) else None,
        )
    sentences = {
        errno.ENOENT: ("does not exist.", "See whether the path is right."),
        errno.ENOTDIR: ("does not exist.", "See whether the path is right."),
        errno.EACCES: ("may not be read.", "Give yourself the right to read it."),
        errno.EPERM: ("may not be read.", "Give yourself the right to read it."),
        errno.ELOOP: ("is a link that leads to itself.", "Name the file itself."),
        errno.EINVAL: ("is a device, pipe or socket, not a file.", "Copy its data to a file first."),
        errno.ENXIO: ("is a device, pipe or socket, not a file.", "Copy its data to a file first."),
        errno.EAGAIN: ("changed while it was read.", "Add it again when nothing writes to it any more."),
        errno.ENAMETOOLONG: ("has a name that is too long.", "See whether the path is right."),
    }
    what, hint = sentences.get(problem.errno or 0, (f"cannot be read: {problem.strerror}.", ""))
    return _refusal(source, what, hint)


def expand(paths: Sequence[str | Path], *, takes_many: bool = False) -> Expanded:
    """Files as they are, folders walked for training files in order of name. Follows no link inside folders.

    Without `takes_many` a folder that holds very much, the home folder and / are refused. A path may be a file:// URL:
    a name that is not UTF-8 cannot be said otherwise.
    """
    found: dict[Path, None] = {}
    refused: list[RefusedFile] = []
    notes: list[str] = []

    def refuse(path: Path, problem: EverstepError) -> None:
        refused.append(RefusedFile(path=clean_path(path), code=problem.body().code, message=str(problem)))

    for given in paths:
        path = Path()
        try:
            path = path_of(given)
            if path.is_dir() and not path.is_symlink():
                notes.append(_take_folder(path, found, refuse, takes_many=takes_many))
            else:
                found[_require_file(path)] = None
        except EverstepError as problem:
            refuse(path, problem)
    return Expanded(files=list(found), refused=refused, notes=notes)


def path_of(given: str | Path) -> Path:
    """The path that somebody named, as text or as a file:// URL. Raises DatasetError."""
    text = str(given)
    if not text.strip():
        raise DatasetError("An empty path names no file.", hint="Name a file or a folder.")
    if text.startswith("file:///"):
        text = unquote(text.removeprefix("file://"), errors="surrogateescape")
    if "\0" in text:
        raise DatasetError("A path cannot hold a NUL character.", hint="See whether the path is right.")
    return Path(text).expanduser().absolute()


def _take_folder(folder: Path, found: dict[Path, None], refuse: Refuse, *, takes_many: bool) -> str:
    """Put what the folder holds into `found`; how much that is, as a sentence."""
    real = folder.resolve()
    if not takes_many and real in (Path(real.anchor), Path.home().resolve()):
        what = "is the whole file system." if real == Path(real.anchor) else "is your whole home folder."
        raise _refusal(folder, f"{what} Nothing of it was added.", _SAY_YES, code="many_files")
    inside: dict[Path, None] = {}
    _walk(folder, inside, refuse)
    size = sum(_size_of(path) for path in inside)
    told = f"holds {len(inside):,} training file{'' if len(inside) == 1 else 's'}, {_size_words(size)}"
    if not takes_many and (len(inside) > MANY_FILES or size > MANY_BYTES):
        raise _refusal(folder, f"{told}. Nothing of it was added.", _SAY_YES, code="many_files")
    if not inside.keys() - found.keys():
        raise _refusal(folder, "holds no new training file.", f"Training files end in {', '.join(SUFFIXES)}.")
    found.update(inside)
    return f"{clean_path(folder)} {told}."


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _size_words(num_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} GB"


def _walk(folder: Path, found: dict[Path, None], refuse: Refuse) -> None:
    def complain(problem: OSError) -> None:
        path = Path(problem.filename or folder)
        refuse(path, _copy_error(path, problem))

    for root, folders, names in os.walk(folder, onerror=complain, followlinks=False):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".")) if depth < MAX_DEPTH else []
        for name in sorted(names):
            path = Path(root, name)
            is_wanted = not name.startswith(".") and path.suffix.lower() in SUFFIXES
            with suppress(OSError):  # what cannot even be looked at is no file of ours
                if is_wanted and path.is_file() and not path.is_symlink():
                    found[path] = None
        if len(found) > MAX_FILES:
            raise _refusal(folder, f"holds more than {MAX_FILES:,} training files.", "Add smaller folders one by one.")


def _require_file(path: Path) -> Path:
    _require_regular(path)
    if path.suffix.lower() not in SUFFIXES:
        raise _refusal(path, "is not a kind of file that can be trained on.", f"It must end in {', '.join(SUFFIXES)}.")
    return path


def clean_name(name: str) -> str:
    """A file name that is safe to show: no control or bidirectional characters, at most 255 characters."""
    # surrogates stand for bytes that are not UTF-8; they cannot be stored or sent
    return _cleaned(name)[:255] or "unnamed"


def clean_path(path: Path) -> str:
    """A path that is safe to show and to send."""
    return _cleaned(str(path))


def _cleaned(text: str) -> str:
    shown = (" " if unicodedata.category(sign) in _UNSEEN and sign not in _JOINERS else sign for sign in text)
    return unicodedata.normalize("NFC", "".join(shown)).strip()
