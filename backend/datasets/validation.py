"""The frozen validation set: `data/validation/ID/{rows.jsonl,tokens-FINGERPRINT/}`, ID = sha256 of rows.jsonl."""

from __future__ import annotations

from pathlib import Path

from backend.contract.verbs import ValidationView
from backend.formats.workspace import Workspace
from backend.store.database import Transaction


def current(tx: Transaction) -> ValidationView:
    """The set in force; an empty view when there is none."""
    raise NotImplementedError


def freeze(
    tx: Transaction, workspace: Workspace, folder_from_checker: Path, *, source: str, fingerprint: str = ""
) -> ValidationView:
    """Commit a checker's `validation/` folder (rows.jsonl and a token store) and make it the set in force.

    With a `fingerprint` the token store is committed as `tokens-FINGERPRINT/` too.
    """
    raise NotImplementedError


def rows_path(workspace: Workspace, validation_id: str) -> Path:
    """The rows, one canonical row a line; what the checker excludes."""
    raise NotImplementedError


def tokens_path(workspace: Workspace, validation_id: str, fingerprint: str) -> Path:
    """Token store of the set for one tokenizer and length; may not exist yet."""
    raise NotImplementedError


def commit_tokens(workspace: Workspace, validation_id: str, fingerprint: str, folder: Path) -> Path:
    """Commit a token store made of rows.jsonl for another tokenizer or length (the checker's `validation/` or
    `tokens/` folder)."""
    raise NotImplementedError
