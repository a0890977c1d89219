"""What the verbs work with: the parts of the service a wish of the user can reach."""

from __future__ import annotations

from dataclasses import dataclass

from backend.service.bases_intake import BasesIntake
from backend.service.core import Core
from backend.service.status import StatusBoard
from backend.service.trainer_keeper import TrainerKeeper


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Handed to every verb."""

    core: Core
    board: StatusBoard
    keeper: TrainerKeeper
    bases: BasesIntake
    is_minimal: bool = False
    """The client of this call wants no answer but that it was done."""
