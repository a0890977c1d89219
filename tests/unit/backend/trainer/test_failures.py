"""Every way to end has its word."""

from __future__ import annotations

import errno
from pathlib import Path

import msgspec
import pytest
import torch

from backend.contract.errors import EverstepError, ModelError, StorageError
from backend.contract.spool import ExitRecord
from backend.trainer import failures
from backend.trainer.failures import exit_record, storage_error, write_exit_record


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (failures.NonFiniteError("x"), "non_finite"),
        (failures.OutOfMemoryError("x"), "out_of_memory"),
        (torch.OutOfMemoryError("x"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (failures.BadCheckpointError("x"), "bad_checkpoint"),
        (failures.BadAssignmentError("x"), "bad_assignment"),
        (ModelError("x"), "bad_model"),
        (StorageError("x"), "storage"),
        (storage_error(OSError(errno.ENOSPC, "No space"), "saving"), "disk_full"),
        (OSError(errno.EDQUOT, "Quota"), "disk_full"),
        (OSError(errno.EIO, "I/O"), "storage"),
        (RuntimeError("anything"), "internal"),
        (KeyError("anything"), "internal"),
    ],
)
def test_exit_record_has_the_reason_of_the_exception(problem: Exception, reason: str) -> None:
    record = exit_record(problem, job_id=3, global_step=7)
    assert record.reason == reason
    assert record.error is not None
    assert record.error.message
    assert (record.job_id, record.global_step) == (3, 7)
    assert type(problem).__name__ in record.traceback


def test_write_exit_record_can_be_read_back(tmp_path: Path) -> None:
    write_exit_record(tmp_path, ExitRecord(reason="stopped", at=1.0))
    assert msgspec.json.decode((tmp_path / "exit.json").read_bytes(), type=ExitRecord).reason == "stopped"


def test_write_exit_record_is_silent_when_the_disk_refuses(tmp_path: Path) -> None:
    write_exit_record(tmp_path / "gone", ExitRecord(reason="stopped"))


def test_errors_of_the_trainer_are_of_the_house() -> None:
    kinds = (failures.NonFiniteError, failures.OutOfMemoryError, failures.BadCheckpointError)
    for kind in (*kinds, failures.BadAssignmentError):
        assert issubclass(kind, EverstepError)
