"""The base model: the one in force, and one that is being fetched or converted."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from backend.contract.models import BaseModelView, LineageView

_READY = "ready"


class BaseStore(QObject):
    """None of both before the first base model was asked for."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.base: BaseModelView | None = None
        """In force: training starts from it."""
        self.preparing: BaseModelView | None = None
        """On its way, with progress; or failed, with a reason, until another one is asked for."""
        self.lineage: LineageView | None = None

    def load(self, base: BaseModelView | None, lineage: LineageView | None) -> None:
        """Take what the service answers."""
        is_ready = base is not None and base.state == _READY
        self.base = base if is_ready else None
        self.preparing = None if is_ready else base
        self.lineage = lineage
        self.changed.emit()

    def set_lineage(self, lineage: LineageView | None) -> None:
        """Training goes on along another line of checkpoints."""
        self.lineage = lineage
        self.changed.emit()

    def set_base(self, base: BaseModelView) -> None:
        """A base model was set, or its preparation moved on."""
        if base.state == _READY:
            self.base, self.preparing = base, None
        else:
            self.preparing = base
        self.changed.emit()
