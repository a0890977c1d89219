"""What went wrong, as the value the service reads: the exception's class decides the word in exit.json."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

import msgspec

from backend.contract.errors import (
    ConflictError,
    DamagedError,
    ErrorBody,
    EverstepError,
    InternalError,
    ModelError,
    StorageError,
)
from backend.contract.spool import ExitRecord
from backend.store.durable import commit_file
from backend.trainer.model import is_out_of_memory
from backend.trainer.spool import NO_SPACE


class LeaveJob(Exception):
    """The job is left at once: stop, stop_file or skip."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NonFiniteError(EverstepError):
    """Loss or gradient is not a number; the step was not applied."""

    code = "non_finite"
    title = "The loss is not a number"


class OutOfMemoryError(EverstepError):
    """Every smaller way was tried."""

    code = "out_of_memory"
    title = "Not enough memory"


class BadCheckpointError(DamagedError):
    """The checkpoint named in the assignment is not what was written."""

    code = "bad_checkpoint"
    title = "Damaged checkpoint"


class DamagedBaseError(DamagedError):
    """The base model on disk is not what was put there; no file is to blame."""

    code = "bad_base"
    title = "The base model is damaged"


class BadAssignmentError(ConflictError):
    """Assignment, checkpoint and file do not fit together."""

    code = "bad_assignment"
    title = "The file does not continue this checkpoint"


_OWN_WORDS = (NonFiniteError, OutOfMemoryError, BadCheckpointError, DamagedBaseError, BadAssignmentError)


def storage_error(problem: OSError, doing: str) -> StorageError:
    """An OSError of the workspace's disk in words."""
    if problem.errno in NO_SPACE:
        return StorageError(f"No space is left on the disk while {doing}.", hint="Free some space.", code="disk_full")
    return StorageError(f"{problem.strerror or problem} while {doing}.", hint="Check the disk.")


def exit_record(problem: BaseException, *, job_id: int | None = None, global_step: int | None = None) -> ExitRecord:
    """The last words for an exception that ended the process."""
    return ExitRecord(
        reason=_reason(problem),
        error=_body(problem),
        traceback="".join(traceback.format_exception(problem))[-20_000:],
        job_id=job_id,
        global_step=global_step,
        at=time.time(),
    )


def write_exit_record(spool: Path, record: ExitRecord) -> None:
    """Put `exit.json` into the spool; a disk that refuses even that leaves the exit code to speak."""
    try:
        commit_file(spool / "exit.json", msgspec.json.encode(record))
    except OSError:
        return


def _reason(problem: BaseException) -> str:
    if isinstance(problem, _OWN_WORDS):
        return type(problem).code
    if isinstance(problem, StorageError):
        return "disk_full" if problem.body().code == "disk_full" else "storage"
    if isinstance(problem, ModelError):
        return "bad_model"
    if is_out_of_memory(problem):
        return "out_of_memory"
    if isinstance(problem, OSError):
        return "disk_full" if problem.errno in NO_SPACE else "storage"
    return "internal"


def _body(problem: BaseException) -> ErrorBody:
    if isinstance(problem, EverstepError):
        return problem.body()
    if is_out_of_memory(problem):
        return OutOfMemoryError("There was not enough memory.", hint="Close other programs.").body()
    if isinstance(problem, OSError):
        return storage_error(problem, "training").body()
    return InternalError(f"{type(problem).__name__}: {problem}", hint="See the log for details.").body()
