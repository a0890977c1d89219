"""A damaged database: kept, rebuilt from the journal, and the user is told what came from where."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.contract.arguments import JobArgs, MoveArgs
from backend.contract.datasets import CheckReport
from backend.contract.errors import DamagedError
from backend.contract.events import Notice
from backend.contract.jobs import JobState, Priority
from backend.contract.models import BaseModelView
from backend.contract.settings import TrainingSettings
from backend.contract.spool import Step
from backend.formats.workspace import Workspace
from backend.queue import queue
from backend.store import durable, history, meta
from backend.store.database import Database, Transaction
from backend.store.journal import KEYS
from backend.store.repair import LOCAL_KEYS
from backend.versions import bases, lineages

ROOT = Path(__file__).resolve().parents[4]


def open_workspace(workspace: Workspace) -> Database:
    return Database.open(workspace.database, workspace.journal)


def step(number: int) -> Step:
    return Step(
        n=number,
        at=5.0,
        job_id=1,
        global_step=number,
        job_step=number,
        loss=1.5,
        loss_hex=(1.5).hex(),
        learning_rate=1e-4,
        grad_norm=1.0,
        num_tokens=10,
        num_supervised=5,
        num_micro_batches=1,
        seconds=0.5,
        rows=[1, 2],
    )


def live_a_little(database: Database) -> None:
    """Jobs in several states and orders, a lineage, an attempt, history, something removed, something undone."""

    def begin(tx: Transaction) -> None:
        base = bases.put(tx, BaseModelView(base_id="tiny-1", source="/x", folder=str(tx.root / "models/base/tiny-1")))
        bases.choose(tx, base.base_id)
        lineages.ensure(tx, base, TrainingSettings())
        tx.put("attempts", {"attempt_id": "A000001-x", "pid": 7})
        meta.set(tx, "run_state", "running")
        for number in range(40):
            priority = list(Priority)[number % 3]
            settings = TrainingSettings(seed=number)
            queue.add(
                tx, file_name=f"{number}.jsonl", dataset_id="d", size_bytes=9, priority=priority, settings=settings
            )

    database.run(begin)
    for job_id in range(1, 31):
        report = CheckReport(ok=True, num_train=20, num_tokens=400)
        database.run(
            lambda tx, job_id=job_id, report=report: queue.checked(tx, job_id, report, tokens_folder="t", total_steps=3)
        )
    database.run(lambda tx: queue.move(tx, MoveArgs(job_ids=[9, 6], to=1)))
    database.run(lambda tx: queue.hold(tx, JobArgs(job_ids=[3, 12])))
    database.run(lambda tx: queue.remove(tx, JobArgs(job_ids=[15, 18])))
    database.run(queue.undo)
    database.run(lambda tx: queue.remove(tx, JobArgs(job_ids=[20])))
    database.run(lambda tx: queue.set_state(tx, 1, JobState.STARTING, lineage_id=1, branch=1))
    database.run(lambda tx: queue.set_state(tx, 1, JobState.TRAINING))
    for number in range(1, 60):
        database.run(lambda tx, number=number: history.add_step(tx, 1, 1, step(number)))
    database.run(lambda tx: queue.set_cursor(tx, 1, 2))
    database.run(lambda tx: queue.set_state(tx, 1, JobState.FINISHED, done_steps=3))


def everything(database: Database) -> dict[str, list[Any]]:
    def work(tx: Transaction) -> dict[str, list[Any]]:
        tables: dict[str, list[Any]] = {table: tx.execute(f"SELECT * FROM {table} ORDER BY 1") for table in KEYS}
        tables["meta"] = [row for row in tables["meta"] if row[0] not in LOCAL_KEYS]
        tables["order"] = [view.job_id for view in queue.list_jobs(tx)]
        return tables

    return database.read(work)


def num_steps(database: Database) -> int:
    return len(database.read(lambda tx: history.metrics(tx)))


def _overwrite_pages(path: Path, seed: int, share: float) -> None:
    chance = random.Random(seed)
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 4096):
        if chance.random() < share:
            data[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"no database at all " * 999),
    "deleted": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2 // 4096 * 4096),
    "cut within a page": lambda path: os.truncate(path, path.stat().st_size - 1234),
    "first page": lambda path: path.write_bytes(os.urandom(4096) + path.read_bytes()[4096:]),
    "all pages but the first": lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(99 * 4096)),
    **{f"random pages {seed}": lambda path, seed=seed: _overwrite_pages(path, seed, 0.3) for seed in range(6)},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_open_brings_everything_back_when_the_database_was_damaged(tmp_path: Path, damage: str) -> None:
    workspace = Workspace(tmp_path)
    database = open_workspace(workspace)
    live_a_little(database)
    before, epoch, sequence = everything(database), database.epoch, database.last_sequence
    database.close()
    DAMAGES[damage](workspace.database)

    again = open_workspace(workspace)
    assert everything(again) == before
    assert again.epoch != epoch
    assert again.last_sequence == sequence + 1
    ((_, notice),) = again.events_after(sequence, 10)
    assert isinstance(notice, Notice)
    assert again.repaired == notice.message
    assert "jobs 40, lineages 1" in notice.message
    if damage != "deleted":
        kept = [path.name for path in workspace.quarantine.iterdir() if path.suffix == ".db"]
        assert len(kept) == 1
        assert kept[0] in notice.message
    # and it lives on: numbers continue, undo still works, the next start finds nothing to repair
    assert again.run(queue.undo).done == "Undone: removal of job 20."
    again.close()
    third = open_workspace(workspace)
    assert (third.repaired, third.epoch) == ("", again.epoch)
    third.close()


def test_open_takes_history_over_when_the_bad_file_can_still_be_read(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    database = open_workspace(workspace)
    live_a_little(database)
    database.close()
    data = workspace.database.read_bytes()
    database = open_workspace(workspace)
    database.run(lambda tx: meta.set(tx, "run_state", "paused"))
    database.close()
    workspace.database.write_bytes(data)  # an older copy was put back: whole, but it lacks what came since
    again = open_workspace(workspace)
    assert "lost changes" in again.repaired
    assert "steps of history 59" in again.repaired
    assert num_steps(again) == 59
    assert again.read(lambda tx: meta.get(tx, "run_state")) == "paused"
    again.close()


@pytest.mark.parametrize("damage", ["log deleted", "log cut", "log garbage", "main deleted", "main garbage"])
def test_open_brings_everything_back_when_a_kill_and_a_damage_met(tmp_path: Path, damage: str) -> None:
    code = (
        "import os, sys; from pathlib import Path; from backend.store.database import Database\n"
        "from tests.unit.backend.store import test_repair as t\n"
        "root = Path(sys.argv[1]); database = Database.open(root / 'everstep.db', root / 'journal.jsonl')\n"
        "t.live_a_little(database); os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    workspace = Workspace(tmp_path)
    reference = Workspace(tmp_path / "reference")
    reference.root.mkdir()
    durable.copy_in(workspace.journal, reference.journal)
    expected = open_workspace(reference)
    log = workspace.database.with_name("everstep.db-wal")
    {
        "log deleted": lambda: log.unlink(),
        "log cut": lambda: os.truncate(log, log.stat().st_size // 2),
        "log garbage": lambda: log.write_bytes(os.urandom(20_000)),
        "main deleted": lambda: workspace.database.unlink(),
        "main garbage": lambda: workspace.database.write_bytes(os.urandom(20_000)),
    }[damage]()
    again = open_workspace(workspace)
    if damage != "main garbage":  # all pages were still in the log: then SQLite itself has nothing to miss
        assert again.repaired
    assert everything(again) == everything(expected)
    assert len(everything(again)["jobs"]) == 40
    again.close()
    expected.close()


def test_open_raises_and_leaves_all_as_it_was_when_there_is_no_journal_either(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    database = open_workspace(workspace)
    live_a_little(database)
    database.close()
    workspace.database.write_bytes(b"no database at all " * 999)
    workspace.journal.unlink()
    for _ in range(2):
        with pytest.raises(DamagedError, match="no journal to rebuild it from"):
            open_workspace(workspace)
    assert workspace.database.read_bytes() == b"no database at all " * 999


def test_open_says_how_many_lines_are_lost_when_the_journal_is_damaged_too(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    database = open_workspace(workspace)
    live_a_little(database)
    database.close()
    lines = workspace.journal.read_bytes().splitlines()
    lines[50] = b'{"seq": 51, "at": '
    workspace.journal.write_bytes(b"\n".join(lines) + b"\n")
    workspace.database.unlink()
    again = open_workspace(workspace)
    assert "Journal lines that could not be read: 1" in again.repaired
    assert len(everything(again)["jobs"]) == 40
    again.close()


def test_open_repairs_again_when_the_first_repair_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    database = open_workspace(workspace)
    live_a_little(database)
    before = everything(database)
    database.close()
    workspace.database.write_bytes(b"no database at all " * 999)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("backend.store.repair._salvage", die)
        with pytest.raises(KeyboardInterrupt):
            open_workspace(workspace)
    again = open_workspace(workspace)
    assert everything(again) == before
    again.close()
