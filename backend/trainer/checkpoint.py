"""Checkpoints: what is needed to go on bit for bit, in a folder that PeftModel.from_pretrained opens.

    adapter_model.safetensors, adapter_config.json    the adapter as PEFT names it
    optimizer.safetensors                             both Adam moments by parameter, the count of updates
    state.json                                        cursor and schedule
    MANIFEST.json                                     sizes, digests, CheckpointMeta; the folder counts by it

The state is cloned on the training thread and written by one background thread, one at a time.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from peft import PeftConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from backend.contract.models import CheckpointRef
from backend.contract.spool import CheckpointMeta
from backend.store.durable import Manifest, commit_folder, read_manifest, verify_folder, write_new
from backend.trainer.adapter import Adapter
from backend.trainer.failures import BadCheckpointError
from backend.trainer.optimiser import AdamW

_ADAPTER_FILE = "adapter_model.safetensors"
_OPTIMISER_FILE = "optimizer.safetensors"


@dataclass(frozen=True)
class Snapshot:
    """The state after one optimiser step, in memory of its own."""

    adapter: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    peft_config: PeftConfig
    base_folder: str
    meta: CheckpointMeta
    schedule: dict[str, Any]


def take_snapshot(
    adapter: Adapter, optimiser: AdamW, peft_config: Any, *, meta: CheckpointMeta, base_folder: str
) -> Snapshot:
    """Clone what the next step will change."""
    flat = {
        "": adapter.flat.data,
        "exp_avg.": optimiser.exp_avg,
        "exp_avg_sq.": optimiser.exp_avg_sq,
    }
    tensors = {
        prefix + name: view
        for prefix, vector in flat.items()
        for name, view in adapter.named(vector.detach().to("cpu", copy=True)).items()
    }
    optimiser_tensors = {name: tensors.pop(name) for name in list(tensors) if name.startswith("exp_avg")}
    optimiser_tensors["num_steps"] = torch.tensor([optimiser.num_steps], dtype=torch.int64)
    return Snapshot(
        adapter=tensors,
        optimiser=optimiser_tensors,
        peft_config=peft_config,
        base_folder=base_folder,
        meta=meta,
        schedule={
            "lr_scheduler_type": meta.settings.lr_scheduler_type,
            "warmup_steps": meta.settings.warmup_steps,
            "learning_rate": meta.settings.learning_rate,
            "total_steps": meta.total_steps,
            "job_step": meta.job_step,
        },
    )


def folder_name(global_step: int | str, attempt_seq: int) -> str:
    """One name a step and process; never reused. With "*" a pattern for all of a process."""
    step = global_step if isinstance(global_step, str) else f"{global_step:08d}"
    return f"step-{step}-{attempt_seq:06d}"


def write(
    snapshot: Snapshot, target: Path, *, before_commit: Callable[[], None], moved: Callable[[], None]
) -> Manifest:
    """Commit a snapshot as the folder `target`; `before_commit` runs when all is written but not yet renamed."""
    meta = msgspec.structs.replace(
        snapshot.meta, tensors_sha256=tensors_digest({**snapshot.adapter, **snapshot.optimiser}, moved)
    )

    def fill(staging: Path) -> Mapping[str, Any]:
        _save_tensors(snapshot.adapter, staging / _ADAPTER_FILE)
        moved()
        _save_tensors(snapshot.optimiser, staging / _OPTIMISER_FILE)
        moved()
        config = {**snapshot.peft_config.to_dict(), "inference_mode": True}
        config["base_model_name_or_path"] = snapshot.base_folder
        _write_json(staging / "adapter_config.json", config)
        state = {
            "schema": 1,
            "global_step": meta.global_step,
            "job_id": meta.job_id,
            "job_step": meta.job_step,
            "loss_hex": meta.loss_hex,
            "scheduler": snapshot.schedule,
            "settings": msgspec.to_builtins(meta.settings),
        }
        _write_json(staging / "state.json", state)
        before_commit()
        builtins: Mapping[str, Any] = msgspec.to_builtins(meta)
        return builtins

    return commit_folder(target, fill, moved=moved)


def _write_json(path: Path, content: Any) -> None:
    write_new(path, json.dumps(content, indent=1, sort_keys=True, default=_plain).encode())


def _save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """safetensors' own writing, with its errors as the OSError they are."""
    try:
        save_file(dict(tensors), path, metadata={"format": "pt"})
    except SafetensorError as problem:
        number = re.search(r"os error (\d+)", str(problem))
        raise OSError(int(number[1]) if number else errno.EIO, str(problem), str(path)) from problem


def _plain(value: Any) -> Any:
    """PEFT's configs hold sets and enums."""
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)


def load(
    reference: CheckpointRef, adapter: Adapter, optimiser: AdamW, *, moved: Callable[[], None] = lambda: None
) -> CheckpointMeta:
    """Fill adapter and optimiser from a committed checkpoint, bit for bit, after checking every byte of it.

    Raises BadCheckpointError; then adapter and optimiser are not to be used.
    """
    folder = Path(reference.path)
    problems = verify_folder(folder, reference.manifest_sha256, moved=moved)
    if problems:
        raise BadCheckpointError(f"{folder.name}: {problems[0]}.")
    try:
        meta = msgspec.convert(dict(read_manifest(folder).meta), CheckpointMeta)
        tensors = load_file(folder / _ADAPTER_FILE)
        moments = load_file(folder / _OPTIMISER_FILE)
        if tensors_digest({**tensors, **moments}, moved) != meta.tensors_sha256:
            raise ValueError("the tensors are not those that were saved")
        num_steps = moments.pop("num_steps")
        adapter.load(tensors, into=adapter.flat.data)
        for prefix, vector in (("exp_avg.", optimiser.exp_avg), ("exp_avg_sq.", optimiser.exp_avg_sq)):
            own = {name.removeprefix(prefix): moments.pop(name) for name in list(moments) if name.startswith(prefix)}
            adapter.load(own, into=vector)
        if moments:
            raise ValueError(f"{next(iter(moments))} belongs to no parameter")
        optimiser.num_steps = int(num_steps)
    except (OSError, ValueError, KeyError, msgspec.MsgspecError, SafetensorError) as problem:
        raise BadCheckpointError(f"{folder.name}: {problem}.") from problem
    if meta.global_step != reference.global_step:
        raise BadCheckpointError(f"{folder.name} is of step {meta.global_step}, not {reference.global_step}.")
    return meta


def tensors_digest(tensors: Mapping[str, Tensor], moved: Callable[[], None] = lambda: None) -> str:
    """sha256 over names, dtypes, shapes and bytes, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
        moved()
    return digest.hexdigest()


class CheckpointWriter:
    """Writes one snapshot at a time in the background.

    An error of the thread is raised on the training thread by `wait`, which every later save calls first.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._problem: OSError | ValueError | None = None
        self.busy_seconds = 0.0
        """Processor time of the last write."""

    @property
    def is_busy(self) -> bool:
        """Whether a snapshot is being written."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Run `work` in the background; the one before must have been waited for."""
        assert self._thread is None

        def run() -> None:
            started = time.thread_time()
            try:
                work()
            except (OSError, ValueError) as problem:
                self._problem = problem
            self.busy_seconds = time.thread_time() - started

        self._thread = threading.Thread(target=run, name="checkpoint-writer", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Return when nothing is being written; what the write raised is kept for `wait`."""
        if self._thread is not None:
            self._thread.join()

    def wait(self) -> None:
        """Return when nothing is being written; raises what the write raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        problem, self._problem = self._problem, None
        if problem is not None:
            raise problem

    def poll(self) -> None:
        """Raise the error of a write that has ended, without waiting for one that has not."""
        if self._thread is not None and not self._thread.is_alive():
            self.wait()
