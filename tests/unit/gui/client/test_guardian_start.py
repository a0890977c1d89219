"""A started guardian is a process of its own: nothing of the window is in it, and its last words are heard."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from gui.client.guardian_start import ROOT, StartedGuardian, guardian_command
from tests.unit.gui.client.conftest import wait_until

TELL = """
import json, os, signal, sys, time
fields = open('/proc/self/stat').read().rpartition(')')[2].split()
facts = {'session': os.getsid(0), 'environment': dict(os.environ), 'folder': os.getcwd(),
         'descriptors': [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if n != '3'],
         'hangup': signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, 'terminal': int(fields[4])}
open(sys.argv[1], 'w').write(json.dumps(facts))
time.sleep(60)
"""


def test_guardian_is_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_PLUGIN_PATH", "/bundle")
    monkeypatch.setenv("HF_HOME", "/models")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    leaked = os.open("/dev/zero", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    told = tmp_path / "facts.json"
    try:
        guardian = StartedGuardian([sys.executable, "-P", "-c", TELL, str(told)])
    finally:
        signal.signal(signal.SIGHUP, before)
        os.close(leaked)
    assert guardian.is_alive
    try:
        facts = json.loads(wait_until(lambda: told.exists() and told.read_text()))
    finally:
        os.kill(guardian.pid, signal.SIGKILL)
    wait_until(lambda: not guardian.is_alive)
    assert facts["session"] != os.getsid(0)
    assert facts["terminal"] == 0
    assert facts["hangup"]
    assert facts["folder"] == "/"
    assert facts["environment"]["PYTHONPATH"] == str(ROOT)
    assert facts["environment"]["HF_HOME"] == "/models"
    assert "QT_PLUGIN_PATH" not in facts["environment"]
    assert "/dev/zero" not in facts["descriptors"]
    assert guardian.last_words() == ""


def test_last_words_are_heard_when_it_ends(tmp_path: Path) -> None:
    told = "print('x' * 9000, file=sys.stderr); sys.exit('\\nThe disk is full.\\n\\n  Try another.  ')"
    guardian = StartedGuardian([sys.executable, "-c", "import sys; " + told])
    wait_until(lambda: not guardian.is_alive)
    assert guardian.last_words().endswith("xxx The disk is full. Try another.")
    assert len(guardian.last_words()) < 4100


def test_words_have_no_name_any_more_when_it_came_up_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    guardian = StartedGuardian([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert len(list(tmp_path.iterdir())) == 1
        guardian.forget_words()
        assert list(tmp_path.iterdir()) == []
        assert guardian.is_alive
    finally:
        os.kill(guardian.pid, signal.SIGKILL)


def test_reason_is_told_when_there_is_no_such_program() -> None:
    guardian = StartedGuardian(["/nonexistent/python"])
    assert not guardian.is_alive
    assert "No such file" in guardian.last_words()


def test_command_starts_the_guardian_of_this_workspace() -> None:
    words = guardian_command(Path("/somewhere/a b"))
    assert words[0] == sys.executable
    assert words[-4:] == ["--workspace", "/somewhere/a b", "--linger", "60"]
