"""Both ends of the spool as the service sees them: control.json, events.jsonl, exit.json, stderr.log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.contract.spool import Control, Desired, Exiting, ExitRecord, PhaseChanged, Request, Started
from backend.supervisor.control import ControlFile
from backend.supervisor.spool_reader import SpoolReader, earlier_events, read_exit, stderr_tail


def line(n: int, phase: str = "idle") -> bytes:
    return msgspec.json.encode(PhaseChanged(n=n, at=0.0, phase=phase)) + b"\n"


def append(spool: Path, data: bytes) -> None:
    with open(spool / "events.jsonl", "ab") as file:
        file.write(data)


def test_control_counts_up_over_services_and_only_when_there_is_news(tmp_path: Path) -> None:
    control = ControlFile(tmp_path)
    assert control.assignment is None
    assert control.tell(Desired.RUN, None, [])
    before = (tmp_path / "control.json").stat().st_mtime_ns
    assert not control.tell(Desired.RUN, None, [])
    assert (tmp_path / "control.json").stat().st_mtime_ns == before
    assert ControlFile(tmp_path).tell(Desired.RUN, None, [Request(request_id="R1", kind="save")])
    told = msgspec.json.decode((tmp_path / "control.json").read_bytes(), type=Control)
    assert (told.seq, told.desired, len(told.requests)) == (2, Desired.RUN, 1)


def test_control_that_is_not_ours_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "control.json").write_text("nonsense")
    assert ControlFile(tmp_path).tell(Desired.STOP, None, [])
    assert msgspec.json.decode((tmp_path / "control.json").read_bytes(), type=Control).seq == 1


def test_reader_gives_each_whole_event_once(tmp_path: Path) -> None:
    reader = SpoolReader(tmp_path)
    assert reader.read() == []
    append(tmp_path, line(1) + line(2)[:-5])
    assert [event.n for event in reader.read()] == [1]
    assert reader.read() == []
    append(tmp_path, line(2)[-5:] + line(3))
    assert [event.n for event in reader.read()] == [2, 3]
    again = SpoolReader(tmp_path, offset=reader.offset, last_n=3)
    append(tmp_path, line(4))
    assert [event.n for event in again.read()] == [4]


def test_reader_leaves_out_what_was_applied_already(tmp_path: Path) -> None:
    append(tmp_path, line(1) + line(2) + line(3))
    assert [event.n for event in SpoolReader(tmp_path, last_n=2).read()] == [3]


@pytest.mark.parametrize(
    "garbage", [b"nonsense\n", b"\xff\xfe\n", b'{"type":"unknown","n":2,"at":0}\n', b"\n", b"[]\n"]
)
def test_reader_names_garbage_and_goes_on(tmp_path: Path, garbage: bytes, expect_log: Any) -> None:
    expect_log("is not an event and was skipped")
    append(tmp_path, line(1) + garbage + line(2))
    assert [event.n for event in SpoolReader(tmp_path).read()] == [1, 2]


def test_earlier_events_are_the_first_and_the_newest(tmp_path: Path) -> None:
    append(tmp_path, msgspec.json.encode(Started(n=1, at=0.0, pid=4, device="cpu")) + b"\n")
    for n in range(2, 200):
        append(tmp_path, line(n))
    end = (tmp_path / "events.jsonl").stat().st_size
    events = earlier_events(tmp_path, end, max_bytes=300)
    assert isinstance(events[0], Started)
    assert events[-1].n == 199
    assert 3 <= len(events) < 10
    assert [event.n for event in earlier_events(tmp_path, end)] == list(range(1, 200))
    assert earlier_events(tmp_path / "none", 0) == []


def test_exit_record_counts_only_when_it_is_whole(tmp_path: Path) -> None:
    assert read_exit(tmp_path) is None
    (tmp_path / "exit.json").write_bytes(b'{"reason"')
    assert read_exit(tmp_path) is None
    (tmp_path / "exit.json").write_bytes(msgspec.json.encode(ExitRecord(reason="stopped")))
    assert read_exit(tmp_path) == ExitRecord(reason="stopped")


def test_stderr_tail_is_short_whatever_was_printed(tmp_path: Path) -> None:
    assert stderr_tail(tmp_path) == []
    (tmp_path / "stderr.log").write_bytes(b"".join(b"line %d\n" % n for n in range(100_000)) + b"\xff last")
    tail = stderr_tail(tmp_path, num_lines=3)
    assert tail[:-1] == ["line 99997", "line 99998", "line 99999"]
    assert tail[-1].endswith("last")


def test_last_event_of_an_orderly_end_is_read(tmp_path: Path) -> None:
    append(tmp_path, msgspec.json.encode(Exiting(n=1, at=0.0, reason="stopped")) + b"\n")
    assert SpoolReader(tmp_path).read() == [Exiting(n=1, at=0.0, reason="stopped")]
