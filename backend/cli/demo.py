"""The demo: a small real model learns the sample data, and answers one prompt before and after.

A client of the API like any other: it sets the base model, adds a file and watches. The recipe stands in `run`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from platformdirs import user_data_path

from backend.cli import actions, demo_report
from backend.cli.demo_report import DemoResult
from backend.cli.printing import print_json, show, tell, terminal
from backend.cli.progress import Stages
from backend.cli.session import WORKSPACE_VARIABLE, Session
from backend.cli.words import clean, duration, loss
from backend.contract.errors import ConflictError, EverstepError, StopFileError
from backend.contract.jobs import ACTIVE_STATES, TERMINAL_STATES, JobState, JobView
from backend.contract.models import SAMPLE as SAMPLE_SOURCE
from backend.contract.models import SAMPLE_NAME, SAMPLE_SETTINGS
from backend.contract.status import RunState, StatusView
from backend.formats.workspace import Workspace
from backend.store import durable

SAMPLE = Path(__file__).resolve().parents[2] / "resources" / "sample"
MAIN = SAMPLE.parents[1] / "main.py"
TRAINING_FILE, HELD_OUT_FILE = SAMPLE / "training.jsonl", SAMPLE / "held_out.jsonl"
EXAMPLES_PER_STEP = int(SAMPLE_SETTINGS["training.gradient_accumulation_steps"])
SETTINGS = {
    **SAMPLE_SETTINGS,
    "service.heldout_max_share": 0.0,  # the held-out rows have a file of their own
}
_POLL_SECONDS = 0.3
_STAGE_OF_PHASE = {
    "loading": "Loading the model",
    "measuring": "Measuring this machine",
    "evaluating": "Evaluating",
    "sampling": "Answering prompts",
    "saving": "Saving",
    "training": "Training",
    "paused": "Paused",
}


def command(
    *,
    headless: Annotated[
        bool, Parameter(negative="", show_default=False, help="Stay at the prompt, whether or not there is a display.")
    ] = False,
    steps: Annotated[
        int | None, Parameter(help="Train so many steps of 8 examples; without it all of the sample.")
    ] = None,
    json: Annotated[
        bool, Parameter(negative="", show_default=False, help="End with one JSON object on standard output.")
    ] = False,
    workspace: Annotated[
        str | None, Parameter(metavar="DIR", help="Folder to work in; without it one in your data folder.")
    ] = None,
) -> int:
    """Train a small real model on sample data and compare its answers before and after."""
    if steps is not None and steps < 1:
        raise actions.ArgumentError(f"--steps cannot be {steps}; it is 1 or more.")
    named = workspace or os.environ.get(WORKSPACE_VARIABLE)
    session = Session(Workspace(Path(named) if named else user_data_path("everstep") / "demo"), as_json=json)
    has_window = not (headless or json) and _open_window(session.workspace)
    result = run(session, steps, has_window=has_window)
    if json:
        print_json(result)
    else:
        show(demo_report.render(result), terminal())
    return actions.EXIT_OK


def run(session: Session, steps: int | None, *, has_window: bool = False) -> DemoResult:
    """Everything the demo does, in order."""
    started = time.monotonic()
    with Stages() as stages, _service_of(session, is_shared=has_window):
        stages.say(f"The demo works in {session.workspace.root}")
        _make_ready_to_train(session)
        _set_base(session, stages)
        ready_at = time.monotonic()
        _apply_settings(session)
        _set_validation(session, stages)
        job = _queue_the_sample(session, steps, stages)
        job, first_step_at = _follow(session, job, stages)
        return demo_report.collect(
            session,
            job,
            seconds=time.monotonic() - started,
            seconds_to_first_step=first_step_at - ready_at,
        )


@contextmanager
def _service_of(session: Session, *, is_shared: bool) -> Iterator[None]:
    """The service, ended afterwards if it was started here for nobody else; also when the demo is interrupted."""
    was_there = is_shared or session.has_service
    try:
        yield
    except KeyboardInterrupt:
        tell("Interrupted. What was trained is being saved; the same command goes on from there.")
        raise
    finally:
        if not was_there and session.has_service:
            _shut_down(session)


def _shut_down(session: Session) -> None:
    try:
        actions.end_service(session)
    except EverstepError as problem:
        tell(str(problem))


def _open_window(workspace: Workspace) -> bool:
    """Show the same workspace in the window, which stays when the demo is over. False where there is no display."""
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"):
        tell("There is no display here; the demo runs the same job at the prompt.")
        return False
    tell("The window opens beside this prompt and shows the same job.")
    subprocess.Popen(
        [sys.executable, str(MAIN), "gui", "--workspace", str(workspace.root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C here ends the demo, not the window
    ).returncode = 0  # it outlives this prompt; without this Popen warns when it is collected
    return True


# ---- before training ---------------------------------------------------------------------------------------


def _make_ready_to_train(session: Session) -> None:
    view: StatusView = session.call("status")
    if view.stop_file:
        raise StopFileError(
            f"{session.workspace.stop_file} keeps everything from training.",
            hint="Remove it, then start the same command again.",
        )
    if view.run_state is not RunState.RUNNING:
        tell(f"This workspace was {view.run_state.value}; the demo goes on.")
        session.call("resume")


def _apply_settings(session: Session) -> None:
    # What an adapter got its shape from stays, also when an older demo chose it.
    has_shape = session.call("status").checkpoint_step > 0
    present = {view.key: view for view in session.call("config.show").settings}
    for key, value in SETTINGS.items():
        if present[key].value != value and not (has_shape and present[key].locked):
            session.call("config.set", key=key, value=str(value))


def _set_base(session: Session, stages: Stages) -> None:
    base = session.call("base.show").base
    if base is not None and base.state == "ready":
        if base.source != SAMPLE_SOURCE and SAMPLE_NAME not in Path(base.source).name:  # what older demos wrote down
            raise ConflictError(
                f"The workspace {session.workspace.root} trains {base.base_id}, which is not the demo's model.",
                hint="Give the demo another folder with --workspace DIR.",
            )
        stages.say("This workspace has seen the demo before: training goes on where it was.")
        return
    actions.set_base(session, SAMPLE_SOURCE, stages=stages)


def _set_validation(session: Session, stages: Stages) -> None:
    if not session.call("validation.show").validation_id:
        stages.show("Checking", None, HELD_OUT_FILE.name)
        session.call("validation.set", path=str(HELD_OUT_FILE))


def _queue_the_sample(session: Session, steps: int | None, stages: Stages) -> JobView:
    """A new job for the sample file; or the one that an interrupted demo left unfinished."""
    for job in session.call("queue.list").jobs:
        if job.state not in TERMINAL_STATES and job.file_name.startswith(TRAINING_FILE.stem):
            stages.say(f"The last demo was interrupted at step {job.done_steps} of {job.total_steps}; it goes on.")
            return _released(session, job)
    with _sample_file(steps) as path:
        added = session.call("add", paths=[str(path)])
    for refused in added.refused:
        raise ConflictError(refused.message, code=refused.code)
    checked = actions.wait_for_checks(session, [job.job_id for job in added.jobs], stages)
    return checked[0]


def _released(session: Session, job: JobView) -> JobView:
    if job.state is JobState.HELD:
        session.call("queue.release", job_ids=[job.job_id])
    elif job.state is JobState.BLOCKED:
        session.call("queue.retry", job_ids=[job.job_id])
    return job


@contextmanager
def _sample_file(steps: int | None) -> Iterator[Path]:
    """The sample, or as many of its rows as so many steps take (from the start again when it has too few)."""
    if steps is None:
        yield TRAINING_FILE
        return
    rows = TRAINING_FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    with tempfile.TemporaryDirectory(prefix="everstep-demo-") as folder:
        path = Path(folder) / f"{TRAINING_FILE.stem}_{steps}_steps.jsonl"
        durable.write_new(path, "".join(islice(cycle(rows), steps * EXAMPLES_PER_STEP)).encode())
        yield path


# ---- while it trains ---------------------------------------------------------------------------------------


def _follow(session: Session, job: JobView, stages: Stages) -> tuple[JobView, float]:
    """Show how far it is until the job has ended; returns it and when its first new step was seen.

    Raises ConflictError with the reason when it cannot go on.
    """
    done_before, first_step_at = job.done_steps, 0.0
    told_error = ""
    while True:
        view: StatusView = session.call("status")
        job = view.job if view.job is not None and view.job.job_id == job.job_id else _job(session, job.job_id)
        if not first_step_at and job.done_steps > done_before:
            first_step_at = time.monotonic()
        if job.state is JobState.FINISHED:
            return job, first_step_at or time.monotonic()
        if job.state in TERMINAL_STATES or job.state in (JobState.BLOCKED, JobState.HELD):
            raise ConflictError(
                f"{clean(job.file_name)} is {job.state.value}: {clean(job.reason) or 'no reason was given'}",
                hint=f"`logs --workspace {session.workspace.root}` says more.",
            )
        if view.stop_file or view.run_state is RunState.STOPPED:
            raise ConflictError("Training was stopped from elsewhere.", hint="The same command goes on.")
        if view.error and view.error != told_error:
            told_error = view.error
            stages.say(clean(told_error))
        stages.show(*_stage(view, job))
        time.sleep(_POLL_SECONDS)


def _job(session: Session, job_id: int) -> JobView:
    for job in session.call("queue.list").jobs:
        if job.job_id == job_id:
            found: JobView = job
            return found
    raise ConflictError(f"Job {job_id} was removed from the queue.")


def _stage(view: StatusView, job: JobView) -> tuple[str, float | None, str]:
    phase = view.trainer.phase if view.trainer is not None else ""
    if job.state is JobState.CHECKING:
        return "Checking", None, clean(job.file_name)
    if job.state not in ACTIVE_STATES and job.state is not JobState.QUEUED:
        return job.state.value.capitalize(), None, clean(job.reason)
    stage = _STAGE_OF_PHASE.get(phase, "Starting the trainer")
    if phase != "training":
        return stage, None, ""
    parts = [f"step {job.done_steps} of {job.total_steps}", f"loss {loss(view.loss)}"]
    if view.tokens_per_second:
        parts.append(f"{view.tokens_per_second:.0f} tokens/s")
    if view.eta_seconds is not None:
        parts.append(f"{duration(view.eta_seconds)} left")
    return stage, job.done_steps / job.total_steps if job.total_steps else None, "  ".join(parts)
