"""Failpoints: silent unless a test names them and the folder they hold below."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.store import failpoints
from backend.store.failpoints import failpoint

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def fresh_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_HITS", {})


def schedule(monkeypatch: pytest.MonkeyPatch, text: str, below: Path) -> None:
    monkeypatch.setenv("EVERSTEP_FAILPOINTS", text)
    monkeypatch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(below))


def test_failpoint_fails_at_the_hit_that_was_named_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(monkeypatch, "other:1:EIO,a.b:2:ENOSPC", tmp_path)
    failpoint("a.b", tmp_path / "x")
    with pytest.raises(OSError, match=r"a\.b") as raised:
        failpoint("a.b", tmp_path / "x")
    assert raised.value.errno == errno.ENOSPC
    failpoint("a.b", tmp_path / "x")


def test_failpoint_does_nothing_when_the_path_lies_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule(monkeypatch, "a.b:1:ENOSPC", tmp_path / "inside")
    failpoint("a.b", tmp_path / "outside")
    monkeypatch.delenv("EVERSTEP_FAILPOINTS_BELOW")
    failpoint("a.b", tmp_path / "inside" / "x")


def test_failpoint_kills_the_program_when_told_to(tmp_path: Path) -> None:
    code = (
        "from backend.store import durable; import pathlib, sys; durable.commit_file(pathlib.Path(sys.argv[1]), b'x')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        cwd=ROOT,
        env={
            "EVERSTEP_FAILPOINTS": "durable.file_before_rename:1:kill",
            "EVERSTEP_FAILPOINTS_BELOW": str(tmp_path),
        },
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".tmp-file"]
