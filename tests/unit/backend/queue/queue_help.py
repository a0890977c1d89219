"""Jobs for the tests of this room."""

from __future__ import annotations

from typing import Any

from backend.contract.datasets import CheckReport
from backend.contract.jobs import JobState, JobView, Priority
from backend.contract.settings import TrainingSettings
from backend.queue import queue
from backend.store.database import Database, Transaction

HIGH, NORMAL, LOW = Priority


def add(database: Database, priority: Priority = NORMAL, *, checked: bool = True, settings: Any = None) -> int:
    """A job, QUEUED (or CHECKING)."""

    def work(tx: Transaction) -> int:
        chosen = settings or TrainingSettings()
        view = queue.add(tx, file_name="a.jsonl", dataset_id="d" * 64, size_bytes=9, priority=priority, settings=chosen)
        if checked:
            check(tx, view.job_id)
        return view.job_id

    return database.run(work)


def check(tx: Transaction, job_id: int) -> JobView:
    """A check that went well."""
    report = CheckReport(ok=True, num_train=20, num_tokens=400, num_rejected=2, num_cut=1)
    return queue.checked(tx, job_id, report, tokens_folder=f"{tx.root}/datasets/d/tokens-1", total_steps=3)


def put_state(database: Database, job_id: int, *states: JobState, **fields: Any) -> JobView:
    """Walk a job through states."""
    for state in states:
        view = database.run(lambda tx, state=state: queue.set_state(tx, job_id, state, **fields))
    return view


def get(database: Database, job_id: int) -> JobView:
    """One job."""
    return database.read(lambda tx: queue.get(tx, job_id))


def order(database: Database) -> list[int]:
    """Jobs as `queue list` shows them."""
    return [view.job_id for view in database.read(lambda tx: queue.list_jobs(tx))]


def run(database: Database, verb: Any, args: Any) -> list[JobView]:
    """A user's verb."""
    views: list[JobView] = database.run(lambda tx: verb(tx, args))
    return views
