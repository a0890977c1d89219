"""What a process may load when it starts: torch only on its island, the contract in a blink."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.source_rules import ROOT

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
