"""What a process may load when it starts: torch only on its island, the contract in a blink."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.architecture.source_rules import ROOT

WINDOW_NEVER = ("torch", "transformers", "peft", "bitsandbytes", "tokenizers", "apsw", "starlette", "huggingface_hub")
BEHIND_FIRST_FRAME = ("pyqtgraph", "numpy", "gui.rooms", "gui.pages.train.page", "gui.actions", "gui.state", "jeepney")
TORCH_FREE = ("contract", "formats", "store", "service", "api", "cli", "checker", "fetcher", "guardian")
HEAVY = ("torch", "transformers", "peft", "bitsandbytes", "PySide6")
CONTRACT_CPU_SECONDS = 0.5  # measured 0.1 on an idle machine; CPU time, so that a busy one does not matter

PROBE = """
import importlib, pkgutil, sys, time
started = time.process_time()
package = importlib.import_module("backend." + sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
seconds = time.process_time() - started
print([name for name in sys.argv[2:] if name in sys.modules], seconds)
"""


def _load(room: str) -> tuple[str, float]:
    command = [sys.executable, "-c", PROBE, room, *HEAVY]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == 0, told.stderr
    found, seconds = told.stdout.rsplit(" ", 1)
    return found, float(seconds)


def _rooms() -> list[str]:
    return [room for room in TORCH_FREE if (ROOT / "backend" / room).is_dir()]


@pytest.mark.parametrize("room", _rooms())
def test_room_loads_nothing_heavy_when_all_of_it_is_imported(room: str) -> None:
    found, _ = _load(room)
    assert found == "[]"


def test_contract_loads_in_a_blink() -> None:
    _, seconds = _load("contract")
    assert seconds < CONTRACT_CPU_SECONDS


WINDOW_PROBE = """
import sys
from pathlib import Path
import gui.app
early = [name for name in sys.argv[3].split(",") if name in sys.modules]
from PySide6.QtCore import QTimer
never = sys.argv[2].split(",")

def report(everstep):
    backend = sorted(name for name in sys.modules if name.startswith("backend."))
    print(early, [name for name in never if name in sys.modules], backend)
    everstep.thread().quit()

made = gui.app.Everstep.open
def opened(everstep):
    made(everstep)
    everstep.rooms_joined.connect(lambda: QTimer.singleShot(300, lambda: report(everstep)))
gui.app.Everstep.open = opened
sys.exit(gui.app.main(["--workspace", sys.argv[1]]))
"""


@pytest.fixture(scope="module")
def window_modules(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """What was loaded too early, what should never be, and the backend's modules, of a window that was shown."""
    folder = tmp_path_factory.mktemp("window")
    (folder / "taken").write_text("a file where the workspace should be: no service is started for it")
    private = {name: str(folder) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    variables = {**os.environ, **private, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(ROOT)}
    lists = [",".join(WINDOW_NEVER), ",".join(BEHIND_FIRST_FRAME)]
    command = [sys.executable, "-c", WINDOW_PROBE, str(folder / "taken"), *lists]
    told = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert "[" in told.stdout, told.stderr + told.stdout
    early, never, backend = told.stdout.strip().splitlines()[-1].split("] ")
    return early + "]", never + "]", backend


def test_window_loads_nothing_heavy_when_its_page_is_shown(window_modules: tuple[str, str, str]) -> None:
    assert window_modules[1] == "[]"


def test_window_shows_its_first_frame_before_page_and_chart_are_loaded(window_modules: tuple[str, str, str]) -> None:
    assert window_modules[0] == "[]"


def test_window_loads_only_the_contract_of_the_backend(window_modules: tuple[str, str, str]) -> None:
    assert "backend.contract." in window_modules[2]
    assert "backend.cli" not in window_modules[2]
    assert all("'backend.contract" in name for name in window_modules[2].strip("[]").split(", "))
