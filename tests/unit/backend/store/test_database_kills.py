"""SIGKILL at random while a child writes: what was acknowledged is there, in the database and in the journal."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from backend.contract.events import Notice
from backend.formats.workspace import Workspace
from backend.store import durable, meta
from backend.store.database import Database, Transaction
from backend.store.journal import Journal, decode

ROOT = Path(__file__).resolve().parents[4]
NUM_KILLS = 20
WRITER = """
import os, sys
from pathlib import Path
from backend.contract.events import Notice
from backend.store import meta
from backend.store.database import Database

root = Path(sys.argv[1])
database = Database.open(root / "everstep.db", root / "journal.jsonl")
first = int(sys.argv[2])


def write(tx, number):
    meta.set(tx, f"key {number}", str(number))
    tx.record(Notice(at=tx.now, level="info", title="wrote", message=str(number)))


for number in range(first, first + 100_000):
    database.run(lambda tx: write(tx, number))
    os.write(1, b"%d\\n" % number)
"""


def test_every_acknowledged_write_is_there_after_random_kills(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    chance = random.Random(20)
    acknowledged: list[int] = []
    for round_number in range(NUM_KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(round_number * 100_000)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        ) as writer:
            assert writer.stdout is not None
            acknowledged.append(int(writer.stdout.readline()))  # it is at work: now a random instant
            time.sleep(chance.uniform(0, 0.05))
            os.kill(writer.pid, signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]

    database = Database.open(workspace.database, workspace.journal)
    assert database.repaired == ""
    rows = database.read(lambda tx: dict(tx.execute("SELECT key, value FROM meta WHERE key LIKE 'key %'")))
    assert [number for number in acknowledged if rows.get(f"key {number}") != str(number)] == []
    assert len(acknowledged) > 3 * NUM_KILLS
    lines = [decode(line) for line in workspace.journal.read_bytes().splitlines()]
    assert [line.seq for line in lines] == list(range(lines[0].seq, database.last_sequence + 1))
    assert lines[0].seq == 1 or lines[0].whole, "compacted on the way, or all there is"
    told = {image.row["key"]: image.row["value"] for line in lines for image in line.rows}
    assert told == rows
    database.close()


def test_durable_journal_is_read_line_by_line_when_it_is_long(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "everstep.db", tmp_path / "journal.jsonl")

    def write(tx: Transaction) -> None:
        meta.set(tx, "long", "x" * 300_000)  # longer than the window the end is looked for in
        tx.record(Notice(at=tx.now, level="info", title="t", message="m"))

    database.run(lambda tx: meta.set(tx, "a", "b"))
    database.run(write)
    database.close()
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.last_sequence == 2
    journal.close()
    durable.remove_file(tmp_path / "everstep.db")
    again = Database.open(tmp_path / "everstep.db", tmp_path / "journal.jsonl")
    assert len(again.read(lambda tx: meta.get(tx, "long")) or "") == 300_000
    again.close()
