"""Answers `status`, `logs` and `config show` without a service, from files; starts nothing, writes nothing.

Reads status/last.json, config.json, the daily logs, and lock and progress counter of the living trainer's
spool folder. Never the database.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import msgspec

from backend.cli import service_process
from backend.cli.words import duration
from backend.contract.errors import BadInputError
from backend.contract.results import ConfigResult
from backend.contract.settings import Config, describe, parse_config
from backend.contract.status import Activity, RunState, StatusView
from backend.formats.progress import read_progress
from backend.formats.workspace import Workspace


def status(workspace: Workspace) -> StatusView:
    """The newest status anybody wrote down, corrected by what can be seen to be true now."""
    last = _last_status(workspace)
    trainer_folder = _living_trainer(workspace)
    stop_file = workspace.stop_file.exists()
    activity = _activity(last, lives=trainer_folder is not None)
    trainer = last.trainer if trainer_folder is not None else None
    if trainer is not None and trainer_folder is not None:
        progress = read_progress(trainer_folder / "progress.bin")
        if progress is not None:
            quiet = max(0.0, (time.monotonic_ns() - progress.moved_at_ns) / 1e9)
            trainer = msgspec.structs.replace(trainer, phase=progress.phase, last_progress_seconds=quiet)
    return msgspec.structs.replace(
        last,
        workspace=str(workspace.root),
        service=last.service if service_process.locate(workspace) is not None else None,
        trainer=trainer,
        stop_file=stop_file,
        activity=activity,
        tokens_per_second=None,
        eta_seconds=None,
        queue_eta_seconds=None,
        checking=[],
        sentence=_sentence(workspace, last, trainer_lives=trainer_folder is not None, stop_file=stop_file),
    )


def config(workspace: Workspace) -> ConfigResult:
    """Settings as they lie in config.json; raises BadInputError that names the field when it is broken."""
    try:
        data = workspace.config_file.read_bytes()
    except FileNotFoundError:
        return ConfigResult(settings=describe(Config()))
    except OSError as problem:
        raise BadInputError(f"{workspace.config_file} cannot be read: {problem.strerror}.") from problem
    return ConfigResult(settings=describe(parse_config(data)))


def is_held(lock: Path) -> bool:
    """True while another process holds this lock file."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # Shared: two people who ask at once do not see each other as the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _last_status(workspace: Workspace) -> StatusView:
    try:
        return msgspec.json.decode(workspace.last_status_file.read_bytes(), type=StatusView)
    except (OSError, msgspec.MsgspecError):
        return StatusView(workspace=str(workspace.root), activity=Activity.IDLE, run_state=RunState.RUNNING)


def _living_trainer(workspace: Workspace) -> Path | None:
    """Spool folder of the trainer that lives, which its lock alone tells."""
    try:
        folders = sorted((path for path in workspace.spool.iterdir() if path.is_dir()), reverse=True)
    except OSError:
        return None
    return next((folder for folder in folders if is_held(folder / "trainer.lock")), None)


def _activity(last: StatusView, *, lives: bool) -> Activity:
    if lives:
        return last.activity
    if last.run_state is RunState.STOPPED:
        return Activity.STOPPED
    if last.activity is Activity.NEEDS_YOU:
        return Activity.NEEDS_YOU
    return Activity.PAUSED if last.run_state is RunState.PAUSED else Activity.IDLE


def _sentence(workspace: Workspace, last: StatusView, *, trainer_lives: bool, stop_file: bool) -> str:
    if not workspace.root.exists():
        return f"There is no workspace at {workspace.root} yet. `base set` or `add` makes one."
    parts = ["The service is not running."]
    if (silent := service_process.locate(workspace)) is not None:
        parts = [f"The service (process {silent.pid}) lives but does not answer; training is not touched by this."]
    elif trainer_lives:
        parts.append("The trainer lives and goes on by itself; the next service takes it over.")
    elif last.job is not None:
        parts.append(
            f"Nothing trains; {last.job.file_name} goes on from step {last.checkpoint_step} at the next start."
        )
    else:
        parts.append("Nothing trains.")
    if stop_file:
        parts.append(f"The stop file {workspace.stop_file} is in force until you remove it.")
    if last.updated_at:
        parts.append(f"What follows was true {duration(time.time() - last.updated_at)} ago.")
    return " ".join(parts)
