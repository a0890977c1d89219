"""What lives is never doubled, what is gone comes back, and every state says why."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.contract.verbs import API_VERSION
from gui.client import endpoint as endpoints
from gui.client.connection_state import ConnectionState
from gui.client.service_process import Patience, ServiceProcess
from tests.unit.gui.client.conftest import Heard, turn, wait_until
from tests.unit.gui.client.raw_service import RawService, answer, answer_ready, hold, say

QUICK = Patience(
    look_seconds=0.05,
    look_closely_seconds=0.02,
    ask_after_seconds=0.1,
    silent_seconds=0.4,
    other_guardian_seconds=0.1,
    stable_seconds=5.0,
    retry_seconds=60.0,
)


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """One letter for every guardian that was started."""
    return tmp_path / "starts"


@pytest.fixture
def process(raw: RawService, starts: Path) -> Iterator[ServiceProcess]:
    """Its guardian only writes down that it was started."""
    found = make(raw, f"open({str(starts)!r}, 'a').write('x')")
    yield found
    found.stop_watching()


def make(raw: RawService, program: str, patience: Patience = QUICK) -> ServiceProcess:
    return ServiceProcess(raw.workspace, command=[sys.executable, "-P", "-c", program], patience=patience)


def until(process: ServiceProcess, state: ConnectionState) -> None:
    wait_until(lambda: process.state is state, what=f"{state}; it is {process.state}: {process.sentence}")


def hold_lock(workspace: Path, name: str) -> int:
    path = workspace / "status" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def num_starts(starts: Path) -> int:
    return len(starts.read_text()) if starts.exists() else 0


def test_service_that_lives_is_found_and_nothing_is_started(
    raw: RawService, process: ServiceProcess, starts: Path
) -> None:
    raw.publish()
    heard = Heard(process, "state_changed", "ready")
    process.start()
    until(process, ConnectionState.CONNECTED)
    turn(0.2)
    (ready,) = heard.values("ready")
    assert (ready.pid, ready.program_version, ready.safe_mode) == (os.getpid(), "0.9", False)
    assert heard.values("state_changed") == [ConnectionState.CONNECTED]
    assert process.endpoint() is not None
    assert process.pid == os.getpid()
    assert process.why_not() is None
    assert num_starts(starts) == 0


def test_service_is_not_asked_again_while_it_is_heard(raw: RawService, process: ServiceProcess) -> None:
    raw.publish()
    process.start()
    until(process, ConnectionState.CONNECTED)
    for _ in range(10):
        process.hear()
        turn(0.05)
    assert len(raw.asked_for("/v1/ready")) == 1


def test_service_that_is_silent_is_left_alone_and_welcomed_back(
    raw: RawService, process: ServiceProcess, starts: Path
) -> None:
    raw.publish()
    process.start()
    until(process, ConnectionState.CONNECTED)
    raw.paths["/v1/ready"] = hold
    until(process, ConnectionState.SILENT)
    assert f"process {os.getpid()}" in process.sentence
    assert "No second one is started" in process.sentence
    assert process.why_not() is None
    turn(0.3)
    assert num_starts(starts) == 0
    raw.paths["/v1/ready"] = answer_ready()
    process.hear()  # a byte of the event stream
    assert process.state is ConnectionState.CONNECTED


def test_service_is_not_called_silent_when_it_was_the_window_that_stood_still(
    raw: RawService, process: ServiceProcess
) -> None:
    raw.publish()
    process.start()
    until(process, ConnectionState.CONNECTED)
    heard = Heard(process, "state_changed")
    time.sleep(1.0)  # longer than silent_seconds
    turn(0.5)
    assert heard.said == []


def test_service_that_never_gets_ready_is_silent_too_and_never_doubled(
    raw: RawService, process: ServiceProcess, starts: Path
) -> None:
    descriptor = hold_lock(raw.workspace, "service.lock")
    process.start()
    until(process, ConnectionState.SILENT)
    assert "holds this workspace" in process.sentence
    assert num_starts(starts) == 0
    os.close(descriptor)
    until(process, ConnectionState.STARTING)
    wait_until(lambda: num_starts(starts) > 0)


def test_nothing_is_started_while_a_guardian_lives(raw: RawService, process: ServiceProcess, starts: Path) -> None:
    descriptor = hold_lock(raw.workspace, "guardian.lock")
    process.start()
    turn(0.25)
    assert num_starts(starts) == 0
    raw.publish()
    until(process, ConnectionState.CONNECTED)
    os.close(descriptor)


def test_service_is_started_when_the_endpoint_file_names_a_reused_pid(
    raw: RawService, process: ServiceProcess, starts: Path
) -> None:
    raw.publish(create_time=12345.0)
    process.start()
    assert process.state is ConnectionState.STARTING
    assert process.endpoint() is None
    wait_until(lambda: num_starts(starts) == 1)
    assert raw.asked == [], "a stranger was asked"


def test_window_connects_when_what_it_started_gets_ready(raw: RawService, tmp_path: Path) -> None:
    raw.publish()
    made = endpoints.endpoint_file(raw.workspace)
    kept = made.rename(tmp_path / "kept.json")
    process = make(raw, f"import shutil; shutil.copy2({str(kept)!r}, {str(made)!r})")
    heard = Heard(process, "state_changed")
    process.start()
    until(process, ConnectionState.CONNECTED)
    assert heard.values("state_changed") == [ConnectionState.STARTING, ConnectionState.CONNECTED]
    process.stop_watching()


def test_last_words_are_told_when_the_service_cannot_start(raw: RawService) -> None:
    process = make(raw, "import sys; sys.exit('The disk is full. Free some space.')")
    process.start()
    until(process, ConnectionState.REFUSED)
    assert process.sentence.startswith("The service could not be started. The disk is full. Free some space. ")
    reason = process.why_not()
    assert reason is not None
    assert "The disk is full" in reason.message
    turn(0.3)
    assert process.state is ConnectionState.REFUSED
    process.stop_watching()


def test_service_that_could_not_start_is_tried_again_quietly(raw: RawService, starts: Path, tmp_path: Path) -> None:
    raw.publish()
    made = endpoints.endpoint_file(raw.workspace)
    kept = made.rename(tmp_path / "kept.json")
    room = tmp_path / "there is room now"
    program = f"""
import pathlib, shutil, sys
open({str(starts)!r}, "a").write("x")
if not pathlib.Path({str(room)!r}).exists():
    sys.exit("The disk is full.")
shutil.copy2({str(kept)!r}, {str(made)!r})
"""
    process = make(raw, program, replace(QUICK, retry_seconds=0.2))
    heard = Heard(process, "state_changed")
    process.start()
    wait_until(lambda: num_starts(starts) == 3)
    assert heard.values("state_changed") == [ConnectionState.STARTING, ConnectionState.REFUSED]
    room.touch()
    until(process, ConnectionState.CONNECTED)
    process.stop_watching()


def test_start_is_tried_again_when_the_guardian_left_without_a_word(process: ServiceProcess, starts: Path) -> None:
    process.start()
    until(process, ConnectionState.REFUSED)
    assert num_starts(starts) == 3
    assert "no reason" in process.sentence
    process.start()  # the user wants it once more
    assert process.state is ConnectionState.STARTING
    wait_until(lambda: num_starts(starts) == 4)


def test_service_that_somebody_else_starts_is_taken_when_ours_could_not(
    raw: RawService, process: ServiceProcess
) -> None:
    process.start()
    until(process, ConnectionState.REFUSED)
    raw.publish()
    until(process, ConnectionState.CONNECTED)


def test_service_that_was_killed_is_started_again(raw: RawService, process: ServiceProcess, starts: Path) -> None:
    raw.publish()
    process.start()
    until(process, ConnectionState.CONNECTED)
    raw.publish(create_time=12345.0)  # its file stays behind, its process is gone
    process.look_now()
    until(process, ConnectionState.STARTING)
    wait_until(lambda: num_starts(starts) == 1)


def test_service_that_was_ended_on_purpose_stays_away_until_it_is_wished_for(
    raw: RawService, process: ServiceProcess, starts: Path
) -> None:
    raw.publish()
    process.start()
    until(process, ConnectionState.CONNECTED)
    endpoints.endpoint_file(raw.workspace).unlink()
    until(process, ConnectionState.GONE)
    turn(0.3)
    assert num_starts(starts) == 0
    assert process.why_not() is not None
    process.start()
    wait_until(lambda: num_starts(starts) == 1)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (API_VERSION - 1, ("The service that runs", "is older than this window", "shutdown")),
        (API_VERSION + 1, ("This window", "is older than the service", "newer program")),
    ],
)
def test_sentence_says_which_side_is_older_when_the_versions_differ(
    raw: RawService, process: ServiceProcess, starts: Path, version: int, words: tuple[str, ...]
) -> None:
    raw.publish(api_version=version)
    process.start()
    until(process, ConnectionState.INCOMPATIBLE)
    assert all(word in process.sentence for word in words), process.sentence
    assert process.endpoint() is None
    reason = process.why_not()
    assert reason is not None
    assert reason.message == process.sentence
    turn(0.2)
    assert num_starts(starts) == 0
    assert raw.asked == []
    raw.publish()  # somebody put it right
    until(process, ConnectionState.CONNECTED)


def test_version_is_known_too_when_only_the_answer_tells_it(raw: RawService, process: ServiceProcess) -> None:
    raw.publish()
    raw.paths["/v1/ready"] = answer_ready(api_version=API_VERSION + 1)
    process.start()
    until(process, ConnectionState.INCOMPATIBLE)


def test_wrong_token_is_refused_with_a_sentence(raw: RawService, process: ServiceProcess, starts: Path) -> None:
    raw.publish(token="wrong")
    process.start()
    until(process, ConnectionState.REFUSED)
    assert "does not accept the key" in process.sentence
    assert num_starts(starts) == 0
    raw.publish()
    until(process, ConnectionState.CONNECTED)


def test_endpoint_that_others_can_read_is_refused_with_a_sentence(raw: RawService, process: ServiceProcess) -> None:
    descriptor = hold_lock(raw.workspace, "service.lock")
    raw.publish()
    endpoints.endpoint_file(raw.workspace).chmod(0o644)
    process.start()
    until(process, ConnectionState.REFUSED)
    assert "not trusted" in process.sentence
    assert raw.asked == []
    os.close(descriptor)


@pytest.mark.parametrize(
    "other",
    [answer(b"<html>"), answer(b"{}"), answer_ready(pid=1), answer(b"", 204), say(b"SSH-2.0\r\n"), answer(b"x", 500)],
)
def test_whoever_else_has_the_port_is_not_taken_for_the_service(
    raw: RawService, process: ServiceProcess, starts: Path, other: Any
) -> None:
    raw.publish()
    raw.paths["/v1/ready"] = other
    process.start()
    until(process, ConnectionState.SILENT)
    assert num_starts(starts) == 0


def test_nothing_is_said_or_started_after_watching_was_stopped(
    raw: RawService, process: ServiceProcess, starts: Path
) -> None:
    raw.publish()
    process.start()
    until(process, ConnectionState.CONNECTED)
    heard = Heard(process, "state_changed", "ready")
    process.stop_watching()
    endpoints.endpoint_file(raw.workspace).unlink()
    process.look_now()
    turn(0.3)
    assert heard.said == []
    assert num_starts(starts) == 0
