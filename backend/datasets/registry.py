"""The index of staged files and their check reports, and where their token stores lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.contract.datasets import CheckReport, DatasetView
from backend.datasets.staging import Staged
from backend.formats.workspace import Workspace
from backend.store.database import Transaction


def add(tx: Transaction, staged: Staged) -> DatasetView:
    """Index a staged file; known content keeps its row and report, and takes the new name."""
    raise NotImplementedError


def get(tx: Transaction, dataset_id: str) -> DatasetView:
    """One dataset with its newest report. Raises NotFoundError."""
    raise NotImplementedError


def set_report(tx: Transaction, dataset_id: str, report: CheckReport) -> DatasetView:
    """Store the result of a check; records DatasetChecked."""
    raise NotImplementedError


def dataset_folder(workspace: Workspace, dataset_id: str) -> Path:
    """`datasets/SHA256[:32]`."""
    raise NotImplementedError


def source_path(workspace: Workspace, dataset_id: str) -> Path:
    """The copied file."""
    raise NotImplementedError


def tokens_fingerprint(tokenizer_sha256: str, max_length: int, validation_id: str) -> str:
    """Names a token store: everything its content depends on besides the file."""
    raise NotImplementedError


def tokens_path(workspace: Workspace, dataset_id: str, fingerprint: str) -> Path:
    """`datasets/SHA256[:32]/tokens-FINGERPRINT/`, which holds `tokens/` and perhaps `heldout/`."""
    raise NotImplementedError


def commit_tokens(
    workspace: Workspace,
    dataset_id: str,
    fingerprint: str,
    out_folder: Path,
    *,
    moved: Callable[[], None] = lambda: None,
) -> Path:
    """Commit `tokens/` and `heldout/` of a checker's out folder; returns the folder (an existing sound one wins).

    Its `tokens` is the Assignment's tokens_folder, its `heldout` (when it exists) the heldout_folder.
    Raises StorageError when the disk refuses. Slow: not inside a transaction.
    """
    raise NotImplementedError
