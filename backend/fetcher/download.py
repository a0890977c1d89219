"""Downloads with the Hub's own client, resumed where an earlier try ended, and checked against the Hub's hashes.

The client's ready-made download gives up what it had when it is killed; here each file grows under `.partial/` and
moves to its name only when size and hash agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from huggingface_hub import HfFileMetadata, get_hf_file_metadata, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from backend.contract.errors import DamagedError
from backend.fetcher.selection import RepoFile
from backend.store.durable import hash_file, make_folder, move, open_partial, remove_file

PARTIAL = ".partial"
_TIMEOUT_SECONDS = 20.0


class Downloader:
    """Files of one repository at one commit, into one folder."""

    def __init__(
        self, repo_id: str, commit: str, folder: Path, endpoint: str | None, *, wrote: Callable[[str, int], None]
    ) -> None:
        self._repo_id = repo_id
        self._commit = commit
        self._folder = folder
        self._endpoint = endpoint
        self._wrote = wrote
        make_folder(folder / PARTIAL)

    def fetch(self, file: RepoFile) -> Path:
        """Download one file, or the rest of it. Raises what the client raises; DamagedError when hashes differ."""
        target = self._folder / file.name
        if target.exists():
            self._wrote(file.name, file.size_bytes)
            return target
        url = hf_hub_url(self._repo_id, file.name, revision=self._commit, endpoint=self._endpoint)
        facts = get_hf_file_metadata(url, timeout=_TIMEOUT_SECONDS, endpoint=self._endpoint)
        partial = self._folder / PARTIAL / hashlib.sha256(f"{file.name}\0{facts.etag}".encode()).hexdigest()[:32]
        with open_partial(partial) as growing:
            begun = growing.seek(0, 2)
            self._wrote(file.name, begun)
            http_get(
                facts.location,
                _Counting(growing, lambda count: self._wrote(file.name, count)),
                resume_size=begun,
                headers=_headers(url, facts.location),
                expected_size=facts.size,
                displayed_filename=file.name,
            )
        self._verify(file, facts, partial)
        move(partial, target)
        return target

    def _verify(self, file: RepoFile, facts: HfFileMetadata, partial: Path) -> None:
        """Large files carry their sha256 as etag, small ones git's own hash of size and content."""
        etag = facts.etag or ""
        size, sha256 = hash_file(partial)
        if len(etag) == 64:
            found = sha256
        elif len(etag) == 40:
            found = hashlib.sha1(b"blob %d\0" % size + partial.read_bytes()).hexdigest()
        else:
            return
        if found != etag:
            remove_file(partial)
            raise DamagedError(f"{file.name} of {self._repo_id} did not arrive as it was sent.", hint="Try again.")


def _headers(url: str, location: str) -> dict[str, str]:
    """The user's token goes to the Hub itself, never to where it sends us for the bytes."""
    is_same_host = urlsplit(url).netloc == urlsplit(location).netloc
    headers: dict[str, str] = build_hf_headers() if is_same_host else build_hf_headers(token=False)
    return headers


class _Counting:
    """A file that tells how much is written to it."""

    def __init__(self, file: BinaryIO, wrote: Callable[[int], None]) -> None:
        self._file = file
        self._wrote = wrote

    def write(self, data: bytes) -> int:
        """Write, then tell."""
        count = self._file.write(data)
        self._wrote(len(data))
        return count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
