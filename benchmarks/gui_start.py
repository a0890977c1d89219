"""How fast the window is there: start of the process to the first frame, to ready, and what it costs to do nothing.

    python -m benchmarks.gui_start [--runs 7] [--json]

Through the door, `main.py gui`, on an Xvfb of its own, with a service that runs already and nothing to train. The
clock is the kernel's: from the start of the process, so that the door's own look at `.venv` counts. First frame and
ready (the stores hold everything and the page is shown) are read from the window's log; the processor time of an idle
window comes from /proc, over the seconds after it came to rest, without the service. The first start of a boot reads
its libraries from the disk; it is made and left out. Ends with 1 when a promise does not hold.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.gui_desktop import desktop, settle
from benchmarks.proof import DOOR, Engine, show, wait_until

FIRST_FRAME_SECONDS = 0.6
READY_SECONDS = 1.5
IDLE_PERCENT = 1.0
REST_SECONDS = 3.0
IDLE_SECONDS = 10.0
SAID = re.compile(r"everstep\.window: (first frame|live) after ([\d.]+) s")
HEAVY = ("/torch/", "/transformers/", "/tokenizers/")


@dataclass
class Report:
    """What was measured, and what was not as promised."""

    runs: int
    first_frame_seconds: list[float] = field(default_factory=list)
    ready_seconds: list[float] = field(default_factory=list)
    idle_percent: float = 0.0
    """Processor time of the window at rest, as a share of one core."""
    memory_megabytes: float = 0.0
    heavy: list[str] = field(default_factory=list)
    """Libraries that a window should never load, found in its memory."""
    faults: list[str] = field(default_factory=list)


def start(environment: Mapping[str, str], workspace: Path, report: Report, *, is_measured: bool) -> None:
    """One start; the last one measured also rests."""
    log = Path(environment["XDG_STATE_HOME"]) / "everstep" / "window.log"
    log.unlink(missing_ok=True)
    command = [*DOOR, "gui", "--workspace", str(workspace)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd="/") as process:
        try:
            wait_until(lambda: len(said(log)) == 2, 60, "the window is ready")
            times = said(log)
            if is_measured:
                report.first_frame_seconds.append(times["first frame"])
                report.ready_seconds.append(times["live"])
            if len(report.ready_seconds) == report.runs:
                rest(process.pid, report)
        finally:
            process.kill()


def said(log: Path) -> dict[str, float]:
    """The times in the window's log."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    return {name: float(seconds) for name, seconds in SAID.findall(text)}


def rest(pid: int, report: Report) -> None:
    """Let the window be, and see what it does meanwhile."""
    settle(REST_SECONDS)
    before = processor_seconds(pid)
    started = time.monotonic()
    settle(IDLE_SECONDS)
    report.idle_percent = round(100 * (processor_seconds(pid) - before) / (time.monotonic() - started), 2)
    mapped = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    report.heavy = [name for name in HEAVY if name in mapped]
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    report.memory_megabytes = round(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1000, 1)


def processor_seconds(pid: int) -> float:
    """What the kernel says the process computed so far, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def judge(report: Report) -> None:
    """Name every promise that did not hold."""
    first, ready = statistics.median(report.first_frame_seconds), statistics.median(report.ready_seconds)
    if first >= FIRST_FRAME_SECONDS:
        report.faults.append(f"the first frame took {first:.2f} s; {FIRST_FRAME_SECONDS} was promised")
    if ready >= READY_SECONDS:
        report.faults.append(f"ready took {ready:.2f} s; {READY_SECONDS} was promised")
    if report.idle_percent >= IDLE_PERCENT:
        report.faults.append(f"an idle window takes {report.idle_percent} % of a core; {IDLE_PERCENT} was promised")
    if report.heavy:
        report.faults.append(f"the window loaded {' '.join(report.heavy)}")


def main(argv: list[str]) -> int:
    """0 when every promise held."""
    parser = argparse.ArgumentParser(description="Measure how fast the window opens.")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    report = Report(runs=given.runs)
    with (
        tempfile.TemporaryDirectory(prefix="everstep-start-") as scratch,
        desktop(Path(scratch)) as environment,
        Engine(Path(scratch) / "ws") as engine,
    ):
        engine.start()
        for number in range(given.runs + 1):
            start(environment, engine.workspace.root, report, is_measured=number > 0)
    judge(report)
    show(asdict(report), as_json=given.json)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
