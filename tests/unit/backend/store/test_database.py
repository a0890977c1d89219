"""The database: all or nothing, told after commit, journal behind it, and a refusing disk."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import apsw
import msgspec
import pytest

from backend.contract.errors import ConflictError, DamagedError, LockedError, StorageError
from backend.contract.events import Notice, ServiceEvent
from backend.formats.workspace import Workspace
from backend.store import connection as opening
from backend.store import database as database_module
from backend.store import failpoints, idempotency, meta, migrations
from backend.store.database import Database, Transaction
from backend.store.journal import Line, decode

ROOT = Path(__file__).resolve().parents[4]


def reopen(workspace: Workspace) -> Database:
    return Database.open(workspace.database, workspace.journal)


def say(tx: Transaction, text: str) -> None:
    tx.record(Notice(at=tx.now, level="info", title="said", message=text))


def journal_lines(workspace: Workspace) -> list[Line]:
    return [decode(line) for line in workspace.journal.read_bytes().splitlines()]


def fail_at(monkeypatch: pytest.MonkeyPatch, workspace: Workspace, text: str) -> None:
    monkeypatch.setattr(failpoints, "_HITS", {})
    monkeypatch.setenv("EVERSTEP_FAILPOINTS", text)
    monkeypatch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(workspace.root))


# ---- all or nothing ----------------------------------------------------------------------------------------


def test_run_keeps_what_was_done_when_it_is_opened_again(database: Database, workspace: Workspace) -> None:
    assert database.run(lambda tx: meta.set(tx, "run_state", "paused")) is None
    epoch = database.epoch
    database.close()
    again = reopen(workspace)
    assert again.read(lambda tx: meta.get(tx, "run_state")) == "paused"
    assert (again.epoch, again.last_sequence, again.repaired) == (epoch, 1, "")
    again.close()


def test_run_undoes_and_tells_nothing_when_the_work_raises(database: Database, workspace: Workspace) -> None:
    told: list[tuple[int, ServiceEvent]] = []
    database.subscribe(lambda sequence, event: told.append((sequence, event)))

    def work(tx: Transaction) -> None:
        meta.set(tx, "run_state", "paused")
        say(tx, "never")
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        database.run(work)
    assert database.read(lambda tx: meta.get(tx, "run_state")) is None
    assert told == []
    assert workspace.journal.read_bytes() == b""
    assert database.last_sequence == 0


def test_run_writes_no_journal_line_when_nothing_durable_was_changed(database: Database, workspace: Workspace) -> None:
    database.run(lambda tx: idempotency.remember(tx, "key", b"answer"))
    assert workspace.journal.read_bytes() == b""


def test_run_refuses_when_called_inside_a_transaction(database: Database) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"):
        database.run(lambda _: database.run(lambda tx: meta.set(tx, "a", "b")))
    with pytest.raises(RuntimeError, match="inside a transaction"):
        database.read(lambda _: database.read(lambda tx: meta.get(tx, "a")))
    database.run(lambda tx: meta.set(tx, "a", "b"))


def test_read_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError):
        database.read(lambda tx: meta.set(tx, "run_state", "paused"))
    database.run(lambda tx: meta.set(tx, "run_state", "running"))
    assert database.read(lambda tx: meta.get(tx, "run_state")) == "running"


def test_run_costs_one_fsync_beside_the_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(descriptor), real(descriptor))[1])

    def work(tx: Transaction) -> None:
        for number in range(50):
            meta.set(tx, f"key {number}", "value")
            say(tx, "done")

    database.run(work)
    assert len(calls) == 1


def test_close_ends_it_and_can_be_called_twice(database: Database) -> None:
    database.close()
    database.close()
    with pytest.raises(StorageError, match="closed"):
        database.run(lambda tx: meta.get(tx, "a"))


# ---- events ------------------------------------------------------------------------------------------------


def test_listeners_hear_events_in_order_after_the_commit(database: Database) -> None:
    heard: list[tuple[int, str, str | None]] = []

    def listen(sequence: int, event: ServiceEvent) -> None:
        assert isinstance(event, Notice)
        heard.append((sequence, event.message, database.read(lambda tx: meta.get(tx, "a"))))

    database.subscribe(listen)

    def work(tx: Transaction) -> None:
        say(tx, "one")
        meta.set(tx, "a", "b")
        say(tx, "two")

    database.run(work)
    database.run(lambda tx: say(tx, "three"))
    assert heard == [(1, "one", "b"), (2, "two", "b"), (3, "three", "b")]


def test_events_after_gives_what_came_since_and_skips_changes_without_event(database: Database) -> None:
    database.run(lambda tx: say(tx, "one"))
    database.run(lambda tx: meta.set(tx, "a", "b"))
    database.run(lambda tx: say(tx, "three"))
    found = database.events_after(0, 10)
    assert [(sequence, event.message) for sequence, event in found if isinstance(event, Notice)] == [
        (1, "one"),
        (3, "three"),
    ]
    assert [sequence for sequence, _ in database.events_after(1, 10)] == [3]
    assert [sequence for sequence, _ in database.events_after(0, 1)] == [1]


def test_oldest_sequence_says_when_a_client_must_start_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "KEPT_CHANGES", 3)
    assert database.oldest_sequence() == 0
    for number in range(6):
        database.run(lambda tx, number=number: say(tx, str(number)))
    oldest = database.oldest_sequence()
    assert oldest == 2
    assert [sequence for sequence, _ in database.events_after(oldest, 10)] == [3, 4, 5, 6]


# ---- the journal -------------------------------------------------------------------------------------------


def test_journal_holds_row_images_in_the_last_line_of_a_transaction(database: Database, workspace: Workspace) -> None:
    def work(tx: Transaction) -> None:
        say(tx, "one")
        meta.set(tx, "a", "b")
        say(tx, "two")

    database.run(work)
    first, second = journal_lines(workspace)
    assert (first.seq, first.rows) == (1, [])
    assert second.seq == 2
    assert [(image.table, image.row, image.is_gone) for image in second.rows] == [
        ("meta", {"key": "a", "value": "b"}, False)
    ]


def _kill_child(workspace: Workspace, schedule: str) -> int:
    """A child that sets n to 1, 2, 3 ... and is killed on the way; gives the last n it was sure of."""
    code = (
        "import sys; from pathlib import Path; from backend.store import meta\n"
        "from backend.store.database import Database\n"
        "root = Path(sys.argv[1]); database = Database.open(root / 'everstep.db', root / 'journal.jsonl')\n"
        "for n in range(1, 100):\n"
        "    database.run(lambda tx: meta.set(tx, 'n', str(n)))\n"
        "    print(n, flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(workspace.root)],
        cwd=ROOT,
        env={"EVERSTEP_FAILPOINTS": schedule, "EVERSTEP_FAILPOINTS_BELOW": str(workspace.root)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr.decode()
    return int(ended.stdout.split()[-1])


@pytest.mark.parametrize("place", ["durable.append_write", "durable.append_fsync"])
def test_open_adds_lines_that_a_kill_kept_out_of_the_journal(tmp_path: Path, place: str) -> None:
    workspace = Workspace(tmp_path)
    assert _kill_child(workspace, f"{place}:5:kill") == 4
    if place == "durable.append_write":
        assert journal_lines(workspace)[-1].seq == 4
    database = reopen(workspace)
    assert database.read(lambda tx: meta.get(tx, "n")) == "5"  # committed, though never acknowledged
    assert journal_lines(workspace)[-1].rows[0].row == {"key": "n", "value": "5"}
    assert [line.seq for line in journal_lines(workspace)] == [1, 2, 3, 4, 5]
    database.close()


def test_open_checks_thoroughly_when_the_last_stop_was_unclean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    real = opening.check
    monkeypatch.setattr(opening, "check", lambda c, thorough: (asked.append(thorough), real(c, thorough=thorough))[1])
    workspace = Workspace(tmp_path)
    _kill_child(workspace, "durable.append_write:2:kill")
    reopen(workspace).close()
    reopen(workspace).close()
    assert asked == [True, False]


@pytest.mark.parametrize(
    "damage",
    [
        lambda journal: journal.unlink(),
        lambda journal: journal.write_bytes(b""),
        lambda journal: os.truncate(journal, journal.stat().st_size // 2),
        lambda journal: journal.write_bytes(journal.read_bytes()[:-30] + b"}\n"),
        lambda journal: journal.write_bytes(b"\xff\xfe garbage\n"),
    ],
)
@pytest.mark.parametrize("kept", [5000, 2])
def test_open_makes_the_journal_whole_again_when_it_was_damaged(
    database: Database,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    damage: object,
    kept: int,
) -> None:
    monkeypatch.setattr(database_module, "KEPT_CHANGES", kept)
    for number in range(9):
        database.run(lambda tx, number=number: meta.set(tx, f"key {number}", str(number)))
    database.close()
    assert callable(damage)
    damage(workspace.journal)
    reopen(workspace).close()
    workspace.database.write_bytes(b"not a database at all" * 300)
    again = reopen(workspace)
    assert again.read(lambda tx: [meta.get(tx, f"key {n}") for n in range(9)]) == [str(n) for n in range(9)]
    assert again.last_sequence == 10  # nine changes and the notice of the repair
    again.close()


def test_open_continues_numbers_when_rows_were_deleted_before_the_journal_was_begun_anew(
    database: Database, workspace: Workspace
) -> None:
    first = database.run(lambda tx: tx.put("attempts", {"attempt_id": "A1"}))
    database.run(lambda tx: tx.delete("attempts", first))
    database.close()
    workspace.journal.write_bytes(b"garbage\n")
    reopen(workspace).close()
    workspace.database.unlink()
    again = reopen(workspace)
    assert again.run(lambda tx: tx.put("attempts", {"attempt_id": "A2"})) == first + 1
    again.close()


# ---- a journal that grew long ------------------------------------------------------------------------------


def fill_and_forget(database: Database) -> None:
    """Forty changes of which eight are still true."""
    for number in range(40):
        database.run(lambda tx, number=number: meta.set(tx, f"key {number % 8}", str(number)))


def rebuilt_values(workspace: Workspace) -> list[str | None]:
    """What the journal alone gives back."""
    workspace.database.write_bytes(b"not a database at all" * 300)
    for log in workspace.root.glob("everstep.db-*"):
        log.unlink()
    database = reopen(workspace)
    try:
        return database.read(lambda tx: [meta.get(tx, f"key {n}") for n in range(8)])
    finally:
        database.close()


def test_journal_is_compacted_when_it_grew_long(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "MOST_JOURNAL_LINES", 10)
    database._compact_beyond = 10
    gone = database.run(lambda tx: tx.put("attempts", {"attempt_id": "A1"}))
    database.run(lambda tx: tx.delete("attempts", gone))
    fill_and_forget(database)
    lines = journal_lines(workspace)
    assert lines[0].whole
    assert len(lines) <= 11
    assert [line.seq for line in lines] == list(range(lines[0].seq, 43))
    assert not list(workspace.quarantine.glob("*"))
    database.close()
    assert rebuilt_values(workspace) == [str(number) for number in range(32, 40)]
    again = reopen(workspace)
    assert again.last_sequence == 43  # 42 changes and the notice of the repair
    assert again.run(lambda tx: tx.put("attempts", {"attempt_id": "A2"})) == gone + 1
    again.close()


def test_long_journal_is_compacted_at_opening(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_and_forget(database)
    database.close()
    monkeypatch.setattr(database_module, "MOST_JOURNAL_LINES", 10)
    reopen(workspace).close()
    assert len(journal_lines(workspace)) == 1
    assert rebuilt_values(workspace) == [str(number) for number in range(32, 40)]


def test_long_journal_goes_on_when_it_cannot_be_compacted(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "MOST_JOURNAL_LINES", 10)
    database._compact_beyond = 10
    monkeypatch.setenv("EVERSTEP_FAILPOINTS", "durable.file_write:1:ENOSPC,durable.file_before_rename:1:EIO")
    monkeypatch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(workspace.root))
    monkeypatch.setattr(failpoints, "_HITS", {})
    for number in range(22):
        database.run(lambda tx, number=number: meta.set(tx, "n", str(number)))
    assert [line.seq for line in journal_lines(workspace)] == list(range(1, 23)), "refused once, then once more"
    for number in range(22, 40):
        database.run(lambda tx, number=number: meta.set(tx, "n", str(number)))
    assert journal_lines(workspace)[0].whole
    assert journal_lines(workspace)[-1].seq == 40
    assert [path.name for path in workspace.root.glob(".tmp-*")] == []


def test_journal_is_not_compacted_from_a_damaged_table(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise DamagedError("a page is not what it was")

    monkeypatch.setattr(opening, "check_tables", refuse)
    monkeypatch.setattr(database_module, "MOST_JOURNAL_LINES", 10)
    database._compact_beyond = 10
    fill_and_forget(database)
    assert len(journal_lines(workspace)) == 40


PLACES = [
    "durable.file_create:1",
    "durable.file_write:1",
    "durable.file_fsync:1",
    "durable.file_before_rename:1",
    "durable.file_after_rename:1",
    *(f"durable.folder_fsync:{hit}" for hit in range(2, 6)),
    "durable.append_write:7",
    "durable.append_fsync:7",
]


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_lost_when_a_kill_meets_the_compaction(tmp_path: Path, place: str) -> None:
    workspace = Workspace(tmp_path)
    code = (
        "import sys; from pathlib import Path; from backend.store import database, meta\n"
        "database.MOST_JOURNAL_LINES = 5\n"
        "root = Path(sys.argv[1]); db = database.Database.open(root / 'everstep.db', root / 'journal.jsonl')\n"
        "for n in range(100):\n"
        "    db.run(lambda tx: meta.set(tx, f'key {n % 8}', str(n)))\n"
        "    print(n, flush=True)\n"
    )
    environment = {"EVERSTEP_FAILPOINTS": f"{place}:kill", "EVERSTEP_FAILPOINTS_BELOW": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert ended.returncode == -9, ended.stderr.decode()
    acknowledged = int(ended.stdout.split()[-1])
    assert acknowledged >= 4
    database = reopen(workspace)
    newest = database.last_sequence - 1
    assert newest in (acknowledged, acknowledged + 1)
    database.close()
    expected = [str(max(n for n in range(newest + 1) if n % 8 == key)) if key <= newest else None for key in range(8)]
    assert rebuilt_values(workspace) == expected


# ---- a refusing disk ---------------------------------------------------------------------------------------


def test_run_changes_nothing_when_the_database_is_full(database: Database, workspace: Workspace) -> None:
    database.run(lambda tx: meta.set(tx, "a", "small"))
    pages = database._connection.pragma("page_count")
    database._connection.pragma("max_page_count", pages + 2)
    with pytest.raises(StorageError, match="full") as raised:
        database.run(lambda tx: [meta.set(tx, f"key {n}", "x" * 1000) for n in range(100)])
    assert raised.value.body().code == "disk_full"
    assert len(journal_lines(workspace)) == 1
    database._connection.pragma("max_page_count", 1_000_000)
    database.run(lambda tx: meta.set(tx, "a", "big"))
    assert database.read(lambda tx: tx.one("SELECT count(*) FROM meta WHERE key LIKE 'key %'")) == (0,)
    assert database.read(lambda tx: meta.get(tx, "a")) == "big"


def test_run_changes_nothing_when_there_is_no_room_for_the_journal(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=512))
        with pytest.raises(StorageError, match="full"):
            database.run(lambda tx: meta.set(tx, "a", "b"))
    assert database.read(lambda tx: meta.get(tx, "a")) is None
    assert workspace.journal.read_bytes() == b""
    database.run(lambda tx: meta.set(tx, "a", "b"))


def test_run_catches_up_with_the_journal_when_the_disk_takes_it_again(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    database.subscribe(lambda sequence, _: heard.append(sequence))
    with monkeypatch.context() as patch:
        fail_at(patch, workspace, "durable.append_write:1:ENOSPC,durable.append_write:2:ENOSPC")
        with pytest.raises(StorageError) as raised:
            database.run(lambda tx: say(tx, "one"))
        assert raised.value.body().code == "journal"
        with pytest.raises(StorageError):  # and nothing more is taken meanwhile
            database.run(lambda tx: say(tx, "two"))
        database.run(lambda tx: say(tx, "three"))
    assert heard == [1, 2]
    assert [line.seq for line in journal_lines(workspace)] == [1, 2]


def test_run_begins_a_new_journal_when_an_fsync_of_the_old_one_failed(
    database: Database, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(lambda tx: meta.set(tx, "a", "1"))
    with monkeypatch.context() as patch:
        fail_at(patch, workspace, "durable.append_fsync:1:EIO")
        with pytest.raises(StorageError):
            database.run(lambda tx: meta.set(tx, "b", "2"))
        database.run(lambda tx: meta.set(tx, "c", "3"))
    whole, last = journal_lines(workspace)
    assert whole.whole
    assert whole.seq == 2
    assert {image.row["key"]: image.row["value"] for image in whole.rows} == {"a": "1", "b": "2"}
    assert last.rows[0].row == {"key": "c", "value": "3"}
    assert [path.name.endswith("journal.jsonl") for path in workspace.quarantine.iterdir()] == [True]


def test_database_survives_when_no_file_may_grow(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from backend.store import meta\n"
        "from backend.contract.errors import StorageError; from backend.store.database import Database\n"
        "root = Path(sys.argv[1]); database = Database.open(root / 'everstep.db', root / 'journal.jsonl')\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))\n"
        "refused = 0\n"
        "for n in range(200):\n"
        "    try: database.run(lambda tx: meta.set(tx, f'key {n}', 'x' * 2000))\n"
        "    except StorageError: refused += 1\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "database.run(lambda tx: meta.set(tx, 'after', 'well'))\n"
        "database.close(); print(refused)\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    workspace = Workspace(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "250000"], cwd=ROOT, capture_output=True, check=True
    )
    assert int(ended.stdout) > 0
    database = reopen(workspace)
    assert (database.repaired, database.read(lambda tx: meta.get(tx, "after"))) == ("", "well")
    rows = dict(database.read(lambda tx: tx.execute("SELECT key, value FROM meta WHERE key LIKE 'key %'")))
    database.close()
    told = {image.row["key"] for line in journal_lines(workspace) for image in line.rows}
    assert told == {*rows, "after"}


def test_open_raises_a_sentence_when_the_folder_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as raised:
        Database.open(tmp_path / "file" / "everstep.db", tmp_path / "file" / "journal.jsonl")
    assert "Not a directory" in str(raised.value)


def test_run_raises_locked_when_another_program_holds_the_database(database: Database, workspace: Workspace) -> None:
    other = apsw.Connection(str(workspace.database))
    other.execute("BEGIN IMMEDIATE")
    database._connection.set_busy_timeout(0)
    with pytest.raises(LockedError, match="Another program"):
        database.run(lambda tx: meta.set(tx, "a", "b"))
    other.execute("ROLLBACK")
    other.close()
    database.run(lambda tx: meta.set(tx, "a", "b"))


def test_run_raises_damaged_when_the_file_turns_out_broken(database: Database) -> None:
    def work(_: Transaction) -> None:
        raise apsw.CorruptError("database disk image is malformed")

    with pytest.raises(DamagedError, match="malformed"):
        database.run(work)


@pytest.mark.parametrize(
    ("folder", "is_local"),
    [("/srv/me/workspace", True), ("/srv/share/workspace", False), ("/srv/my share/w", False), ("/", True)],
)
def test_require_local_disk_refuses_a_network_folder(tmp_path: Path, folder: str, is_local: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/a / ext4 rw 0 0\nserver:/x /srv/share nfs4 rw 0 0\n//server/y /srv/my\\040share cifs rw 0 0\n"
    )
    if is_local:
        opening.require_local_disk(Path(folder), mounts)
    else:
        with pytest.raises(StorageError, match="network folder"):
            opening.require_local_disk(Path(folder), mounts)
    opening.require_local_disk(Path(folder), tmp_path / "no such list")


# ---- schema ------------------------------------------------------------------------------------------------


def test_open_refuses_when_a_newer_program_wrote_the_database(database: Database, workspace: Workspace) -> None:
    database.run(lambda tx: meta.set(tx, "a", "b"))
    database._connection.pragma("user_version", 99)
    database.close()
    with pytest.raises(ConflictError, match="newer Everstep") as raised:
        reopen(workspace)
    assert raised.value.body().code == "newer_schema"
    assert workspace.database.exists()


def test_migrations_apply_the_missing_scripts_only(database: Database) -> None:
    known = [*migrations.scripts(), "CREATE TABLE added (a)"]
    migrations.apply(database._connection, known)
    migrations.apply(database._connection, known)
    assert migrations.version(database._connection) == len(known)
    assert database.read(lambda tx: tx.execute("SELECT * FROM added")) == []


def test_migrations_leave_the_old_schema_when_a_script_fails(database: Database) -> None:
    known = [*migrations.scripts(), "CREATE TABLE added (a); CREATE TABLE meta (a)"]
    with pytest.raises(apsw.SQLError):
        migrations.apply(database._connection, known)
    assert migrations.version(database._connection) == len(known) - 1
    assert database.read(lambda tx: tx.execute("SELECT name FROM sqlite_schema WHERE name = 'added'")) == []


# ---- small tables ------------------------------------------------------------------------------------------


def test_idempotency_recalls_for_a_day(database: Database) -> None:
    database.run(lambda tx: idempotency.remember(tx, "key", b"answer"))
    assert database.read(lambda tx: idempotency.recall(tx, "key")) == b"answer"
    assert database.read(lambda tx: idempotency.recall(tx, "other")) is None

    def a_day_later(tx: Transaction) -> bytes | None:
        tx.now += idempotency.KEEP_SECONDS + 1
        return idempotency.recall(tx, "key")

    assert database.read(a_day_later) is None

    def remember_later(tx: Transaction) -> list[tuple[str]]:
        tx.now += idempotency.KEEP_SECONDS + 1
        idempotency.remember(tx, "new", b"x")
        return tx.execute("SELECT key FROM idempotency")

    assert database.run(remember_later) == [("new",)]


def test_meta_set_says_nothing_when_the_value_is_the_same(database: Database) -> None:
    database.run(lambda tx: meta.set(tx, "a", "b"))
    database.run(lambda tx: meta.set(tx, "a", "b"))
    assert database.last_sequence == 1


def test_paths_are_stored_relative_when_they_lie_inside_the_workspace(database: Database, workspace: Workspace) -> None:
    def work(tx: Transaction) -> None:
        assert tx.relative(workspace.current_model / "step-1") == "current_model/step-1"
        assert tx.absolute("current_model/step-1") == str(workspace.current_model / "step-1")
        assert tx.relative("/elsewhere/x") == tx.absolute("/elsewhere/x") == "/elsewhere/x"
        assert tx.relative("") == tx.absolute("") == ""

    database.read(work)


def test_put_changes_only_the_columns_given(database: Database) -> None:
    number = database.run(lambda tx: tx.put("attempts", {"attempt_id": "A1", "pid": 5}))
    database.run(lambda tx: tx.put("attempts", {"attempt_seq": number, "outcome": "killed"}))
    row = database.read(lambda tx: tx.one("SELECT attempt_seq, attempt_id, pid, outcome FROM attempts"))
    assert row == (number, "A1", 5, "killed")
    database.run(lambda tx: tx.delete("attempts", number))
    assert database.read(lambda tx: tx.one("SELECT * FROM attempts")) is None


def test_journal_lines_are_json_that_other_programs_can_read(database: Database, workspace: Workspace) -> None:
    database.run(lambda tx: say(tx, "line one\nline two"))
    (text,) = workspace.journal.read_bytes().splitlines()
    assert msgspec.json.decode(text)["event"]["message"] == "line one\nline two"
