"""A base model that is not what was put there: nothing trains until it is set again, and no file is blamed."""

from __future__ import annotations

import msgspec

from backend.contract.events import Notice
from backend.contract.models import BaseModelView
from backend.store.database import Transaction
from backend.versions import bases

DAMAGED = "damaged"
_TITLE = "The base model is damaged"


def note(tx: Transaction, why: str) -> None:
    """The trainer found the base model in force damaged."""
    base = bases.current(tx)
    if base is None:
        return
    bases.put(tx, msgspec.structs.replace(base, state=DAMAGED, reason=why, progress=None))
    tx.record(
        Notice(
            at=tx.now,
            level="error",
            title=_TITLE,
            message=f"{why.removeprefix(f'{_TITLE}: ')} The queue waits; everything trained is safe.",
        )
    )


def hindrance(base: BaseModelView | None) -> str:
    """Why nothing can be trained on the base model in force, as a sentence; '' where it is ready or none was set."""
    if base is None or base.state == "ready":
        return ""
    if base.state in ("fetching", "converting"):
        return f"The base model {base.base_id} is being set again."
    return base.reason or f"The base model {base.base_id} cannot be used. Set it again with `base set`."


def needs_person(base: BaseModelView | None) -> bool:
    """Whether only a person can mend it."""
    return bool(hindrance(base)) and base is not None and base.state not in ("fetching", "converting")


def trust_again(tx: Transaction) -> bool:
    """The user says go on: the files may have been put back. The trainer looks before it loads them."""
    base = bases.current(tx)
    if base is None or base.state != DAMAGED:
        return False
    bases.put(tx, msgspec.structs.replace(base, state="ready", reason=""))
    return True
