"""Tokens a second beside TRL's SFTTrainer: same rows, order, starting adapter, optimiser, clipping and threads.

    python -m benchmarks.throughput --model FOLDER --data gsm8k_train.jsonl --peer-python VENV/bin/python

The peer (benchmarks/peers) runs in an environment of its own. It is first tried in three configurations of eight
examples a step, and its fastest is measured; runs alternate. Ours is the trainer process itself behind a spool, on
a token store written by the checker itself, with nothing held out; its clock is the time between two step events.
Real tokens of steps 2 to 8; the median of the runs counts. With `--equality` dropout is 0 and the losses per step
are compared instead. Prints a table, then one JSON object; ends with 1 below the wanted ratio or equality.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import torch

from backend.contract.datasets import CheckReport, CheckRequest
from backend.contract.models import BaseModelView
from backend.contract.settings import TrainingSettings
from backend.contract.spool import AnyTrainerEvent, Assignment, Control, Desired, JobFailed, JobFinished, Step
from backend.formats.lines import LineTail
from backend.formats.order import StepPlan
from backend.formats.token_store import TokenStore
from backend.store import durable
from backend.supervisor.launcher import child_environment
from backend.trainer.model import attach_adapter, load_base

ROOT = Path(__file__).resolve().parents[1]
ROWS, STEPS, PER_STEP, MAX_LENGTH, SEED = 64, 8, 8, 512, 42
CONFIGURATIONS = ((1, 8), (2, 4), (8, 1))
WANTED_RATIO, WANTED_EQUALITY = 1.25, 1e-4
_PATIENCE_SECONDS = 1800.0


def settings_of(dropout: float) -> TrainingSettings:
    """What both programs are told."""
    return TrainingSettings(
        quantization="none",
        dtype="float32",
        lora_r=16,
        lora_alpha=16.0,
        lora_dropout=dropout,
        max_length=MAX_LENGTH,
        warmup_steps=0,
        seed=SEED,
        eval_steps=0,
        sample_steps=0,
        save_steps=1000,
        save_minutes=1000,
    )


class Bench:
    """One folder with everything both programs need."""

    def __init__(self, scratch: Path, arguments: argparse.Namespace) -> None:
        self.scratch = scratch
        self.arguments = arguments
        self.rows_file = scratch / "rows.jsonl"
        with open(arguments.data, encoding="utf-8") as lines:
            self.rows_file.write_text("".join(line for _, line in zip(range(ROWS), lines, strict=False)), "utf-8")
        self.tokens_folder = self._checked()
        store = TokenStore(self.tokens_folder)
        plan = StepPlan(store.row_sha256s, seed=SEED, num_epochs=1, per_step=PER_STEP)
        order = [store.line(row) - 1 for step in range(STEPS) for row in plan.rows_of(step)]
        self.order_file = scratch / "order.json"
        self.order_file.write_text(json.dumps(order), "utf-8")
        self.adapter_folder = scratch / "adapter"
        self._save_starting_adapter()
        self._num_runs = 0

    def _checked(self) -> Path:
        out = self.scratch / "checked"
        out.mkdir()
        request = CheckRequest(
            source=str(self.rows_file),
            file_name="rows.jsonl",
            out_folder=str(out),
            tokenizer_folder=str(self.arguments.model),
            max_length=MAX_LENGTH,
        )
        request_file = self.scratch / "check.json"
        request_file.write_bytes(msgspec.json.encode(request))
        subprocess.run([sys.executable, "-P", "-m", "backend.checker", request_file], check=True, env=_environment())
        report = msgspec.json.decode((out / "report.json").read_bytes(), type=CheckReport)
        if report.num_train != ROWS:
            raise SystemExit(f"{report.num_train} of {ROWS} rows can be trained on: {report.refusal}")
        return out / "tokens"

    def _save_starting_adapter(self) -> None:
        settings, device = settings_of(0.0), torch.device("cpu")
        network = attach_adapter(load_base(self.arguments.model, settings, device), settings, device)
        network.adapter.initialise(SEED)
        network.peft_model.save_pretrained(self.adapter_folder)

    def ours(self, dropout: float) -> list[dict[str, Any]]:
        """One run of the trainer process; a row a step."""
        self._num_runs += 1
        folder = self.scratch / f"run-{self._num_runs}"
        spool, checkpoints = folder / "spool", folder / "current_model"
        spool.mkdir(parents=True)
        checkpoints.mkdir()
        base = BaseModelView(base_id="base", source="", folder=str(self.arguments.model))
        assignment = Assignment(
            job_id=1,
            turn=1,
            file_name="rows.jsonl",
            lineage_id=1,
            branch=1,
            attempt_seq=1,
            base=base,
            settings=settings_of(dropout),
            tokens_folder=str(self.tokens_folder),
            checkpoint_root=str(checkpoints),
            token_budget=self.arguments.token_budget,
            num_threads=self.arguments.threads,
        )
        control = Control(seq=1, desired=Desired.RUN, assignment=assignment)
        durable.commit_file(spool / "control.json", msgspec.json.encode(control))
        command = [sys.executable, "-P", "-m", "backend.trainer", "--spool", str(spool)]
        with (
            open(folder / "stderr.log", "wb") as errors,
            subprocess.Popen(command, env=child_environment(), stderr=errors, cwd=folder) as trainer,
        ):
            try:
                return _steps(spool, trainer)
            finally:
                trainer.terminate()

    def peer(self, dropout: float, configuration: tuple[int, int], steps: int = STEPS) -> list[dict[str, Any]]:
        """One run of the peer; a row a step."""
        batch, accumulation = configuration
        arguments = {
            "model": self.arguments.model,
            "data": self.rows_file,
            "rows": ROWS,
            "per-device-train-batch-size": batch,
            "gradient-accumulation-steps": accumulation,
            "max-length": MAX_LENGTH,
            "lora-r": 16,
            "lora-alpha": 16,
            "lora-dropout": dropout,
            "learning-rate": 2e-4,
            "warmup-steps": 0,
            "steps": steps,
            "threads": self.arguments.threads,
            "seed": SEED,
            "order": self.order_file,
            "init": self.adapter_folder,
        }
        words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        command = [self.arguments.peer_python, str(ROOT / "benchmarks" / "peers" / "trl_sft.py"), *words, "--json"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        rows: list[dict[str, Any]] = json.loads(done.stdout)["steps"]
        return rows


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _steps(spool: Path, trainer: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    tail = LineTail(spool / "events.jsonl")
    decoder = msgspec.json.Decoder(AnyTrainerEvent)
    rows: list[dict[str, Any]] = []
    last_at, patience = 0.0, time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < patience and trainer.poll() is None:
        for event in map(decoder.decode, tail.read()):
            if isinstance(event, Step):
                rows.append({"loss": event.loss, "real_tokens": event.num_tokens, "seconds": event.at - last_at})
            if isinstance(event, JobFinished):
                return rows
            if isinstance(event, JobFailed):
                raise SystemExit(event.error.sentence())
            last_at = event.at
        time.sleep(0.05)
    raise SystemExit(f"The trainer did not finish; see {spool.parent / 'stderr.log'}.")


def rate(rows: list[dict[str, Any]]) -> float:
    """Real tokens a second over all steps but the first."""
    return sum(row["real_tokens"] for row in rows[1:]) / sum(row["seconds"] for row in rows[1:])


def compare_speed(bench: Bench, repeats: int) -> dict[str, Any]:
    """Alternating runs with dropout 0.02."""
    tried = {f"{batch}x{times}": rate(bench.peer(0.02, (batch, times), 3)) for batch, times in CONFIGURATIONS}
    best = max(tried, key=lambda name: tried[name])
    configuration = next(pair for pair in CONFIGURATIONS if f"{pair[0]}x{pair[1]}" == best)
    print(f"peer by configuration, 3 steps each: {tried}", file=sys.stderr, flush=True)
    ours, peer = [], []
    for number in range(repeats):
        ours.append(rate(bench.ours(0.02)))
        peer.append(rate(bench.peer(0.02, configuration)))
        print(
            f"run {number + 1}: ours {ours[-1]:6.1f}   peer {best} {peer[-1]:6.1f} tokens/s",
            file=sys.stderr,
            flush=True,
        )
    ratio = statistics.median(ours) / statistics.median(peer)
    return {
        "ours_tokens_per_second": ours,
        "peer_tokens_per_second": peer,
        "peer_configuration": best,
        "peer_tried": tried,
        "median_ours": statistics.median(ours),
        "median_peer": statistics.median(peer),
        "ratio": ratio,
        "ok": ratio >= WANTED_RATIO,
    }


def compare_losses(bench: Bench) -> dict[str, Any]:
    """One run each with dropout 0: the largest difference of a step's loss."""
    ours, peer = bench.ours(0.0), bench.peer(0.0, (1, 8))
    pairs = [(mine["loss"], theirs["loss"]) for mine, theirs in zip(ours, peer, strict=True)]
    for number, (mine, theirs) in enumerate(pairs, 1):
        print(f"step {number}: ours {mine:.7f}   peer {theirs:.7f}", file=sys.stderr, flush=True)
    worst = max(abs(mine - theirs) for mine, theirs in pairs)
    return {"losses": pairs, "largest_difference": worst, "ok": worst <= WANTED_EQUALITY}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="safetensors folder of SmolLM2-135M-Instruct")
    parser.add_argument("--data", type=Path, required=True, help="gsm8k_train.jsonl")
    parser.add_argument("--peer-python", required=True, help="interpreter with benchmarks/peers/requirements-trl.txt")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--token-budget", type=int, default=0, help="0 lets the trainer measure it, as it always does")
    parser.add_argument("--equality", action="store_true", help="compare losses at dropout 0 instead of speed")
    arguments = parser.parse_args()
    arguments.model, arguments.data = arguments.model.absolute(), arguments.data.absolute()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), arguments)
        result = compare_losses(bench) if arguments.equality else compare_speed(bench, arguments.repeats)
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
