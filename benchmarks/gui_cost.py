"""What the window costs a training run: processor time of everything but the trainer, and the trainer's own speed.

    python -m benchmarks.gui_cost --model FOLDER

A real service trains the model on rows of equal length, two a step; on an Xvfb of its own `main.py gui` is closed,
open before all others, and minimised, in alternating slices whose order turns with every round. Processor time is
that of window, service and guardian as the kernel counts it, as a share of all cores. Tokens a second are those of
the step events from the first step that ends in a slice to the last; speeds are compared within each round, and the
medians of rounds count. Evaluations and samples are off and checkpoints rare: they would fall into one slice and not
into another. Prints a table, then one JSON object; ends with 1 when visible costs 2 %, hidden 0.5 %, or a median
ratio of speeds with and without the window is further than 1 % from 1. Needs Xvfb, openbox and xdotool.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gui_desktop import desktop, hand, settle, window_of
from benchmarks.proof import DOOR, Engine, Process, ProofError, processes, services, spool_events, trainers, wait_until

STATES = ("closed", "visible", "hidden")
WANTED_PERCENT = {"visible": 2.0, "hidden": 0.5}
WANTED_RATIO_OFF = 0.01
SETTINGS: dict[str, object] = {
    "quantization": "none",
    "dtype": "float32",
    "lora_r": 16,
    "lora_alpha": 16,
    "gradient_accumulation_steps": 2,
    "max_length": 256,
    "eval_steps": 0,
    "sample_steps": 0,
    "save_steps": 100_000,
    "save_minutes": 1_000,
    "validation_max_rows": 0,
}
_WORDS = ("amber", "bird", "cloud", "door", "earth", "fire", "green", "house", "iron", "king", "light", "moon")
_NUM_WORDS, _NUM_ROWS = 90, 20_000
_START_SECONDS = 600.0
_LEAST_STEPS = 3
_TICKS = os.sysconf("SC_CLK_TCK")


def write_equal_rows(path: Path) -> Path:
    """Different rows of as many common words each, so that a step is as much work as another."""
    draw = random.Random(7)
    with open(path, "w", encoding="utf-8") as file:
        for number in range(_NUM_ROWS):
            row = {"question": f"Row {number:05}?", "answer": " ".join(draw.choices(_WORDS, k=_NUM_WORDS))}
            file.write(json.dumps(row) + "\n")
    return path


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; its children are not in it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Window:
    """`main.py gui` on the desktop, closed, visible or hidden."""

    def __init__(self, engine: Engine, environment: Mapping[str, str]) -> None:
        self._engine = engine
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._number = ""

    @property
    def pid(self) -> int | None:
        """Of its process, None while it is closed."""
        return self._process.pid if self._process is not None else None

    def become(self, state: str) -> None:
        """Bring it into a state."""
        if state == "closed":
            self.close()
            return
        if self._process is None:
            self._open()
        act = "windowactivate" if state == "visible" else "windowminimize"
        hand(self._environment, act, self._number)
        wait_until(lambda: self._is_mapped() == (state == "visible"), 20, f"the window is {state}", pause_seconds=0.2)

    def _is_mapped(self) -> bool:
        assert self._process is not None
        return self._number in hand(self._environment, "search", "--onlyvisible", "--pid", self._process.pid).split()

    def _open(self) -> None:
        words = [*DOOR, "gui", "--workspace", str(self._engine.workspace.root)]
        with open(self._engine.log, "ab") as log:
            self._process = subprocess.Popen(
                words, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._number = window_of(self._environment, self._process.pid)

    def close(self) -> None:
        """End its process: training does not care."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(10)
            self._process = None


class Slice:
    """Clocks at its begin, read again at its end."""

    def __init__(self, engine: Engine, window: Window) -> None:
        self._engine = engine
        self._pids = observers(engine, window.pid)
        self._trainers = trainers(engine.workspace)
        self._before = {name: cpu_seconds(pid) for name, pid in self._pids.items()}
        self._at, self._began = time.time(), time.monotonic()

    def end(self) -> dict[str, Any]:
        """Shares of all cores in percent, and tokens a second."""
        seconds, until = time.monotonic() - self._began, time.time()
        used = {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
        if trainers(self._engine.workspace) != self._trainers:
            raise ProofError("the trainer ended in a slice")
        scale = 100.0 / (seconds * (os.cpu_count() or 1))
        percent = {name: value * scale for name, value in used.items()}
        tokens_per_second, num_steps = speed(self._engine, self._at, until)
        return {
            "percent": sum(percent.values()),
            **{f"{name}_percent": value for name, value in percent.items()},
            "tokens_per_second": tokens_per_second,
            "num_steps": num_steps,
            "seconds": seconds,
        }


def observers(engine: Engine, window: int | None) -> dict[str, int]:
    """Window (while there is one), service and guardian by their process numbers."""
    service = _only(services(engine.workspace), "service")
    found = {"service": service, "guardian": _guardian(engine, service)}
    return {**found, "gui": window} if window is not None else found


def _guardian(engine: Engine, service: int) -> int:
    fields = Path(f"/proc/{service}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    parent = int(fields[1])
    if parent not in {process.pid for process in processes(engine.workspace)}:
        raise ProofError("the service has no guardian")
    return parent


def _only(found: list[Process], what: str) -> int:
    if len(found) != 1:
        raise ProofError(f"{len(found)} processes of the {what}")
    return found[0].pid


def speed(engine: Engine, since: float, until: float) -> tuple[float, int]:
    """Tokens a second from the first step's end in a time to the last's, and how many steps that is."""
    steps = [event for _, event in spool_events(engine.workspace) if event["type"] == "step"]
    inside = [step for step in steps if since <= step["at"] <= until]
    if len(inside) <= _LEAST_STEPS:
        raise ProofError(f"only {len(inside)} steps ended in a slice: take longer ones")
    tokens = sum(step["num_tokens"] for step in inside[1:])
    return tokens / (inside[-1]["at"] - inside[0]["at"]), len(inside) - 1


def measure(engine: Engine, environment: Mapping[str, str], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Every slice of every round."""
    window = Window(engine, environment)
    slices = []
    try:
        for number in range(arguments.rounds):
            for place in range(len(STATES)):
                state = STATES[(place + number) % len(STATES)]
                window.become(state)
                settle(arguments.settle_seconds)
                clocks = Slice(engine, window)
                settle(arguments.slice_seconds)
                slices.append({"round": number, "state": state, **clocks.end()})
                _tell(slices[-1])
    finally:
        window.close()
    return slices


def _tell(one: Mapping[str, Any]) -> None:
    print(
        f"round {one['round'] + 1} {one['state']:8}{one['percent']:7.2f} % (window {one.get('gui_percent', 0.0):.2f}, "
        f"service {one['service_percent']:.2f}, guardian {one['guardian_percent']:.2f}), "
        f"{one['tokens_per_second']:8.1f} tokens/s over {one['num_steps']} steps",
        file=sys.stderr,
        flush=True,
    )


def summary(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the rounds, and whether the promises held."""
    result: dict[str, Any] = {"slices": slices, "num_cores": os.cpu_count(), "load_average": os.getloadavg()[0]}
    by = {(one["round"], one["state"]): one for one in slices}
    rounds = sorted({one["round"] for one in slices})
    holds = []
    for state in STATES:
        percent = statistics.median(by[number, state]["percent"] for number in rounds)
        rate = statistics.median(by[number, state]["tokens_per_second"] for number in rounds)
        ratios = [
            by[number, state]["tokens_per_second"] / by[number, "closed"]["tokens_per_second"] for number in rounds
        ]
        result[state] = {"percent": percent, "tokens_per_second": rate, "speed_ratio": statistics.median(ratios)}
        if state in WANTED_PERCENT:
            holds.append(percent < WANTED_PERCENT[state])
            holds.append(abs(result[state]["speed_ratio"] - 1) <= WANTED_RATIO_OFF)
    result["ok"] = all(holds)
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="safetensors folder, e.g. of SmolLM2-135M-Instruct")
    parser.add_argument("--rounds", type=int, default=6, help="of three slices each")
    parser.add_argument("--slice-seconds", type=float, default=90.0)
    parser.add_argument("--settle-seconds", type=float, default=8.0, help="after a change of state, not measured")
    parser.add_argument("--json", action="store_true", help="the JSON object alone, without the table")
    arguments = parser.parse_args()
    if arguments.json:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
    with tempfile.TemporaryDirectory(prefix="everstep-cost-") as scratch:
        folder = Path(scratch)
        (folder / "desktop").mkdir()
        rows = write_equal_rows(folder / "rows.jsonl")
        with desktop(folder / "desktop") as environment, Engine(folder / "workspace") as engine:
            engine.start()
            engine.set_up(arguments.model.absolute(), SETTINGS)
            engine.add(rows)
            wait_until(
                lambda: (engine.api.call("status")["global_step"] or 0) >= 5,
                _START_SECONDS,
                "five steps are trained",
                pause_seconds=0.5,
            )
            result = summary(measure(engine, environment, arguments))
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
