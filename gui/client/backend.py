"""The service as one thing: its process, calls to it, what it tells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from PySide6.QtCore import QObject

from backend.contract.verbs import BY_NAME
from gui.client.connection_state import ConnectionState
from gui.client.event_stream import EventStream
from gui.client.service_client import Reply, ServiceClient
from gui.client.service_process import Patience, ServiceProcess


class Backend(QObject):
    """What the window has of the service. Say `start` once the first frame is painted."""

    def __init__(
        self,
        workspace: Path,
        parent: QObject | None = None,
        *,
        command: Sequence[str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(parent)
        self.process = ServiceProcess(workspace, self, command=command, patience=patience)
        self.client = ServiceClient(self.process.endpoint, self, why_not=self.process.why_not)
        self.stream = EventStream(self.process.endpoint, self)
        self._connect_signals()

    def start(self) -> None:
        """Find or start the service and listen to it."""
        self.process.start()
        self.stream.open()

    def close(self) -> None:
        """Let go of it: it goes on without us."""
        self.stream.close()
        self.process.stop_watching()

    def call(self, verb: str, args: Struct | None = None, *, minimal: bool = False) -> Reply:
        """Ask for a verb. A change that is wished for after the service was ended starts it again."""
        if self.process.state is ConnectionState.GONE and BY_NAME[verb].changes and verb != "shutdown":
            self.process.start()
        return self.client.call(verb, args, minimal=minimal)

    def _connect_signals(self) -> None:
        self.process.ready.connect(self._on_process_ready)
        self.client.answered.connect(self.process.hear)
        self.client.unreachable.connect(self.process.look_now)
        self.stream.heard.connect(self.process.hear)
        self.stream.lost.connect(self.process.look_now)

    def _on_process_ready(self) -> None:
        self.stream.connect_now()
        self.client.try_again_now()
