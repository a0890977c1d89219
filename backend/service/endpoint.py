"""`status/endpoint.json`: where this service listens and the token that opens it, for our own user only."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import msgspec

from backend.contract.status import Endpoint
from backend.contract.verbs import API_VERSION
from backend.formats.home import Home
from backend.machine import processes
from backend.store import durable


def make(port: int, program_version: str, home: Home) -> Endpoint:
    """A description of this process with a new token."""
    own = processes.identify(os.getpid())
    return Endpoint(
        pid=os.getpid(),
        create_time=own.create_time if own else 0.0,
        boot_id=processes.boot_id(),
        port=port,
        token=secrets.token_urlsafe(32),
        api_version=API_VERSION,
        program_version=program_version,
        started_at=time.time(),
        workspace=str(home.root.resolve()),
        workspace_device=home.device,
        workspace_inode=home.inode,
    )


def publish(path: Path, endpoint: Endpoint) -> None:
    """Write the file, 0600 from its first moment, in one go: whoever looks finds the old one or the new one. A link
    that lay there is replaced itself, not what it points to."""
    durable.commit_file(path, msgspec.json.encode(endpoint), mode=0o600)


def withdraw(path: Path) -> None:
    """Nobody listens here any more."""
    durable.remove_file(path)
