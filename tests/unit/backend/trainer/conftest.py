"""A tiny model, token stores and a whole trainer in this process, driven through a real spool folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from backend.contract.models import BaseModelView, CheckpointRef
from backend.contract.settings import TrainingSettings
from backend.contract.spool import (
    AnyTrainerEvent,
    Assignment,
    CheckpointSaved,
    Control,
    Desired,
    JobFailed,
    JobFinished,
    JobLeft,
    Request,
    Step,
    TrainerEvent,
)
from backend.store.durable import commit_file, seal_folder
from backend.trainer.model import Network, attach_adapter, load_base
from backend.trainer.recipe import Recipe
from backend.trainer.spool import Commands, EventLog
from tests.fixtures.tiny_model import make_tiny_model, random_rows, write_token_store

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Small products gain nothing from more, and the machine is shared."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed_model(tmp_path_factory.mktemp("models") / "tiny")


def sealed_model(folder: Path) -> Path:
    """A tiny model with the manifest that every base model of a workspace has."""
    make_tiny_model(folder)
    seal_folder(folder, {"kind": "base_model", "source": "tiny"})
    return folder


def settings(**changes: Any) -> TrainingSettings:
    plain: dict[str, Any] = {
        "quantization": "none",
        "lora_r": 4,
        "lora_alpha": 8.0,
        "lora_dropout": 0.05,
        "gradient_accumulation_steps": 4,
        "save_steps": 100,
        "eval_steps": 0,
        "sample_steps": 0,
        "token_budget": 64,
        "learning_rate": 1e-2,
    }
    return TrainingSettings(**{**plain, **changes})


def network(folder: Path, *, seed: int = 7, **changes: Any) -> Network:
    """A tiny network whose adapter is already away from zero, so that every factor has a gradient."""
    chosen = settings(**changes)
    made = attach_adapter(load_base(folder, chosen, CPU), chosen, CPU)
    generator = torch.Generator().manual_seed(seed)
    for name, view in made.adapter.named(made.adapter.flat.data).items():
        view.copy_(torch.randn(view.shape, generator=generator) * (0.2 if "lora_A" in name else 0.1))
    return made


class ScriptedCommands(Commands):
    """Calls a script at every look at the commands, so that a test acts between exactly two micro-batches."""

    def __init__(self, folder: Path, stop_file: Path | None = None) -> None:
        super().__init__(folder, stop_file)
        self.script: Callable[[], None] = lambda: None

    def leaving(self) -> str:
        self.script()
        return super().leaving()


class Rig:
    """One workspace and as many trainers after one another as a test likes."""

    def __init__(self, root: Path, model: Path) -> None:
        self.root = root
        self.model = model
        self.checkpoints = root / "current_model"
        self.attempt_seq = 0
        self.recipe: Recipe | None = None
        write_token_store(root / "tokens", random_rows(16))

    def assignment(self, start: CheckpointSaved | None = None, **changes: Any) -> Assignment:
        fields: dict[str, Any] = {
            "job_id": 1,
            "turn": 1,
            "file_name": "rows.jsonl",
            "lineage_id": 1,
            "branch": 1,
            "attempt_seq": self.attempt_seq,
            "base": BaseModelView(base_id="tiny", source="tiny", folder=str(self.model)),
            "settings": settings(),
            "tokens_folder": str(self.root / "tokens"),
            "checkpoint_root": str(self.checkpoints),
            "num_threads": 1,
        }
        if start is not None:
            fields["start"] = CheckpointRef(
                path=start.path, manifest_sha256=start.manifest_sha256, global_step=start.global_step
            )
            fields["global_step"], fields["job_step"] = start.global_step, start.job_step
        return Assignment(**{**fields, **changes})

    def trainer(self) -> Trainer:
        self.attempt_seq += 1
        return Trainer(self.root / "spool" / f"A{self.attempt_seq:06d}", self.root / ".stop")

    def train(self, start: CheckpointSaved | None = None, **changes: Any) -> list[TrainerEvent]:
        """One process trains one assignment to its end."""
        trainer = self.trainer()
        trainer.assign(self.assignment(start, **changes))
        trainer.run_to_end()
        return trainer.events()


class Trainer:
    """A recipe on its own spool, stopped by its script."""

    def __init__(self, spool: Path, stop_file: Path) -> None:
        spool.mkdir(parents=True)
        self.spool = spool
        self.log = EventLog(spool)
        self.commands = ScriptedCommands(spool, stop_file)
        self.recipe = Recipe(self.log, self.commands, CPU, {})
        self._seq = 0

    def say(self, desired: Desired, assignment: Assignment | None, requests: Sequence[Request] = ()) -> None:
        self._seq += 1
        control = Control(seq=self._seq, desired=desired, assignment=assignment, requests=list(requests))
        commit_file(self.spool / "control.json", msgspec.json.encode(control))

    def assign(self, assignment: Assignment, requests: Sequence[Request] = ()) -> None:
        self.say(Desired.RUN, assignment, requests)

    def run_to_end(self, script: Callable[[], None] = lambda: None) -> str:
        """Run until the assignment ended; `script` is called before every look at the commands."""

        def watch() -> None:
            script()
            if any(isinstance(event, (JobFinished, JobLeft, JobFailed)) for event in self.events()):
                self.commands.was_signalled = True

        self.commands.script = watch
        return self.recipe.run()

    def events(self) -> list[TrainerEvent]:
        lines = (self.spool / "events.jsonl").read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=AnyTrainerEvent) for line in lines]


@pytest.fixture
def rig(tmp_path: Path, tiny: Path) -> Rig:
    return Rig(tmp_path, tiny)


def steps(events: Sequence[TrainerEvent]) -> list[Step]:
    return [event for event in events if isinstance(event, Step)]


def losses(events: Sequence[TrainerEvent]) -> list[str]:
    return [event.loss_hex for event in steps(events)]


def saved(events: Sequence[TrainerEvent]) -> list[CheckpointSaved]:
    return [event for event in events if isinstance(event, CheckpointSaved)]
