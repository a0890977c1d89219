"""Guardian and service together: restarts, safe mode, orphans, the ways a service ends by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import ROOT, RunningService

GUARD = """
import sys
from pathlib import Path
from backend.guardian.guardian import Guardian
workspace, waits, *command = sys.argv[1:]
sys.exit(Guardian(Path(workspace), command, waits=waits == "waits").run())
"""


def guardian_command(root: Path, command: list[str], *, waits: bool = True) -> list[str]:
    return [sys.executable, "-P", "-c", GUARD, str(root), "waits" if waits else "leaves", *command]


@pytest.fixture
def guarded(service: RunningService) -> Iterator[RunningService]:
    """The service under a guardian; not started."""
    service.command = guardian_command(service.workspace.root, service.command)
    yield service
    service.close()


def service_pid(guarded: RunningService) -> int:
    return int(guarded.until(lambda: guarded.workspace.endpoint_file.exists() and guarded.endpoint["pid"]))


def ended(guarded: RunningService) -> list[dict[str, object]]:
    try:
        return list(json.loads(guarded.workspace.ended_file.read_bytes())["ended"])
    except FileNotFoundError:
        return []


def test_service_is_started_again_when_it_is_killed(guarded: RunningService) -> None:
    guarded.start()
    pid = service_pid(guarded)
    os.kill(pid, signal.SIGKILL)
    guarded.until(lambda: guarded.workspace.endpoint_file.exists() and guarded.endpoint["pid"] != pid)
    guarded.until((guarded.workspace.status / "ready").exists)
    assert ended(guarded)[-1]["signal"] == signal.SIGKILL
    assert ended(guarded)[-1]["role"] == "service"
    assert guarded.call("status")["safe_mode"] is False
    assert guarded.terminate() == 0
    assert not psutil.pid_exists(guarded.endpoint["pid"]) if guarded.workspace.endpoint_file.exists() else True


def test_end_of_a_trainer_is_known_when_its_service_was_away(guarded: RunningService, tmp_path: Path) -> None:
    guarded.start()
    guarded.base(tmp_path)
    guarded.behave(step_seconds=0.05, die_at={"9": "SIGSEGV"})
    (job_id,) = guarded.add(guarded.file("a.jsonl", rows=40))
    guarded.until(lambda: len(guarded.losses()) > 2)
    os.kill(service_pid(guarded), signal.SIGKILL)
    guarded.until(lambda: any(entry["signal"] == signal.SIGSEGV for entry in ended(guarded)))
    guarded.until((guarded.workspace.status / "ready").exists)
    guarded.until_state(job_id, "finished")
    log = "".join(path.read_text() for path in guarded.workspace.logs.glob("*.log"))
    assert "crashed in native code (SIGSEGV)" in log
    assert guarded.terminate() == 0


def test_guardian_leaves_when_the_service_is_shut_down(guarded: RunningService) -> None:
    guarded.start()
    guarded.call("shutdown")
    assert guarded.wait() == 0
    assert not guarded.workspace.endpoint_file.exists()


def test_second_guardian_takes_over_when_the_first_is_gone(guarded: RunningService) -> None:
    guarded.start()
    second = subprocess.Popen(
        guarded.command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        assert second.stderr is not None
        assert b"Waiting to take over" in second.stderr.readline()
        pid = service_pid(guarded)
        guarded.kill()  # the guardian alone: its service goes on and keeps the workspace
        time.sleep(0.7)
        assert guarded.call("status")["service"]["pid"] == pid
        os.kill(pid, signal.SIGKILL)
        guarded.until(lambda: guarded.endpoint["pid"] != pid)
        guarded.until((guarded.workspace.status / "ready").exists)
        assert guarded.call("status")["run_state"] == "running"
    finally:
        second.terminate()
        second.communicate()


def test_second_guardian_that_does_not_wait_leaves_at_once(guarded: RunningService) -> None:
    guarded.start()
    command = guardian_command(guarded.workspace.root, ["false"], waits=False)
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=10, check=False).returncode == 0
    assert guarded.call("status")["run_state"] == "running"


def test_safe_mode_comes_after_three_starts_that_did_not_get_ready(guarded: RunningService, tmp_path: Path) -> None:
    script = tmp_path / "flaky.py"
    script.write_text(
        "import os, runpy, sys\n"
        f"count = {str(tmp_path / 'count')!r}\n"
        "open(count, 'a').write('x')\n"
        "if '--safe-mode' not in sys.argv: os.abort()\n"
        f"sys.argv = [{str(ROOT / 'tests/fakes/serve_with_fakes.py')!r}, *sys.argv[1:]]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, "-P", str(script), "--workspace", str(guarded.workspace.root)]
    guarded.command = guardian_command(guarded.workspace.root, command)
    guarded.start()
    status = guarded.call("status")
    assert status["safe_mode"] is True
    assert "Safe mode" in status["sentence"]
    assert (tmp_path / "count").read_text() == "xxxx"
    assert [entry["signal"] for entry in ended(guarded)] == [signal.SIGABRT] * 3
    assert guarded.terminate() == 0


def test_second_service_on_one_workspace_is_refused_with_a_sentence(service: RunningService) -> None:
    service.start()
    second = subprocess.run(
        service.command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=20, check=False
    )
    assert second.returncode == 3
    assert f"(process {service.process.pid}) already serves this workspace".encode() in second.stderr
    assert service.call("status")["service"]["pid"] == service.process.pid


def test_service_cannot_serve_with_settings_that_make_no_sense(service: RunningService) -> None:
    service.workspace.config_file.write_text('{"training": {"learning_rate": "fast"}}')
    service.start(wait=False)
    assert service.wait() == 3
    told = service.output.read_text()
    assert "config.json cannot be read" in told
    assert "learning_rate" in told


def test_first_start_writes_settings_that_fit_the_machine(service: RunningService) -> None:
    service.workspace.config_file.unlink()
    service.start()
    training = json.loads(service.workspace.config_file.read_bytes())["training"]
    has_gpu = Path("/proc/driver/nvidia/version").exists()
    assert training["lora_r"] == (128 if has_gpu else 16)


def test_service_until_idle_ends_well_when_everything_was_trained(service: RunningService, tmp_path: Path) -> None:
    service.start()
    service.base(tmp_path)
    service.call("stop", now=True)
    (job_id,) = service.add(service.file("a.jsonl"))
    service.until_state(job_id, "queued")
    service.call("resume")
    service.terminate()
    (service.workspace.inbox / "b.jsonl").write_text('{"text": "x"}\n' * 8)
    service.start("--until-idle", wait=False)
    assert service.wait() == 0
    assert (service.workspace.inbox_done / "b.jsonl").exists()
    last = json.loads(service.workspace.last_status_file.read_bytes())
    assert (last["global_step"], last["trainer"]) == (14, None)


@pytest.mark.parametrize("text", ["REFUSE", "row"])
def test_service_until_idle_ends_unwell_when_a_file_needs_a_person(service: RunningService, text: str) -> None:
    service.workspace.inbox.mkdir(parents=True)
    (service.workspace.inbox / "a.jsonl").write_text(f'{{"text": "{text}"}}\n')  # "row": no base model
    service.start("--until-idle", wait=False)
    assert service.wait() == 1


def test_service_that_lingers_leaves_when_nobody_needs_it(service: RunningService) -> None:
    started = time.monotonic()
    service.start("--linger", "0.5")
    while time.monotonic() - started < 2.5:
        service.call("status")
        time.sleep(0.2)
    assert service.process.poll() is None, "it is asked all the time"
    assert service.wait(timeout=8) == 0


def test_service_that_lingers_stays_while_it_trains(service: RunningService, tmp_path: Path) -> None:
    service.start("--linger", "0.2")
    service.base(tmp_path)
    service.behave(step_seconds=0.1)
    service.add(service.file("a.jsonl", rows=40))
    assert service.wait(timeout=30) == 0
    last = json.loads(service.workspace.last_status_file.read_bytes())
    assert last["global_step"] == 20


def test_damaged_database_is_rebuilt_and_said(running_service: RunningService) -> None:
    service = running_service
    service.call("stop", now=True)
    (job_id,) = service.add(service.file("a.jsonl"))
    service.until_state(job_id, "queued")
    epoch_before = service.call("status")
    service.kill()
    data = bytearray(service.workspace.database.read_bytes())
    data[100:4000] = b"\xff" * 3900
    service.workspace.database.write_bytes(bytes(data))
    for extra in ("-wal", "-shm"):
        service.workspace.database.with_name(service.workspace.database.name + extra).unlink(missing_ok=True)
    service.start()
    assert service.job(job_id)["state"] == "queued"
    assert service.call("status")["base_id"] == epoch_before["base_id"]
    assert any(service.workspace.quarantine.iterdir())
    service.call("resume")
    service.until_state(job_id, "finished")


def test_serve_tells_folder_files_and_goodbye_on_a_terminal(service: RunningService, tmp_path: Path) -> None:
    service.start("--tell", "text")
    service.base(tmp_path)
    (job_id,) = service.add(service.file("a.jsonl"))
    service.until_state(job_id, "finished")
    assert service.terminate() == 0
    told = service.output.read_text()
    parts = (f"Serving {service.workspace.root}", str(service.workspace.inbox), "Ctrl-C", "Ready.", "starts: 10 steps")
    places = [told.find(part) for part in (*parts, "finished: 10 of 10 steps", "Goodbye.")]
    assert places == sorted(places), told
    assert -1 not in places, told


def test_serve_ends_with_a_sentence_in_log_and_terminal_when_the_settings_are_broken(service: RunningService) -> None:
    service.workspace.config_file.write_text('{\n"training": {"lora_r": "many"}\n}')
    service.start(wait=False)
    assert service.wait() == 3
    log = "".join(path.read_text() for path in service.workspace.logs.glob("*.log"))
    for told in (service.output.read_text(), log):
        assert str(service.workspace.config_file) in told
        assert "training.lora_r" in told
