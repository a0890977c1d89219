"""Base models: the index, and which one is in force."""

from __future__ import annotations

import re
from typing import Any

from backend.contract.errors import NotFoundError
from backend.contract.events import BaseChanged
from backend.contract.models import BaseModelView
from backend.store import meta
from backend.store.database import Transaction

_COLUMNS = "base_id, source, folder, model_type, num_parameters, tokenizer_sha256, state, reason, progress"


def put(tx: Transaction, base: BaseModelView) -> BaseModelView:
    """Add a base model or replace what is known of it; records BaseChanged. Nothing new is not recorded."""
    row: dict[str, Any] = {
        "base_id": base.base_id,
        "source": base.source,
        "folder": tx.relative(base.folder),
        "model_type": base.model_type,
        "num_parameters": base.num_parameters,
        "tokenizer_sha256": base.tokenizer_sha256,
        "state": base.state,
        "reason": base.reason,
        "progress": base.progress,
    }
    known = _find(tx, base.base_id)
    if known == base:
        return base
    tx.put("base_models", row if known else {**row, "added_at": tx.now})
    return _tell(tx, base.base_id)


def get(tx: Transaction, base_id: str) -> BaseModelView:
    """One base model. Raises NotFoundError."""
    found = _find(tx, base_id)
    if found is None:
        raise NotFoundError(f"There is no base model {base_id!r}.", hint="`base set` brings one in.")
    return found


def list_bases(tx: Transaction) -> list[BaseModelView]:
    """All, oldest first."""
    return [_view(tx, row) for row in tx.execute(f"SELECT {_COLUMNS} FROM base_models ORDER BY added_at, base_id")]


def current(tx: Transaction) -> BaseModelView | None:
    """The base model in force, None before one was chosen."""
    base_id = meta.get(tx, "base_id")
    return _find(tx, base_id) if base_id else None


def choose(tx: Transaction, base_id: str) -> BaseModelView:
    """Put a base model in force; records BaseChanged. Raises NotFoundError."""
    base = get(tx, base_id)
    if meta.get(tx, "base_id") == base_id:
        return base
    meta.set(tx, "base_id", base_id)
    return _tell(tx, base_id)


def make_id(name: str, sha256: str) -> str:
    """Short name for people and folders, e.g. `smollm2-135m-instruct-1f2e3d4c`."""
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower().removesuffix(".gguf")
    word = re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:48].strip("-")
    return f"{word or 'model'}-{sha256[:8]}"


def _tell(tx: Transaction, base_id: str) -> BaseModelView:
    view = get(tx, base_id)
    tx.record(BaseChanged(at=tx.now, base=view))
    return view


def _find(tx: Transaction, base_id: str) -> BaseModelView | None:
    row = tx.one(f"SELECT {_COLUMNS} FROM base_models WHERE base_id = ?", (base_id,))
    return _view(tx, row) if row else None


def _view(tx: Transaction, row: tuple[Any, ...]) -> BaseModelView:
    return BaseModelView(
        base_id=row[0],
        source=row[1],
        folder=tx.absolute(row[2]),
        model_type=row[3],
        num_parameters=row[4],
        tokenizer_sha256=row[5],
        state=row[6],
        reason=row[7],
        progress=row[8],
    )
