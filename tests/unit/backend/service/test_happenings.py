"""What happened lately: what a person would want to hear of, the newest so many, oldest first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.contract.events import ConfigChanged, JobRemoved, Notice, ServiceEvent
from backend.contract.jobs import JobState, Priority
from backend.contract.models import BaseModelView
from backend.contract.settings import TrainingSettings
from backend.queue import queue
from backend.service import happenings
from backend.store.database import Database, Transaction
from backend.versions import bases


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "everstep.db", tmp_path / "journal.jsonl")
    yield database
    database.close()


def newest(database: Database, limit: int = 100) -> list[ServiceEvent]:
    return database.read(lambda tx: happenings.newest(tx, limit))


def notice(number: int) -> Notice:
    return Notice(at=float(number), level="info", title=f"n{number}", message="")


def test_newest_come_oldest_first_however_much_lies_between(database: Database) -> None:
    for number in range(3):
        database.run(lambda tx, number=number: tx.record(notice(number)))
        database.run(lambda tx: [tx.record(JobRemoved(at=0.0, job_id=one)) for one in range(700)])
    assert newest(database) == [notice(0), notice(1), notice(2)]
    assert newest(database, 2) == [notice(1), notice(2)]


def test_files_that_began_ended_or_were_interrupted_are_told(database: Database) -> None:
    def live(tx: Transaction) -> None:
        settings = TrainingSettings()
        job = queue.add(
            tx, file_name="a", dataset_id="d", size_bytes=1, priority=Priority.NORMAL, settings=settings
        ).job_id
        queue.set_state(tx, job, JobState.QUEUED)
        for state in (JobState.STARTING, JobState.TRAINING, JobState.EVALUATING, JobState.TRAINING):
            queue.set_state(tx, job, state)
        queue.interrupt(tx, job, "stopped")
        queue.set_state(tx, job, JobState.STARTING)
        queue.set_state(tx, job, JobState.STARTING, lineage_id=1)  # no news for a person
        queue.set_state(tx, job, JobState.TRAINING)
        queue.set_state(tx, job, JobState.FINISHED)

    database.run(live)
    told = [(event.job.state, event.cause) for event in newest(database)]  # type: ignore[attr-defined]
    assert told == [
        ("starting", "starting"),
        ("queued", "interrupted"),
        ("starting", "starting"),
        ("finished", "finished"),
    ]


def test_progress_of_a_model_is_not_told_but_its_end_is(database: Database) -> None:
    def live(tx: Transaction) -> None:
        for state, progress in (("fetching", 0.1), ("fetching", 0.9), ("ready", None)):
            bases.put(tx, BaseModelView(base_id="b", source="s", folder="/b", state=state, progress=progress))
        tx.record(ConfigChanged(at=1.0, key="training.lora_r", old="8", new="16"))

    database.run(live)
    assert [event.__struct_config__.tag for event in newest(database)] == ["base_changed", "config_changed"]
