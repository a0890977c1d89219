"""How the window stands with its service."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import QCoreApplication


class ConnectionState(Enum):
    """Where the service is; `sentence` says it to a person."""

    LOCATING = "locating"
    STARTING = "starting"
    CONNECTED = "connected"
    SILENT = "silent"
    """It lives but has not answered for a minute. Nothing is done about it: a second one would harm the first."""
    GONE = "gone"
    """It was ended on purpose."""
    INCOMPATIBLE = "incompatible"
    """It speaks another version of the API."""
    REFUSED = "refused"
    """It cannot be started, or does not let us in."""

    @property
    def sentence(self) -> str:
        """The state in words, where nothing more is known than the state."""
        match self:
            case ConnectionState.LOCATING:
                return QCoreApplication.translate("ConnectionState", "Looking for the service.")
            case ConnectionState.STARTING:
                return QCoreApplication.translate("ConnectionState", "Starting the service.")
            case ConnectionState.CONNECTED:
                return QCoreApplication.translate("ConnectionState", "Connected to the service.")
            case ConnectionState.SILENT:
                return QCoreApplication.translate(
                    "ConnectionState", "The service lives but does not answer. Training is not touched by this."
                )
            case ConnectionState.GONE:
                return QCoreApplication.translate(
                    "ConnectionState", "The service was ended; nothing trains. A file added here starts it again."
                )
            case ConnectionState.INCOMPATIBLE:
                return QCoreApplication.translate(
                    "ConnectionState", "The service that runs is of another version than this window."
                )
            case ConnectionState.REFUSED:
                return QCoreApplication.translate("ConnectionState", "The service could not be started.")
