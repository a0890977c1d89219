"""Attempts, launching, adoption: real rows, real short processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.formats.workspace import Workspace
from backend.machine import processes
from backend.machine.processes import ProcessIdentity
from backend.store.database import Database
from backend.supervisor import adoption, attempts, launcher, trainer_process

SLEEPER = (sys.executable, "-c", "import sys, time; sys.stderr.write('hello'); sys.stderr.flush(); time.sleep(60)")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path)
    for folder in found.folders:
        folder.mkdir(parents=True, exist_ok=True)
    return found


@pytest.fixture
def database(workspace: Workspace) -> Iterator[Database]:
    opened = Database.open(workspace.database, workspace.journal)
    yield opened
    opened.close()


def test_attempts_have_names_that_are_never_used_twice(database: Database) -> None:
    first = database.run(attempts.begin)
    database.run(lambda tx: attempts.end(tx, first.attempt_seq, "killed: x"))
    second = database.run(attempts.begin)
    assert second.attempt_seq == first.attempt_seq + 1
    assert first.attempt_id.startswith("A000001-")
    assert first.attempt_id[8:] != second.attempt_id[8:]
    assert [attempt.attempt_id for attempt in database.read(attempts.unended)] == [second.attempt_id]
    assert len(database.read(attempts.every)) == 2


@pytest.mark.parametrize(
    "trace",
    [
        "current_model/step-00000008-000041",
        "quarantine/step-00000008-000041-1",
        "spool/A000041-9f3c21ab",
    ],
)
def test_begin_numbers_above_what_an_older_database_left_behind(
    database: Database, workspace: Workspace, trace: str
) -> None:
    (workspace.root / trace).mkdir()
    for other in ("current_model/.tmp-step-00000099-000099", "current_model/readme-99-99", "spool/B000099-1"):
        (workspace.root / other).mkdir()
    assert database.run(attempts.begin).attempt_seq == 42
    assert database.run(attempts.begin).attempt_seq == 43


def test_attempt_remembers_its_process_and_how_far_it_was_read(database: Database) -> None:
    begun = database.run(attempts.begin)
    identity = ProcessIdentity(4711, 12.5, "boot")
    database.run(lambda tx: attempts.note_process(tx, begun.attempt_seq, identity))
    database.run(lambda tx: attempts.note_read(tx, begun.attempt_seq, last_n=9, events_offset=1234))
    (known,) = database.read(attempts.unended)
    assert (known.identity, known.last_n, known.events_offset) == (identity, 9, 1234)


def test_trainer_is_started_apart_from_us(database: Database, workspace: Workspace) -> None:
    attempt = database.run(attempts.begin)
    process = trainer_process.start(SLEEPER, attempt, workspace)
    try:
        pid = process.identity.pid
        assert os.getsid(pid) == pid, "its own session"
        assert Path(f"/proc/{pid}/cwd").resolve() == process.spool / "cwd"
        assert not process.has_ended()
        assert process.control.told is not None
        assert process.control.told.assignment is None
        assert adoption.find_living(process.spool, None) == process.identity, "found by its spool alone"
        assert adoption.find_living(process.spool, process.identity) == process.identity
        until(lambda: (process.spool / "stderr.log").read_text() == "hello")
    finally:
        os.kill(process.identity.pid, 9)
    until(process.has_ended)
    assert process.exit_status(workspace.ended_file) == (None, 9)
    assert adoption.find_living(process.spool, process.identity) is None
    process.close()


def until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def test_stranger_with_the_same_number_is_not_adopted(workspace: Workspace) -> None:
    own = processes.identify(os.getpid())
    assert own is not None
    older = ProcessIdentity(own.pid, own.create_time - 100, own.boot_id)
    before_boot = ProcessIdentity(own.pid, own.create_time, "another boot")
    spool = workspace.spool / "A000001-none"
    assert adoption.find_living(spool, older) is None
    assert adoption.find_living(spool, before_boot) is None
    assert adoption.find_living(spool, own) is None, "lives, but is not of this spool: a copied workspace"
    spool.mkdir(parents=True)
    with open(spool / adoption.LOCK, "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert adoption.find_living(spool, own) == own


def test_environment_of_children_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONSTARTUP", "/evil.py")
    monkeypatch.setenv("LD_PRELOAD", "/evil.so")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    environment = launcher.child_environment()
    assert not {"HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONSTARTUP", "LD_PRELOAD", "HTTPS_PROXY"} & set(environment)
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert environment["PYTHONPATH"] == str(launcher.CODE_ROOT)
    online = launcher.child_environment(online=True)
    assert "HF_HUB_OFFLINE" not in online
    assert online["HTTPS_PROXY"] == "http://proxy"
    assert "HF_TOKEN" not in online


def test_children_wait_briefly_for_a_busy_core_unless_the_user_chose_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert launcher.child_environment()["GOMP_SPINCOUNT"] == "1000"
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert launcher.child_environment()["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert "GOMP_SPINCOUNT" not in launcher.child_environment()


def test_planted_module_in_the_workspace_is_not_imported(workspace: Workspace) -> None:
    spool = workspace.spool / "A000001-planted"
    launcher.make_spool(spool)
    for folder in (workspace.root, spool, spool / "cwd"):
        (folder / "msgspec.py").write_text("raise SystemExit('planted code ran')")
    command = (sys.executable, "-P", "-c", "import msgspec; raise SystemExit(7)")
    child = launcher.launch(command, spool, workspace.root)
    assert child.wait(20) == 7


def test_lock_of_a_living_trainer_is_seen(workspace: Workspace) -> None:
    spool = workspace.spool / "A000001-lock"
    launcher.make_spool(spool)
    assert not adoption.lock_is_held(spool)
    (spool / "trainer.lock").touch()
    assert not adoption.lock_is_held(spool)
    program = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(spool / "trainer.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert adoption.lock_is_held(spool)
        holder.communicate(b"\n")
    assert not adoption.lock_is_held(spool)
