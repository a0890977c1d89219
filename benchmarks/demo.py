"""Runs the demo as a newcomer does and measures what the README promises of it.

    .venv/bin/python -m benchmarks.demo [--steps 30] [--repeat 1] [--json]

Each run gets an empty workspace and goes through the door, `main.py demo --headless --json`. The model file is
fetched into the cache first, so that the network is not part of the figures; converting it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from backend.fetcher.sample_model import model_file
from benchmarks.proof import DOOR, ProofError, show

FIRST_STEP_SECONDS = 60.0
THIRTY_STEPS_SECONDS = 300.0
LOSS_FALLS_BY = 0.20


@dataclass
class Report:
    """What was measured, and what was not as promised."""

    steps: int
    seconds: list[float] = field(default_factory=list)
    """Each whole command, converting and both evaluations included."""
    seconds_to_first_step: list[float] = field(default_factory=list)
    tokens_per_second: list[float] = field(default_factory=list)
    validation_loss_before: list[float] = field(default_factory=list)
    validation_loss_after: list[float] = field(default_factory=list)
    falls_by_percent: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def run_demo(workspace: Path, steps: int) -> dict[str, Any]:
    """One demo; its JSON object, with the time the command took in `seconds`."""
    command = [*DOOR, "demo", "--headless", "--json", "--steps", str(steps), "--workspace", str(workspace)]
    started = time.monotonic()
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode != 0:
        raise ProofError(f"the demo ended with {ended.returncode}: {ended.stdout}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return {**found, "seconds": round(time.monotonic() - started, 1)}


def judge(report: Report, found: dict[str, Any]) -> None:
    """Add one run to the report."""
    before, after = found["validation_loss_before"], found["validation_loss_after"]
    falls_by = (before - after) / before
    report.seconds.append(found["seconds"])
    report.seconds_to_first_step.append(found["seconds_to_first_step"])
    report.tokens_per_second.append(found["tokens_per_second"])
    report.validation_loss_before.append(before)
    report.validation_loss_after.append(after)
    report.falls_by_percent.append(round(100 * falls_by, 1))
    if found["steps"] != report.steps:
        report.faults.append(f"{found['steps']} steps instead of {report.steps}")
    if not (Path(found["adapter"]) / "adapter_config.json").exists():
        report.faults.append(f"there is no adapter in {found['adapter']}")
    if found["seconds_to_first_step"] >= FIRST_STEP_SECONDS:
        report.faults.append(f"the first step came after {found['seconds_to_first_step']:.0f} s")
    if found["seconds"] >= THIRTY_STEPS_SECONDS * max(1.0, report.steps / 30):
        report.faults.append(f"it took {found['seconds']:.0f} s")
    if falls_by < LOSS_FALLS_BY:
        report.faults.append(f"the held-out loss fell by {100 * falls_by:.1f} % only")


def main() -> int:
    """0 when everything was as promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    model_file(user_cache_path("everstep") / "demo", lambda _done, _total, _file: None)
    report = Report(steps=options.steps)
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory(prefix="everstep-demo-") as scratch:
            judge(report, run_demo(Path(scratch) / "workspace", options.steps))
    show(asdict(report), as_json=options.json)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
