"""Pause, resume, skip, stop; measure and sample now; end the service."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QObject

from backend.contract.arguments import PauseArgs, StopArgs
from backend.contract.jobs import JobState
from backend.contract.status import RunState
from gui.actions.errands import Errands, Jobs, why_not_live, why_unreachable
from gui.client.service_client import Reply
from gui.state.session_store import SessionStore

translate = QCoreApplication.translate


class TrainingActions(QObject):
    """What is done to training as a whole and to the file in it."""

    def __init__(self, errands: Errands) -> None:
        super().__init__(errands)
        self._errands = errands

    def pause(self, free: bool = False) -> Reply:
        """Hold training within one micro-batch; `free` also ends the trainer."""
        return self._errands.ask("pause", PauseArgs(free=free))

    def resume(self) -> Reply:
        """Go on, also after stop."""
        return self._errands.ask("resume")

    def skip(self) -> Reply:
        """Save and leave the present file."""
        return self._errands.ask("skip")

    def stop(self, now: bool = False) -> Reply:
        """Stop after the present file, or at once."""
        return self._errands.ask("stop", StopArgs(now=now))

    def evaluate(self) -> Reply:
        """Measure the validation loss at the next step."""
        return self._errands.ask("evaluate")

    def sample(self) -> Reply:
        """Answer the sample prompts at the next step."""
        return self._errands.ask("sample")

    def shutdown(self) -> Reply:
        """Save and end trainer and service."""
        return self._errands.ask("shutdown")


def why_not_pause(session: SessionStore, jobs: Jobs) -> str:
    """Also while nothing trains: then nothing starts."""
    status = session.status
    if problem := why_not_live(session, jobs):
        return problem
    if status is None or status.run_state is RunState.STOPPED:
        return translate("TrainingActions", "Training is stopped.")
    return translate("TrainingActions", "Training is paused already.") if status.run_state is RunState.PAUSED else ""


def why_not_resume(session: SessionStore, jobs: Jobs) -> str:
    """Only where training is held: by pause, by stop, or soon by a stop after this file."""
    status = session.status
    if problem := why_unreachable(session, jobs):
        return problem
    if status is None:
        return session.connection.sentence
    if status.stop_file:
        return translate("TrainingActions", "The .stop file lies in the workspace. Remove it first.")
    is_held = status.run_state is not RunState.RUNNING or status.stop_after_file
    return "" if is_held else translate("TrainingActions", "Training is not held.")


def why_not_skip(session: SessionStore, jobs: Jobs) -> str:
    """Only where a file is being trained and not being left already."""
    if problem := why_nothing_trains(session, jobs):
        return problem
    job = session.status.job if session.status is not None else None
    is_leaving = job is not None and job.state is JobState.STOPPING
    return translate("TrainingActions", "This file is being left already.") if is_leaving else ""


def why_not_stop_after_file(session: SessionStore, jobs: Jobs) -> str:
    """Only where there is a file to be finished first."""
    if problem := why_nothing_trains(session, jobs):
        return problem
    is_asked = session.status is not None and session.status.stop_after_file
    return translate("TrainingActions", "Training stops after this file already.") if is_asked else ""


def why_not_stop(session: SessionStore, jobs: Jobs) -> str:
    """Not twice."""
    status = session.status
    if problem := why_not_live(session, jobs):
        return problem
    if status is None or status.run_state is RunState.STOPPED:
        return translate("TrainingActions", "Training is stopped already.")
    return ""


def why_nothing_trains(session: SessionStore, jobs: Jobs) -> str:
    """For what needs a file in training."""
    if problem := why_not_live(session, jobs):
        return problem
    return (
        ""
        if session.status is not None and session.status.job is not None
        else translate("TrainingActions", "Nothing is being trained.")
    )
