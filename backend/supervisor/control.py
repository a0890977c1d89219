"""`control.json`: the service's side of what the trainer is told."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backend.contract.spool import Assignment, Control, Desired, Request
from backend.store import durable

FILE_NAME = "control.json"


class ControlFile:
    """Holds what the trainer was told last, also when a service before this one told it.

    `seq` only ever grows; the file is replaced when something changes and not touched otherwise.
    """

    def __init__(self, spool: Path) -> None:
        self._path = spool / FILE_NAME
        self.told: Control | None = None
        self.idle_retire_seconds = 0.0
        """Said along with everything else."""
        try:
            self.told = msgspec.json.decode(self._path.read_bytes(), type=Control)
        except FileNotFoundError:
            pass
        except msgspec.MsgspecError:  # ours are replaced atomically: somebody else wrote this one
            self.told = None

    @property
    def assignment(self) -> Assignment | None:
        """The job the trainer has."""
        return self.told.assignment if self.told else None

    def tell(self, desired: Desired, assignment: Assignment | None, requests: list[Request]) -> bool:
        """Say what is wanted; True when that is news."""
        old = self.told
        idle = self.idle_retire_seconds
        told = (old.desired, old.assignment, old.requests, old.idle_retire_seconds) if old else None
        if told == (desired, assignment, requests, idle):
            return False
        control = Control(
            seq=old.seq + 1 if old else 1,
            desired=desired,
            assignment=assignment,
            requests=list(requests),
            idle_retire_seconds=idle,
        )
        durable.commit_file(self._path, msgspec.json.encode(control))
        self.told = control
        return True
