"""What the parts of the trainer share while one file is trained: the cursor, the settings, the model in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.contract.settings import TrainingSettings
from backend.contract.spool import Assignment
from backend.formats.order import StepPlan
from backend.formats.token_store import TokenStore
from backend.trainer.model import Network
from backend.trainer.optimiser import AdamW
from backend.trainer.world import World


@dataclass
class Run:
    """One file being trained. `global_step` and `job_step` count finished optimiser steps."""

    assignment: Assignment
    store: TokenStore
    plan: StepPlan
    network: Network
    optimiser: AdamW
    token_budget: int
    num_threads: int
    global_step: int
    job_step: int
    order_sha256: str = ""
    """Fingerprint of the plan; computing it reads every row's digest."""
    loss_hex: str = ""
    world: World = field(default_factory=World)
    recomputes: bool = False
    """Activations are recomputed in the backward pass."""
    saved_step: int = -1
    """Global step of the newest state that needs no saving."""
    evaluated_step: int = -1
    sampled_step: int = -1

    @property
    def settings(self) -> TrainingSettings:
        """The job's snapshot of settings."""
        return self.assignment.settings

    @property
    def is_finished(self) -> bool:
        """Whether every row was trained on."""
        return self.job_step >= self.plan.total_steps
