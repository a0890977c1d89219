"""Small parts of the service: lock, endpoint file, settings file, throttle, ways to end, children."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from backend.contract.errors import BadInputError, LockedError
from backend.contract.jobs import JobState, Priority
from backend.contract.models import FetchRequest
from backend.contract.settings import CPU_PRESET, Config, TrainingSettings
from backend.contract.status import Endpoint, RunState
from backend.contract.verbs import VERBS
from backend.formats.home import Home
from backend.formats.workspace import Workspace
from backend.queue import queue
from backend.service import children, ending, endpoint, intent, lock
from backend.service.configuration import ConfigFile
from backend.service.service import prepare_folders
from backend.service.throttle import Throttle
from backend.service.verbs import CHANGES, READS
from backend.store.database import Database, Transaction


def test_every_verb_has_exactly_one_handler() -> None:
    assert {verb.name for verb in VERBS if verb.changes} == set(CHANGES)
    assert {verb.name for verb in VERBS if not verb.changes} == set(READS)


# ---- lock and endpoint -----------------------------------------------------------------------------------------


def test_lock_is_free_again_when_its_holder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.0)
    held = lock.take(tmp_path / "lock", tmp_path / "endpoint.json")
    with pytest.raises(LockedError, match="Another service already serves"):
        lock.take(tmp_path / "lock", tmp_path / "endpoint.json")
    endpoint.publish(tmp_path / "endpoint.json", endpoint.make(1, "0", Home(tmp_path)))
    with pytest.raises(LockedError, match=rf"\(process {os.getpid()}\)"):
        lock.take(tmp_path / "lock", tmp_path / "endpoint.json")
    os.close(held)
    os.close(lock.take(tmp_path / "lock", tmp_path / "endpoint.json"))


def test_endpoint_file_replaces_whatever_lay_there(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "endpoint.json", tmp_path / "elsewhere"
    elsewhere.write_text("keep")
    path.symlink_to(elsewhere)
    first, second = (endpoint.make(4000, "1.2", Home(tmp_path)) for _ in range(2))
    assert first.token != second.token
    endpoint.publish(path, first)
    endpoint.publish(path, second)
    assert elsewhere.read_text() == "keep"
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert msgspec.json.decode(path.read_bytes(), type=Endpoint) == second
    endpoint.withdraw(path)
    endpoint.withdraw(path)
    assert not path.exists()


# ---- settings --------------------------------------------------------------------------------------------------


def test_settings_of_a_new_workspace_fit_the_machine(tmp_path: Path) -> None:
    small = ConfigFile.open(tmp_path / "small.json", has_gpu=False).config.training
    assert {name: getattr(small, name) for name in CPU_PRESET} == CPU_PRESET
    large = ConfigFile.open(tmp_path / "large.json", has_gpu=True)
    assert large.config == Config()
    assert ConfigFile.open(tmp_path / "small.json", has_gpu=True).config.training == small, "what is there counts"


def test_setting_is_changed_on_disk_only_when_it_is_used(tmp_path: Path) -> None:
    config = ConfigFile.open(tmp_path / "config.json", has_gpu=True)
    changed, key, old, new = config.with_value("lora_r", "8")
    assert (key, old, new) == ("training.lora_r", "128", "8")
    assert json.loads((tmp_path / "config.json").read_bytes())["training"]["lora_r"] == 128
    config.use(changed)
    assert ConfigFile.open(tmp_path / "config.json", has_gpu=True).config.training.lora_r == 8


@pytest.mark.parametrize("text", ["", "{", '{"training": {"lora_r": 0}}', '{"unknown": 1}'])
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadInputError, match=r"config\.json"):
        ConfigFile.open(tmp_path / "config.json", has_gpu=True)


def test_workspace_that_cannot_be_made_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInputError, match="cannot be a workspace: Not a directory"):
        prepare_folders(Workspace(tmp_path / "file"))
    monkeypatch.setattr("backend.machine.disk.filesystem_kind", lambda folder: "nfs4")
    with pytest.raises(BadInputError, match="network file system"):
        prepare_folders(Workspace(tmp_path / "ws"))


# ---- throttle --------------------------------------------------------------------------------------------------


def test_throttle_passes_the_first_on_at_once_and_then_the_newest() -> None:
    async def work() -> list[int]:
        passed: list[int] = []
        throttle = Throttle(0.02, passed.append)
        for number in range(10):
            throttle.offer(number)
        assert passed == [0]
        await asyncio.sleep(0.03)
        assert passed == [0, 9]
        await asyncio.sleep(0.05)
        throttle.offer(10)
        return passed

    assert asyncio.run(work()) == [0, 9, 10]


# ---- ways to end -----------------------------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    workspace = Workspace(tmp_path)
    for folder in workspace.folders:
        folder.mkdir(parents=True, exist_ok=True)
    opened = Database.open(workspace.database, workspace.journal)
    yield opened
    opened.close()


def add_job(tx: Transaction, *states: JobState) -> None:
    job = queue.add(
        tx, file_name="a", dataset_id="0" * 64, size_bytes=1, priority=Priority.NORMAL, settings=TrainingSettings()
    )
    for state in states:
        queue.set_state(tx, job.job_id, state)


TRAINING = (JobState.QUEUED, JobState.STARTING, JobState.TRAINING)


@pytest.mark.parametrize(
    ("states", "run_state", "idle", "holds", "needs"),
    [
        (None, "running", True, False, False),
        ((), "running", False, False, False),
        ((JobState.QUEUED,), "running", False, False, False),
        ((JobState.QUEUED,), "stopped", True, False, True),
        ((JobState.QUEUED, JobState.HELD), "running", True, False, False),
        (TRAINING, "running", False, True, False),
        ((*TRAINING, JobState.PAUSED), "paused", True, True, True),
        ((*TRAINING, JobState.FINISHED), "running", True, False, False),
        ((*TRAINING, JobState.FAILED), "running", True, False, True),
        ((JobState.BLOCKED,), "running", True, False, True),
        ((*TRAINING, JobState.QUARANTINED), "running", True, False, True),
        ((*TRAINING, JobState.SKIPPED), "running", True, False, False),
    ],
)
def test_look_tells_what_is_left_to_do(
    database: Database,
    states: tuple[JobState, ...] | None,
    run_state: str,
    idle: bool,
    holds: bool,
    needs: bool,
) -> None:
    def prepare(tx: Transaction) -> ending.Rest:
        if states is not None:
            add_job(tx, *states)
        intent.set_run_state(tx, RunState(run_state), "test")
        return ending.look(tx, stop_file=False)

    rest = database.run(prepare)
    assert (rest.is_idle, rest.holds_job, rest.needs_person) == (idle, holds, needs)


def test_look_counts_the_stop_file_as_forbidding(database: Database) -> None:
    database.run(lambda tx: add_job(tx, JobState.QUEUED))
    rest = database.read(lambda tx: ending.look(tx, stop_file=True))
    assert (rest.is_idle, rest.needs_person) == (True, True)


def test_wishes_last_and_turns_only_grow(database: Database) -> None:
    def work(tx: Transaction) -> None:
        assert intent.run_state(tx) is RunState.RUNNING
        assert [intent.next_turn(tx), intent.next_turn(tx)] == [1, 2]
        intent.set_ended_turn(tx, 2)
        intent.set_ended_turn(tx, 1)
        assert intent.ended_turn(tx) == 2
        first, same = intent.add_request(tx, "evaluate"), intent.add_request(tx, "evaluate")
        other = intent.add_request(tx, "sample")
        assert first == same != other
        intent.drop_requests(tx, first.request_id)
        assert intent.requests(tx) == [other]
        intent.drop_requests(tx)
        assert intent.requests(tx) == []

    database.run(work)


# ---- children --------------------------------------------------------------------------------------------------

REQUEST = FetchRequest(repo_id="a/b", out_folder="x")


def run_child(tmp_path: Path, program: str, **more: Any) -> children.ChildEnd:
    given = {"timeout_seconds": 20.0, **more}
    return asyncio.run(children.run_child((sys.executable, "-P", "-c", program), REQUEST, tmp_path, **given))


def test_child_gets_its_request_and_an_empty_folder(tmp_path: Path) -> None:
    program = "import os, sys, pathlib; print(os.listdir('.'), pathlib.Path(sys.argv[1]).read_text(), file=sys.stderr)"
    end = run_child(tmp_path, program)
    assert end.code == 0
    assert end.stderr.startswith("[] ")
    assert '"repo_id":"a/b"' in end.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_child_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pid', 'w').write(str(child.pid)); time.sleep(60)"
    )
    end = run_child(tmp_path, program, timeout_seconds=0.6)
    assert end.timed_out
    assert end.sentence("The check") == "The check took too long and was ended."
    pid = int((tmp_path / "cwd" / "pid").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(10)  # killed, and gone as soon as the kernel comes to it


def test_child_is_ended_when_it_is_not_wanted_any_more(tmp_path: Path) -> None:
    async def work() -> None:
        command = (
            sys.executable,
            "-P",
            "-c",
            "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)",
        )
        task = asyncio.create_task(children.run_child(command, REQUEST, tmp_path, timeout_seconds=60))
        async with asyncio.timeout(10):
            while not (tmp_path / "cwd" / "pid").exists() or not (tmp_path / "cwd" / "pid").read_text():
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(work())
    assert not psutil.pid_exists(int((tmp_path / "cwd" / "pid").read_text()))


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise SystemExit(4)", "It failed: code 4"),
        ("raise ValueError('nothing there')", "It failed: ValueError: nothing there"),
        (f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})", "It was ended by the system (SIGSEGV)."),
    ],
)
def test_end_of_a_child_is_a_sentence(tmp_path: Path, program: str, words: str) -> None:
    assert run_child(tmp_path, program).sentence("It") == words


def test_progress_of_a_child_is_passed_on(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "for text in ('{\"done_bytes\": 1, \"total_bytes\": 4}', 'torn {', '[]'):\n"
        "    open('../out/t', 'w').write(text); os.replace('../out/t', '../out/progress.json'); time.sleep(0.4)"
    )
    seen: list[dict[str, Any]] = []
    run_child(tmp_path, program, on_progress=seen.append)
    assert seen
    assert {children.share(progress) for progress in seen} == {0.25}


@pytest.mark.parametrize("progress", [{}, {"done_bytes": 1}, {"done_bytes": 1, "total_bytes": 0}, {"done_bytes": "x"}])
def test_share_is_unknown_when_the_figures_are(progress: dict[str, Any]) -> None:
    assert children.share(progress) is None
