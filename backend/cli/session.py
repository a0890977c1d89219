"""What one command line works with: its workspace, its service, and how it prints."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from platformdirs import user_data_path

from backend.cli import service_process
from backend.cli.client import Client
from backend.cli.printing import print_json, show, tell, terminal
from backend.cli.views import render
from backend.contract.verbs import BY_NAME
from backend.formats.workspace import Workspace

WORKSPACE_VARIABLE = "EVERSTEP_WORKSPACE"


@dataclass
class Session:
    """One invocation at the prompt."""

    workspace: Workspace
    as_json: bool = False
    _client: Client | None = field(default=None, init=False)

    @property
    def client(self) -> Client:
        """A client of this workspace's service, which is started when there is none."""
        if self._client is None:
            service_process.ensure(self.workspace, tell=tell)
            self._client = Client(partial(service_process.locate, self.workspace))
        return self._client

    @property
    def has_service(self) -> bool:
        """True while a service lives; starts none."""
        return service_process.locate(self.workspace) is not None

    def call(self, name: str, **arguments: Any) -> Any:
        """Carry out a verb with these arguments."""
        return self.client.call(name, BY_NAME[name].args(**arguments))

    def show(self, result: Struct) -> None:
        """Print an answer the way it was asked for."""
        if self.as_json:
            print_json(result)
            return
        console = terminal()
        show(render(result, console), console)


def workspace_at(given: str | None) -> Workspace:
    """The workspace named by `--workspace`, by the environment, or the user's own one."""
    named = given or os.environ.get(WORKSPACE_VARIABLE)
    return Workspace(Path(named) if named else user_data_path("everstep") / "workspace")
