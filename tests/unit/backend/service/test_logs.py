"""The log: one line a record, no secrets, days and sizes kept in bounds."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from backend.service import logs
from backend.service.logs import DailyLog, Redactor


@pytest.fixture
def handler(tmp_path: Path) -> DailyLog:
    return DailyLog(tmp_path, Redactor())


def record(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("backend.service.x", level, __file__, 1, message, args, None)


def today(folder: Path) -> Path:
    return folder / time.strftime("everstep_%Y%m%d.log")


@pytest.mark.parametrize(
    "text",
    ["two\nlines", "carriage\rreturn", "\x1b[31mred", "left\u202eright", "next\u2028line", "nul\0", "lone \ud800"],
)
def test_record_is_one_line_whatever_it_holds(handler: DailyLog, tmp_path: Path, text: str) -> None:
    handler.handle(record("said %s", text))
    handler.close()
    data = today(tmp_path).read_bytes()
    assert data.count(b"\n") == 1
    decoded = data.decode()
    assert all(sign.isprintable() for sign in decoded.rstrip("\n"))
    assert decoded.startswith(time.strftime("%Y-%m-%dT"))
    assert " INFO service.x: said " in decoded


@pytest.mark.parametrize(
    "secret",
    [
        "hf_AbCdEfGhIjKlMnOpQrStUvWxYz123456",
        "sk-abcdefghijklmnopqrstuvwxyz",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAABCDEFGHIJKLMNOP",
        "Bearer abc.def-ghi",
        "Authorization: Basic dXNlcjpwYXNz",
        "user:pass@",
        "the-service-token",
    ],
)
def test_secrets_are_cut_out_wherever_they_stand(tmp_path: Path, secret: str) -> None:
    redactor = Redactor()
    redactor.hide("the-service-token")
    handler = DailyLog(tmp_path, redactor)
    bare = secret.removesuffix("@")
    text = f"https://{secret}host/" if secret.endswith("@") else secret
    handler.handle(record("in the message %s", text))
    try:
        raise ValueError(text)
    except ValueError as problem:
        handler.handle(logging.LogRecord("x", logging.ERROR, __file__, 1, "it failed", (), (ValueError, problem, None)))
    handler.close()
    told = today(tmp_path).read_text()
    assert bare not in told
    assert told.count("<redacted>") == 2


def test_old_days_go_and_the_rest_stays(tmp_path: Path) -> None:
    for days in (1, 29, 40):
        stamp = time.strftime("%Y%m%d", time.localtime(time.time() - days * 86400))
        (tmp_path / f"everstep_{stamp}.log").write_text("x\n")
    (tmp_path / "notes.txt").write_text("mine")
    handler = DailyLog(tmp_path, Redactor(), keep_days=30)
    handler.handle(record("today"))
    handler.close()
    assert len(logs.log_files(tmp_path)) == 3
    assert (tmp_path / "notes.txt").exists()


def test_size_cap_removes_the_oldest_first_and_splits_today(tmp_path: Path) -> None:
    (tmp_path / "everstep_20200101.log").write_bytes(b"x" * 900)
    handler = DailyLog(tmp_path, Redactor(), keep_days=100_000, max_bytes=1000)
    for number in range(30):
        handler.handle(record("number %d", number))
        handler.sweep()
    handler.close()
    files = logs.log_files(tmp_path)
    assert "everstep_20200101.log" not in [path.name for path in files]
    assert sum(path.stat().st_size for path in files) <= 1100
    assert logs.newest_lines(tmp_path, 1)[0].endswith("number 29")


def test_limits_hold_as_soon_as_they_are_set(tmp_path: Path) -> None:
    stamp = time.strftime("%Y%m%d", time.localtime(time.time() - 5 * 86400))
    (tmp_path / f"everstep_{stamp}.log").write_text("x\n")
    handler = DailyLog(tmp_path, Redactor())
    handler.handle(record("today"))
    assert len(logs.log_files(tmp_path)) == 2
    handler.limit(keep_days=3, max_bytes=10_000)
    assert [path.name for path in logs.log_files(tmp_path)] == [today(tmp_path).name]
    handler.close()


def test_newest_lines_reach_over_files(tmp_path: Path) -> None:
    (tmp_path / "everstep_20260101.log").write_text("a\nb\n")
    (tmp_path / "everstep_20260102_1.log").write_text("c\n")
    (tmp_path / "everstep_20260102.log").write_text("d\ne\n")
    assert logs.newest_lines(tmp_path, 4) == ["b", "c", "d", "e"]
    assert logs.newest_lines(tmp_path, 100) == ["a", "b", "c", "d", "e"]
    assert logs.newest_lines(tmp_path, 0) == []


def test_log_goes_on_when_the_disk_refused_once(
    handler: DailyLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERSTEP_FAILPOINTS", "durable.append_write:1:ENOSPC")
    monkeypatch.setenv("EVERSTEP_FAILPOINTS_BELOW", str(tmp_path))
    handler.handle(record("lost"))
    monkeypatch.delenv("EVERSTEP_FAILPOINTS")
    handler.handle(record("kept"))
    handler.close()
    assert [line.split(": ")[1] for line in logs.newest_lines(tmp_path, 9)] == ["kept"]
