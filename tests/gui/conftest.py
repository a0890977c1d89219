"""One desktop and one tiny model for all tests of the window with real mouse and keys."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.proof import ENDED, Engine, make_model, wait_until, write_rows
from tests.e2e.prompt import SMALL_MODEL_SETTINGS
from tests.gui.desktop import Desktop, OpenWindow


@pytest.fixture(scope="session")
def desktop() -> Iterator[Desktop]:
    with tempfile.TemporaryDirectory(prefix="everstep-gui-") as scratch:
        made = Desktop(Path(scratch))
        yield made
        made.close()


@pytest.fixture(autouse=True)
def quiet_log(desktop: Desktop) -> Iterator[None]:
    """Whatever a window warned of, its faults and its crashes fail the test that it happened in."""
    log = desktop.folder / "state" / "everstep" / "window.log"
    before = log.stat().st_size if log.exists() else 0
    yield
    said = log.read_bytes()[before:].decode(errors="replace") if log.exists() else ""
    assert not re.findall(r"^.*(?: WARNING | ERROR | CRITICAL |Fatal Python error).*$", said, re.MULTILINE), said


@pytest.fixture(scope="session")
def tiny_model(desktop: Desktop) -> Path:
    return make_model(desktop.folder / "tiny")


@pytest.fixture(scope="session")
def served(tiny_model: Path) -> Iterator[Engine]:
    """A workspace with a tiny model whose service runs for all tests: its start takes longer than most of them."""
    with tempfile.TemporaryDirectory(prefix="everstep-ws-") as scratch, Engine(Path(scratch) / "ws") as running:
        running.start()
        running.set_up(tiny_model, SMALL_MODEL_SETTINGS)
        # The very first file of a workspace is shown to the user, which is a story of its own.
        running.wait_for_end(*running.add(write_rows(Path(scratch) / "first.jsonl", 12, seed=0)))
        running.api.call_until_answered("queue.clear", what="finished")
        yield running


@pytest.fixture
def engine(served: Engine) -> Iterator[Engine]:
    """The engine with nothing in its queue, running."""
    served.api.call_until_answered("resume")
    yield served
    served.api.call_until_answered("stop", now=True)
    wait_until(lambda: served.api.call("status")["job"] is None, 60, "nothing trains any more")
    left = [number for number, job in served.jobs().items() if job["state"] not in ENDED]
    if left:
        served.api.call_until_answered("queue.remove", job_ids=left)
    for what in ("finished", "failed"):
        served.api.call_until_answered("queue.clear", what=what)


@pytest.fixture
def window(desktop: Desktop, engine: Engine) -> Iterator[OpenWindow]:
    """The window of that workspace, in front."""
    with OpenWindow(desktop, engine.workspace.root) as opened:
        opened.the("Item", text="backend connected")
        opened.activate()
        yield opened
