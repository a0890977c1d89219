"""What is said about the service where its state alone does not tell what to do."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication

from backend.contract.status import Endpoint
from backend.contract.verbs import API_VERSION

translate = QCoreApplication.translate


def other_version(found: Endpoint) -> str:
    """Which side is older, and what to do about it."""
    if found.api_version < API_VERSION:
        text = translate(
            "ServiceProcess",
            "The service that runs ({0}, process {1}, API {2}) is older than this window (API {3}). "
            "It goes on training. End it with `shutdown`; this window then starts a new one.",
        )
    else:
        text = translate(
            "ServiceProcess",
            "This window (API {3}) is older than the service that runs ({0}, process {1}, API {2}). "
            "It goes on training. Close this window and open the newer program.",
        )
    return text.format(found.program_version, found.pid, found.api_version, API_VERSION)


def silent(found: Endpoint, seconds: float) -> str:
    """It lives and does not answer."""
    text = translate(
        "ServiceProcess",
        "The service (process {0}) lives but has not answered for {1} s. Training is not touched by this. "
        "No second one is started.",
    )
    return text.format(found.pid, round(seconds))


def still_starting(seconds: float) -> str:
    """It holds the workspace and does not get ready."""
    text = translate(
        "ServiceProcess", "A service holds this workspace but has not been ready for {0} s. No second one is started."
    )
    return text.format(round(seconds))


def failed_start(last_words: str) -> str:
    """It ended before it was ready."""
    reason = last_words or translate("ServiceProcess", "It gave no reason; the log may.")
    text = translate("ServiceProcess", "The service could not be started. {0} It is tried again every minute.")
    return text.format(reason if reason.endswith((".", "!", "?")) else reason + ".")


def wrong_token(found: Endpoint, file: Path) -> str:
    """It lives and does not let us in."""
    return translate("ServiceProcess", "The service (process {0}) does not accept the key in {1}.").format(
        found.pid, file
    )


def untrusted(file: Path) -> str:
    """Its address may have been written by somebody else."""
    text = translate(
        "ServiceProcess",
        "{0} could have been read or written by others, so it is not trusted. "
        "Make it readable by you alone (chmod 600), or end the service.",
    )
    return text.format(file)
