"""What stays in memory between files: base model, adapter, optimiser. Decides what must be loaded for the next one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch

from backend.contract.settings import TrainingSettings
from backend.contract.spool import Assignment, CheckpointMeta
from backend.store.durable import read_manifest
from backend.trainer import checkpoint
from backend.trainer.model import Network, attach_adapter, detach_adapter, load_base
from backend.trainer.optimiser import AdamW
from backend.trainer.soundness import require_sound_base


class WarmModel:
    """At most one model. `prepare` gives it the state an assignment starts from, the shortest way."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.network: Network | None = None
        self.optimiser: AdamW | None = None
        self.tokenizers: dict[str, Any] = {}
        self.budgets: dict[tuple[Any, ...], int] = {}
        self._base_key: tuple[Any, ...] | None = None
        self._shape_key: tuple[Any, ...] | None = None
        self._state: tuple[int, str] | None = None

    def holds(self, state: tuple[int, str] | None) -> None:
        """Say which committed state, (global step, manifest sha256), the memory equals; None for none."""
        self._state = state

    def prepare(self, assignment: Assignment, moved: Callable[[], None]) -> bool:
        """Load what is missing. True when nothing had to be loaded. Raises ModelError,
        DamagedBaseError, BadCheckpointError."""
        base_key, shape_key = _keys(assignment)
        is_same = self._base_key == base_key and self._shape_key == shape_key and self.network is not None
        if not is_same:
            self._build(assignment, base_key, moved)
            assert self.network is not None
            self.network.watch_layers(moved)
            self._base_key, self._shape_key = base_key, shape_key
        assert self.network is not None and self.optimiser is not None
        self.network.set_dropout(assignment.settings.lora_dropout)
        start = assignment.start
        if is_same and start is not None and self._state == (start.global_step, start.manifest_sha256):
            return True
        self._state = None
        if start is None:
            self.network.adapter.initialise(assignment.settings.seed)
            self.optimiser.reset()
        else:
            checkpoint.load(start, self.network.adapter, self.optimiser, moved=moved)
            self._state = (start.global_step, start.manifest_sha256)
        return False

    def _build(self, assignment: Assignment, base_key: tuple[Any, ...], moved: Callable[[], None]) -> None:
        settings = assignment.settings
        base = None
        if self.network is not None and self._base_key == base_key:
            base = detach_adapter(self.network)
        self.network = self.optimiser = self._shape_key = self._state = None  # free before loading another
        if base is None:
            self._base_key = None
            require_sound_base(Path(assignment.base.folder), moved=moved)
            base = load_base(Path(assignment.base.folder), settings, self.device)
        self.network = attach_adapter(base, settings, self.device)
        self.optimiser = AdamW(self.network.adapter.flat)


def start_meta(assignment: Assignment) -> CheckpointMeta | None:
    """What the starting checkpoint says of itself; None without one or when it cannot be read (loading tells)."""
    if assignment.start is None:
        return None
    try:
        return msgspec.convert(dict(read_manifest(Path(assignment.start.path)).meta), CheckpointMeta)
    except (OSError, ValueError):
        return None


def _keys(assignment: Assignment) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    settings: TrainingSettings = assignment.settings
    base_key = (assignment.base.folder, settings.quantization, settings.dtype)
    shape_key = (settings.lora_r, settings.lora_alpha, settings.target_modules, settings.gradient_checkpointing)
    return base_key, shape_key
