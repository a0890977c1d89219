"""One base model fetched: list, choose, download; every failure becomes a sentence."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from backend.contract.errors import EverstepError, ModelError, NotFoundError, StorageError
from backend.contract.models import FetchRequest
from backend.fetcher.download import PARTIAL, Downloader
from backend.fetcher.selection import INDEX, RepoFile, check_usable, small_files, weight_files
from backend.store.durable import remove_tree

_LIST_TIMEOUT_SECONDS = 30.0
_PROGRESS_SECONDS = 0.2
_SPARE_BYTES = 256 * 2**20

OnProgress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all and the present file."""


class FetchError(EverstepError):
    """The network or the Hub did not do what was asked; worth another try."""

    code = "fetch"
    title = "The model could not be downloaded"
    status = 502


def fetch(request: FetchRequest, on_progress: OnProgress) -> dict[str, Any]:
    """Download the model; returns what was fetched, for `fetched.json`. Raises EverstepError."""
    try:
        return _fetch(request, on_progress)
    except (OSError, httpx2.HTTPError, HFValidationError, ValueError) as problem:
        raise explain(request, problem) from problem


def _fetch(request: FetchRequest, on_progress: OnProgress) -> dict[str, Any]:
    endpoint = request.endpoint or None
    folder = Path(request.out_folder)
    info = HfApi(endpoint=endpoint).model_info(
        request.repo_id, revision=request.revision, files_metadata=True, timeout=_LIST_TIMEOUT_SECONDS
    )
    commit = str(info.sha)
    files = [RepoFile(entry.rfilename, entry.size or 0) for entry in info.siblings or []]
    check_usable(request.repo_id, files)
    progress = _Progress(on_progress)
    downloader = Downloader(request.repo_id, commit, folder, endpoint, wrote=progress.wrote)
    small = small_files(files)
    progress.expect(sum(file.size_bytes for file in small))
    for file in small:
        downloader.fetch(file)
    has_index = any(file.name == INDEX for file in small)
    weights = weight_files(request.repo_id, files, (folder / INDEX).read_bytes() if has_index else None)
    num_bytes = sum(file.size_bytes for file in weights)
    _check_space(folder, num_bytes)
    progress.expect(num_bytes)
    for file in weights:
        downloader.fetch(file)
    remove_tree(folder / PARTIAL)
    progress.finish()
    return {"repo_id": request.repo_id, "revision": commit, "files": [file.name for file in [*small, *weights]]}


def _check_space(folder: Path, num_bytes: int) -> None:
    held = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    held += sum(path.stat().st_size for path in (folder / PARTIAL).iterdir())
    free = shutil.disk_usage(folder).free
    if num_bytes - held + _SPARE_BYTES > free:
        raise StorageError(
            f"The model needs {_gigabytes(num_bytes - held)} and only {_gigabytes(free)} are free in {folder}.",
            hint="Free some space or take a smaller model.",
        )


def _gigabytes(num_bytes: int) -> str:
    return f"{max(0, num_bytes) / 1e9:.1f} GB"


class _Progress:
    """Adds up what was written and tells it at most five times a second."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._done_bytes = 0
        self._total_bytes = 0
        self._file = ""
        self._told_at = float("-inf")

    def expect(self, num_bytes: int) -> None:
        """More is to come."""
        self._total_bytes += num_bytes

    def wrote(self, name: str, num_bytes: int) -> None:
        """So much more is on disk."""
        self._done_bytes += num_bytes
        self._file = name
        now = time.monotonic()
        if now - self._told_at >= _PROGRESS_SECONDS:
            self._told_at = now
            self._on_progress(self._done_bytes, self._total_bytes, name)

    def finish(self) -> None:
        """All of it is there."""
        self._on_progress(self._total_bytes, self._total_bytes, self._file)


# ---- failures in words -------------------------------------------------------------------------------------

_TOKEN_HINT = "Log in with `hf auth login` (or set HF_TOKEN), then try again."


def explain(request: FetchRequest, problem: Exception) -> EverstepError:
    """The sentence for a failure of the client."""
    known = _explain_answer(request, problem) or _explain_failure(request, problem)
    return known or FetchError(f"{request.repo_id}: {_first_line(problem)}", hint="Try again later.")


def _explain_answer(request: FetchRequest, problem: Exception) -> EverstepError | None:
    """What the Hub answered."""
    name = request.repo_id
    match problem:
        case HFValidationError():
            return ModelError(
                f"{name!r} is not the name of a Hub repository.", hint="Names look like org/name.", code="wrong_id"
            )
        case GatedRepoError():
            hint = f"Open its page on the Hub, accept its terms, then: {_TOKEN_HINT}"
            return ModelError(f"{name} is only for people who accepted its terms.", hint=hint, code="gated")
        case RepositoryNotFoundError():
            hint = f"Check the spelling. If it is private: {_TOKEN_HINT}"
            return NotFoundError(f"There is no public model {name} on the Hub.", hint=hint, code="repository_not_found")
        case RevisionNotFoundError():
            what = f"{name} has no branch, tag or commit {request.revision!r}."
            return NotFoundError(what, hint="Leave the revision out to take main.", code="revision_not_found")
        case RemoteEntryNotFoundError():
            return FetchError(f"A file of {name} vanished while it was fetched.", hint="Try again.")
        case HfHubHTTPError() if problem.response.status_code in (401, 403):
            return ModelError(f"The Hub refuses to give {name} out.", hint=_TOKEN_HINT, code="gated")
        case HfHubHTTPError():
            return FetchError(f"The Hub answered {problem.response.status_code} for {name}.", hint="Try again later.")
    return None


def _explain_failure(request: FetchRequest, problem: Exception) -> EverstepError | None:
    """What went wrong on the way or on this machine."""
    where = request.endpoint or "the Hugging Face Hub"
    if isinstance(problem, (httpx2.TransportError, OfflineModeIsEnabled, FileMetadataError)):
        hint = "Check the network and try again; what was already downloaded is kept."
        return FetchError(f"{where} cannot be reached.", hint=hint, code="no_network")
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Free some space and try again; what was already downloaded is kept."
        return StorageError(f"The disk is full while fetching {request.repo_id}.", hint=hint)
    if isinstance(problem, OSError) and problem.errno is not None:
        return StorageError(f"{request.out_folder} cannot be written: {os.strerror(problem.errno)}.")
    return None


def _first_line(problem: Exception) -> str:
    text = str(problem).strip().splitlines() or [type(problem).__name__]
    return text[0][:300].rstrip(".") + "."
