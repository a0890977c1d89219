"""Base models: the index, and which one is in force."""

from __future__ import annotations

from backend.contract.models import BaseModelView
from backend.store.database import Transaction


def put(tx: Transaction, base: BaseModelView) -> BaseModelView:
    """Add a base model or replace what is known of it; records BaseChanged."""
    raise NotImplementedError


def get(tx: Transaction, base_id: str) -> BaseModelView:
    """One base model. Raises NotFoundError."""
    raise NotImplementedError


def list_bases(tx: Transaction) -> list[BaseModelView]:
    """All, oldest first."""
    raise NotImplementedError


def current(tx: Transaction) -> BaseModelView | None:
    """The base model in force, None before one was chosen."""
    raise NotImplementedError


def choose(tx: Transaction, base_id: str) -> BaseModelView:
    """Put a base model in force; records BaseChanged. Raises NotFoundError."""
    raise NotImplementedError


def make_id(name: str, sha256: str) -> str:
    """Short name for people and folders, e.g. `smollm2-135m-instruct-1f2e3d4c`."""
    raise NotImplementedError
