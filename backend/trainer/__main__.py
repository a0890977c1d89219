"""`python -P -m backend.trainer --spool DIR [--workspace DIR]`: environment, lock, signals, last words.

Ends 0 when it was told to end; otherwise 1, with the reason in `exit.json`.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

# Before torch and transformers are imported: they read these once.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    DO_NOT_TRACK="1",
    TOKENIZERS_PARALLELISM="false",
)

import bitsandbytes
import numpy
import peft
import torch
import transformers

from backend.contract.spool import ExitRecord, Started
from backend.formats.home import Home
from backend.formats.workspace import Workspace
from backend.trainer.failures import exit_record, write_exit_record
from backend.trainer.model import pick_device
from backend.trainer.recipe import Recipe
from backend.trainer.spool import Commands, EventLog


def main(argv: list[str]) -> int:
    """Train what control.json says until it says stop."""
    parser = argparse.ArgumentParser(prog="backend.trainer")
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--workspace", type=Path)
    arguments = parser.parse_args(argv)
    spool: Path = arguments.spool.absolute()
    home = Home(Workspace(arguments.workspace).root) if arguments.workspace else None
    lock = _take_lock(spool)
    if lock is None:
        sys.stderr.write(f"Another trainer holds {spool}.\n")
        return 1
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_flush_denormal(True)
    stop_file = Workspace(arguments.workspace).stop_file if arguments.workspace else None
    commands = Commands(spool, stop_file)
    commands.home = home
    return train(spool, commands)


def train(spool: Path, commands: Commands) -> int:
    """Run the recipe on a spool whose lock is held; the process edge for every failure."""
    _listen_to_signals(commands)
    recipe: Recipe | None = None
    try:
        events = EventLog(spool)
        events.gives_up = lambda: bool(commands.leaving())
        device = pick_device()
        versions = _versions()
        recipe = Recipe(events, commands, device, versions)
        events.emit(Started, pid=os.getpid(), device=_device_name(device), versions=versions)
        recipe.run()
    except Exception as problem:  # noqa: BLE001 - the edge of the process: everything becomes last words
        if commands.home is not None and not commands.home.is_here():
            sys.stderr.write(f"{problem}\n")  # the spool's path may lead into another workspace
            return 1
        run = recipe.current if recipe else None
        job_id = run.assignment.job_id if run else None
        record = exit_record(problem, job_id=job_id, global_step=run.global_step if run else None)
        write_exit_record(spool, record)
        sys.stderr.write(record.traceback)
        return 1
    write_exit_record(spool, ExitRecord(reason="stopped", at=time.time()))
    return 0


def _take_lock(spool: Path) -> int | None:
    """A lock for the life of the process, never inherited; None when somebody holds it."""
    descriptor = os.open(spool / "trainer.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _listen_to_signals(commands: Commands) -> None:
    def on_signal(*_: object) -> None:
        commands.was_signalled = True

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _versions() -> dict[str, str]:
    modules = (torch, transformers, peft, bitsandbytes, numpy)
    return {"python": sys.version.split()[0], **{module.__name__: str(module.__version__) for module in modules}}


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # The last words are on the disk; taking torch apart would keep the service waiting for two seconds more.
    sys.stderr.flush()
    os._exit(code)
