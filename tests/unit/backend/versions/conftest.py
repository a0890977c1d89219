"""Fixtures of this room: a workspace with a base model, and checkpoints as the trainer commits them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from backend.contract.models import BaseModelView, LineageView
from backend.contract.settings import TrainingSettings
from backend.contract.spool import CheckpointMeta
from backend.formats.workspace import Workspace
from backend.store import durable
from backend.store.database import Database, Transaction
from backend.versions import bases, lineages
from tests.fakes.memory_folders import tmp_path

__all__ = ["database", "tmp_path"]
BASE = BaseModelView(base_id="tiny-1f2e3d4c", source="/models/tiny", folder="/models/tiny", model_type="llama")
Save = Callable[..., Path]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path)


@pytest.fixture
def database(workspace: Workspace) -> Iterator[Database]:
    """Its open database."""
    database = Database.open(workspace.database, workspace.journal)
    yield database
    database.close()


@pytest.fixture
def lineage(database: Database) -> LineageView:
    """The first lineage of the base model."""

    def work(tx: Transaction) -> LineageView:
        bases.put(tx, BASE)
        bases.choose(tx, BASE.base_id)
        return lineages.ensure(tx, BASE, TrainingSettings())

    return database.run(work)


@pytest.fixture
def save(workspace: Workspace) -> Save:
    """Commits a checkpoint folder as the trainer does, without telling anybody."""

    def save(step: int, *, attempt: int = 1, job: int = 1, job_step: int | None = None, lineage: int = 1) -> Path:
        meta = CheckpointMeta(
            lineage_id=lineage,
            branch=lineage,
            attempt_seq=attempt,
            base_id=BASE.base_id,
            global_step=step,
            job_id=job,
            job_step=step if job_step is None else job_step,
            total_steps=100,
            created_at=1000.0 - step,  # clocks may run backwards
        )

        def fill(staging: Path) -> dict[str, object]:
            (staging / "adapter_model.safetensors").write_bytes(b"weights %d" % step * 50)
            (staging / "adapter_config.json").write_bytes(b"{}")
            found: dict[str, object] = msgspec.to_builtins(meta)
            return found

        folder = workspace.current_model / f"step-{step:08d}-{attempt:06d}"
        durable.commit_folder(folder, fill)
        return folder

    return save
