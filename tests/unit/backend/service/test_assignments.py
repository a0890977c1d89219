"""Which job a checkpoint belongs to: a number alone does not say, for a list of jobs may have been lost since."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from backend.contract.jobs import JobState
from backend.contract.settings import TrainingSettings
from backend.contract.spool import CheckpointMeta
from backend.formats.workspace import Workspace
from backend.queue import queue
from backend.service import assignments
from backend.store import durable
from backend.store.database import Database
from backend.versions import checkpoints
from tests.unit.backend.queue.queue_help import add, put_state


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "everstep.db", tmp_path / "journal.jsonl")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("dataset_id", "created_at", "cursor"),
    [
        ("d" * 64, 1.0, 2),
        ("e" * 64, 9e9, 0),
        ("", 9e9, 2),
        ("", 1.0, 0),
    ],
    ids=["same file", "another file", "made after the file was added", "made before the file was added"],
)
def test_cursor_follows_the_head_only_when_it_is_of_the_same_file(
    database: Database, tmp_path: Path, dataset_id: str, created_at: float, cursor: int
) -> None:
    job_id = add(database)
    about = CheckpointMeta(
        lineage_id=1,
        branch=1,
        attempt_seq=1,
        base_id="b",
        global_step=2,
        job_id=job_id,
        dataset_id=dataset_id,
        job_step=2,
        total_steps=3,
        settings=TrainingSettings(),
        created_at=created_at,
    )
    folder = Workspace(tmp_path).current_model / "step-00000002-000001"
    durable.commit_folder(folder, lambda _: dict(msgspec.to_builtins(about)))
    checkpoints.reconcile(database, Workspace(tmp_path))
    job = put_state(database, job_id, JobState.STARTING, lineage_id=1)
    head = database.read(lambda tx: checkpoints.newest(tx, 1))
    assert head is not None
    database.run(lambda tx: assignments._trust_head(tx, job, head))
    assert database.read(lambda tx: queue.cursor(tx, job_id)) == cursor
