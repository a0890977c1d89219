"""The guardian on its own: arguments, exit codes, what it writes down. Its life with a service is in integration."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.guardian import guardian
from backend.guardian.guardian import Guardian, default_workspace, main

ROOT = Path(__file__).resolve().parents[4]


def run_guardian(workspace: Path, program: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: a guardian takes every child of its process for its own."""
    code = (
        "import sys; from pathlib import Path; from backend.guardian import guardian\n"
        "guardian._RESTART_SECONDS = (0.0,)\n"
        "sys.exit(guardian.Guardian(Path(sys.argv[1]), [sys.executable, '-c', sys.argv[2]]).run())"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", code, str(workspace), program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def ended(workspace: Path) -> list[dict[str, object]]:
    return list(json.loads((workspace / "status" / "ended.json").read_bytes())["ended"])


def test_guardian_stays_small() -> None:
    assert len(Path(guardian.__file__).read_text().splitlines()) < 200


@pytest.mark.parametrize("code", [0, 1, 3])
def test_guardian_ends_as_the_service_ends_on_purpose(tmp_path: Path, code: int) -> None:
    done = run_guardian(tmp_path, f"raise SystemExit({code})")
    assert done.returncode == code
    assert [(entry["code"], entry["signal"], entry["role"]) for entry in ended(tmp_path)] == [(code, None, "service")]


def test_guardian_gives_up_when_not_even_safe_mode_starts(tmp_path: Path) -> None:
    done = run_guardian(
        tmp_path, f"import sys; open({str(tmp_path / 'seen')!r}, 'a').write(sys.argv[-1] + ' '); sys.exit(9)"
    )
    assert done.returncode == 3
    assert "not even without training" in done.stderr
    assert (tmp_path / "seen").read_text().split() == ["-c", "-c", "-c", "--safe-mode", "--safe-mode", "--safe-mode"]


def test_ready_makes_the_count_begin_anew(tmp_path: Path) -> None:
    count = tmp_path / "count"
    program = (
        f"import pathlib, sys; count = pathlib.Path({str(count)!r})\n"
        "n = len(count.read_text()) if count.exists() else 0\n"
        "count.write_text('x' * (n + 1))\n"
        f"if n % 2: pathlib.Path({str(tmp_path / 'status' / 'ready')!r}).write_text('1')\n"
        "sys.exit(0 if n == 9 else 9)"
    )
    done = run_guardian(tmp_path, program)
    assert done.returncode == 0
    assert len(count.read_text()) == 10


def test_orphans_are_reaped_and_written_down(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("subreapers are Linux")
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0: os._exit(5)\n"
        "    os._exit(0)\n"
        "os.wait(); time.sleep(0.5)"
    )
    run_guardian(tmp_path, program)
    assert [(entry["code"], entry["role"]) for entry in ended(tmp_path)] == [(5, "orphan"), (0, "service")]


def test_ended_file_keeps_the_newest_and_mends_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "status").mkdir()
    (tmp_path / "status" / "ended.json").write_text("broken")
    keeper = Guardian(tmp_path, [])
    for pid in range(250):
        keeper._write_down(pid, -9 if pid == 249 else 0, "orphan")
    entries = ended(tmp_path)
    assert [entry["pid"] for entry in entries] == list(range(50, 250))
    assert (entries[-1]["code"], entries[-1]["signal"]) == (None, 9)


def test_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x")
    assert Guardian(tmp_path / "file", []).run() == 3
    assert "cannot be a workspace: Not a directory" in capsys.readouterr().err


def test_main_refuses_arguments_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended_with:
        main(["--nonsense"])
    assert ended_with.value.code == 2
    assert "--until-idle" in capsys.readouterr().err


def test_default_workspace_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVERSTEP_WORKSPACE", str(tmp_path / "named"))
    assert default_workspace() == tmp_path / "named"
    monkeypatch.delenv("EVERSTEP_WORKSPACE")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        assert default_workspace() == tmp_path / "data" / "everstep" / "workspace"
        monkeypatch.setenv("XDG_DATA_HOME", "")
        assert default_workspace() == Path.home() / ".local/share/everstep/workspace"


def test_guardian_says_so_when_the_workspace_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(guardian.durable, "remove_file", refuse)
    monkeypatch.setattr(guardian, "_become_subreaper", lambda: None)
    monkeypatch.setattr(guardian.signal, "signal", lambda *_: None)
    assert Guardian(tmp_path, ["false"]).run() == guardian.CANNOT_SERVE
    told = capfd.readouterr().err
    assert "Read-only file system" in told
    assert "--workspace" in told


def test_guardian_names_the_halted_process_that_keeps_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "status").mkdir()
    lock = tmp_path / "status" / "guardian.lock"
    lock.touch()
    hold = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True)"
    holder = subprocess.Popen(
        [sys.executable, "-c", f"{hold}; time.sleep(60)", str(lock)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        monkeypatch.setattr(guardian.signal, "signal", lambda *_: None)
        assert Guardian(tmp_path, ["false"], waits=False).run() == 0
        assert capfd.readouterr().err == ""
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED | os.WNOWAIT)
        assert Guardian(tmp_path, ["false"], waits=False).run() == guardian.CANNOT_SERVE
        assert f"kill -CONT {holder.pid}" in capfd.readouterr().err
    finally:
        holder.kill()
        holder.communicate()
