"""How the service stands and what it does: connection and status."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from backend.contract.status import StatusView
from gui.client.connection_state import ConnectionState


class SessionStore(QObject):
    """The newest status; it stays, as the last known one, while the service is away."""

    status_changed = Signal(object)  # StatusView
    connection_changed = Signal(object)  # ConnectionState

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.status: StatusView | None = None
        self.connection = ConnectionState.LOCATING

    @property
    def is_connected(self) -> bool:
        """Whether a wish would reach the service."""
        return self.connection is ConnectionState.CONNECTED

    @property
    def can_undo(self) -> str:
        """What undo would take back, in words; '' when nothing."""
        return self.status.can_undo if self.status is not None else ""

    @property
    def can_redo(self) -> str:
        """What redo would do again, in words; '' when nothing."""
        return self.status.can_redo if self.status is not None else ""

    def set_status(self, status: StatusView) -> None:
        """Take the newest status."""
        self.status = status
        self.status_changed.emit(status)

    def set_connection(self, connection: ConnectionState) -> None:
        """The connection is as said now."""
        if connection is not self.connection:
            self.connection = connection
            self.connection_changed.emit(connection)
