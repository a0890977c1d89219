"""When a checkpoint is due, and making it: in the background, never twice, patient with a full disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from backend.contract.spool import CheckpointMeta, CheckpointSaved
from backend.trainer import checkpoint
from backend.trainer.checkpoint import CheckpointWriter, Snapshot
from backend.trainer.failures import storage_error
from backend.trainer.gate import Gate
from backend.trainer.run import Run
from backend.trainer.spool import NO_SPACE, EventLog

_MAX_SHARE = 0.03
_ALWAYS_EXACT_STEPS = 10
"""With save_steps up to this, every one of them is kept whatever it costs."""


class Saver:
    """Saves one run. `committed` says which state is safely on disk: (global step, manifest sha256)."""

    def __init__(self, run: Run, events: EventLog, gate: Gate, versions: dict[str, str]) -> None:
        self._run = run
        self._events = events
        self._gate = gate
        self._versions = versions
        self._writer = CheckpointWriter()
        self._last_save = time.monotonic()
        self._cost_seconds = 0.0
        self.committed: tuple[int, str] | None = None

    def is_due(self) -> bool:
        """After an optimiser step: by count (as long as that costs at most 3 % of the time) or by the clock."""
        settings = self._run.settings
        elapsed = time.monotonic() - self._last_save
        if elapsed >= 60.0 * settings.save_minutes:
            return True
        if self._run.global_step % settings.save_steps:
            return False
        return settings.save_steps <= _ALWAYS_EXACT_STEPS or self._cost_seconds <= _MAX_SHARE * elapsed

    def save(self) -> None:
        """Start saving the present step, unless it is or need not be saved. Holds while the disk is too full."""
        run = self._run
        started = time.monotonic()
        self._finish_previous()
        if run.saved_step == run.global_step:
            return
        self._wait_for_space()
        snapshot = self._snapshot()
        stalled = time.monotonic() - started
        self._writer.start(lambda: self._write(snapshot, stalled))
        run.saved_step = run.global_step
        self._last_save = time.monotonic()
        self._cost_seconds = stalled + (self._writer.busy_seconds if run.network.device.type == "cpu" else 0.0)

    def catch_up(self) -> None:
        """Before a step is told: let the write in flight end, so that a kill costs at most save_steps told steps.

        What went wrong with the write is seen to at the step boundary, when the step stands in the events.
        """
        if self._run.settings.save_steps <= _ALWAYS_EXACT_STEPS:
            self._writer.join()

    def save_and_wait(self) -> None:
        """Return when the present step is committed."""
        if self._run.saved_step == self._run.global_step and not self._writer.is_busy:
            self._finish_previous()
        while self._run.saved_step != self._run.global_step or self._writer.is_busy:
            self._gate.enter("saving")
            self.save()
            self._finish_previous()

    def save_finally(self) -> None:
        """Like save_and_wait on the way out: a full disk is an error, because nobody would wait for its end."""
        try:
            self._writer.wait()
        except OSError as problem:
            if problem.errno not in NO_SPACE:
                raise storage_error(problem, "saving a checkpoint") from problem
            self._run.saved_step = -1
        if self._run.saved_step == self._run.global_step:
            return
        self._gate.enter("saving")
        snapshot = self._snapshot()
        try:
            self._write(snapshot, 0.0)
        except OSError as problem:
            raise storage_error(problem, "saving a checkpoint") from problem
        self._run.saved_step = self._run.global_step

    def settle(self) -> None:
        """On the way out after an error: let a write in flight end, whatever comes of it."""
        with suppress(OSError, ValueError):
            self._writer.wait()

    def poll(self) -> None:
        """At a step boundary: raise or repair what went wrong in the background, hold while the disk is too full."""
        if not self._writer.is_busy:
            self._finish_previous()
        self._wait_for_space()

    def _finish_previous(self) -> None:
        """Wait for the write in flight; on a full disk hold until there is room, and forget that it was saved."""
        try:
            self._writer.wait()
        except OSError as problem:
            if problem.errno not in NO_SPACE:
                raise storage_error(problem, "saving a checkpoint") from problem
            self._run.saved_step = -1
            self._hold_until(lambda: self._free_bytes() < self._floor() + self._size())

    def _wait_for_space(self) -> None:
        if self._free_bytes() < self._floor():
            self._hold_until(lambda: self._free_bytes() < self._floor() + self._size())

    def _hold_until(self, is_full: Callable[[], bool]) -> None:
        self._gate.hold("disk_full", while_true=is_full, poll_seconds=0.2)

    def _floor(self) -> int:
        return self._run.assignment.disk_floor_bytes

    def _free_bytes(self) -> int:
        root = Path(self._run.assignment.checkpoint_root)
        return shutil.disk_usage(root if root.exists() else root.parent).free

    def _size(self) -> int:
        """Bytes of a checkpoint: adapter and two moments."""
        return 3 * self._run.network.adapter.flat.numel() * self._run.network.adapter.flat.element_size()

    def _snapshot(self) -> Snapshot:
        run = self._run
        assignment = run.assignment
        meta = CheckpointMeta(
            lineage_id=assignment.lineage_id,
            branch=assignment.branch,
            attempt_seq=assignment.attempt_seq,
            base_id=assignment.base.base_id,
            global_step=run.global_step,
            job_id=assignment.job_id,
            dataset_id=assignment.dataset_id,
            job_step=run.job_step,
            total_steps=run.plan.total_steps,
            loss_hex=run.loss_hex,
            order_sha256=run.order_sha256,
            token_budget=run.token_budget,
            num_threads=run.num_threads,
            settings=assignment.settings,
            versions=self._versions,
            created_at=time.time(),
        )
        peft_config = run.network.peft_model.peft_config["default"]
        return checkpoint.take_snapshot(
            run.network.adapter, run.optimiser, peft_config, meta=meta, base_folder=assignment.base.folder
        )

    def _write(self, snapshot: Snapshot, stalled: float) -> None:
        meta = snapshot.meta
        target = Path(self._run.assignment.checkpoint_root) / checkpoint.folder_name(meta.global_step, meta.attempt_seq)
        manifest = checkpoint.write(snapshot, target, before_commit=self._events.sync, moved=self._events.progress.move)
        self.committed = (meta.global_step, manifest.sha256)
        self._events.emit(
            CheckpointSaved,
            job_id=meta.job_id,
            path=str(target),
            manifest_sha256=manifest.sha256,
            global_step=meta.global_step,
            job_step=meta.job_step,
            size_bytes=manifest.size_bytes,
            seconds=stalled,
        )
