"""Measures the hand-over from one file to the next, and whether the next file's losses know of it.

    .venv/bin/python -m benchmarks.warm_handover [--model FOLDER] [--rows 64] [--repeat 3] [--json]

Two files are queued; the time runs from the committed last checkpoint of the first file to the moment before the
first forward of the second, both as the trainer wrote them into its spool. In a second workspace everything is
shut down between the files, so that the second one starts cold: its losses must have the same bits. There is no
validation set here: an evaluation at the end of the first file is work on that file and would come on top.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from backend.formats.workspace import Workspace
from benchmarks.proof import TINY_SETTINGS, Engine, ProofError, make_model, show, spool_events, write_rows

LONGEST_SECONDS = 1.0


@dataclass
class Report:
    """What was measured. `faults` is empty when the promise held."""

    model: str = ""
    handover_seconds: list[float] = field(default_factory=list)
    median_handover_seconds: float = 0.0
    num_steps_compared: int = 0
    num_steps_different: int = 0
    faults: list[str] = field(default_factory=list)


def handover_seconds(workspace: Workspace, first: int, second: int) -> float:
    """Committed last checkpoint of one job to the first forward of the next."""
    saved = started = None
    for _, event in spool_events(workspace):
        if event["type"] == "checkpoint" and event["job_id"] == first:
            saved = event["at"]
        if event["type"] == "job_started" and event["job_id"] == second:
            if not event["warm"]:
                raise ProofError("the second file did not find a warm trainer")
            started = started or event["at"]
    if saved is None or started is None:
        raise ProofError("the spool names no last checkpoint or no start")
    return float(started - saved)


def run(folder: Path, model: Path, files: tuple[Path, Path], settings: dict[str, object], *, cold: bool) -> tuple:
    """Train two files, with or without an end in between: (hand-over in seconds, losses of the second file)."""
    with Engine(folder) as engine:
        engine.start()
        engine.set_up(model, settings)
        if cold:
            first = engine.add(files[0])[0]
            engine.wait_for_end(first, seconds=3000)
            engine.shut_down()
            engine.start()
            second = engine.add(files[1])[0]
        else:
            first, second = engine.add(*files)
        jobs = engine.wait_for_end(first, second, seconds=3000)
        if {jobs[first]["state"], jobs[second]["state"]} != {"finished"}:
            raise ProofError(f"the files ended as {jobs[first]} and {jobs[second]}")
        losses = {row["step"]: row["loss_hex"] for row in engine.metrics() if row["job_id"] == second}
        engine.shut_down()
    return (0.0 if cold else handover_seconds(engine.workspace, first, second)), losses


def prove(folder: Path, model: Path, settings: dict[str, object], *, num_rows: int, repeat: int) -> Report:
    """Carry out the whole proof below `folder`."""
    report = Report(model=model.name)
    files = (
        write_rows(folder / "first.jsonl", num_rows, seed=1),
        write_rows(folder / "second.jsonl", num_rows, seed=2),
    )
    _, expected = run(folder / "cold", model, files, settings, cold=True)
    report.num_steps_compared = len(expected)
    for number in range(repeat):
        seconds, losses = run(folder / f"warm-{number}", model, files, settings, cold=False)
        report.handover_seconds.append(round(seconds, 4))
        report.num_steps_different += sum(losses.get(step) != loss for step, loss in expected.items())
        if len(losses) != len(expected) or not losses:
            report.faults.append("the second file did not take the same steps")
    report.median_handover_seconds = statistics.median(report.handover_seconds)
    if report.num_steps_different:
        report.faults.append(f"{report.num_steps_different} losses differ between a warm and a cold start")
    if max(report.handover_seconds) >= LONGEST_SECONDS:
        report.faults.append(f"the hand-over took {max(report.handover_seconds):.2f} s")
    return report


def main() -> int:
    """0 when the promise held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a safetensors folder; without it a tiny model is made")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="everstep-handover-") as scratch:
        folder = Path(scratch)
        settings = dict(TINY_SETTINGS)
        if options.model:
            settings |= {"lora_r": 16, "gradient_accumulation_steps": 8, "num_threads": 0, "save_steps": 100}
        model = options.model.absolute() if options.model else make_model(folder / "model")
        report = prove(folder, model, settings, num_rows=options.rows, repeat=options.repeat)
    show(asdict(report), as_json=options.json)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
