"""`base set`: a folder, a GGUF file, a Hub id or the demo's model becomes a folder in models/base/ that is ours alone.

Whatever the way in, the folder is inspected before it counts, committed with a manifest, and only then put in
force; until then the model before it stays.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from platformdirs import user_cache_path

from backend.contract.errors import ConflictError, EverstepError, ModelError, StorageError
from backend.contract.models import (
    SAMPLE,
    SAMPLE_GGUF_SHA256,
    SAMPLE_NAME,
    BaseModelView,
    ConvertRequest,
    FetchRequest,
    SampleRequest,
)
from backend.machine.disk import free_bytes
from backend.queue import queue
from backend.service import base_damage, base_rules, children, intake
from backend.service.base_rules import FoundModel
from backend.service.core import Core
from backend.store import durable
from backend.store.database import Transaction
from backend.versions import bases

log = logging.getLogger(__name__)

_HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_FETCH_SECONDS = 24 * 3600
_CONVERT_SECONDS = 4 * 3600
_TELL_SECONDS = 1.0
_FIRST_ANSWER_SECONDS = 3.0
"""A small local model is ready before the verb answers; the prompt waits for all others."""
_FAILURE_SHOWN_SECONDS = 300.0


class BasesIntake:
    """Prepares one base model at a time."""

    def __init__(self, core: Core, *, hub_endpoint: str = "") -> None:
        self._core = core
        self._hub_endpoint = hub_endpoint
        self._preparing: asyncio.Task[None] | None = None
        self._view: BaseModelView | None = None
        self._failed_at = 0.0
        self._told_at = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether a model is being fetched, converted or copied."""
        return self._preparing is not None and not self._preparing.done()

    def shown(self, current: BaseModelView | None) -> BaseModelView | None:
        """What `base show` tells: the one in preparation or just failed, else the one in force."""
        if self._view is None:
            return current
        failed_long_ago = time.monotonic() - self._failed_at > _FAILURE_SHOWN_SECONDS
        if self._view.state == "failed" and current is not None and failed_long_ago:
            return current
        return self._view

    async def forget_unfinished(self) -> None:
        """At start: what a service before this one was preparing is not coming any more."""

        def work(tx: Transaction) -> None:
            in_force = bases.current(tx)
            for base in bases.list_bases(tx):
                if base.state not in ("fetching", "converting"):
                    continue
                reason = "The service ended meanwhile. Set it again."
                # One in force was being set again: what is there is looked at when it is loaded.
                state = base_damage.DAMAGED if in_force is not None and base.base_id == in_force.base_id else "failed"
                bases.put(tx, msgspec.structs.replace(base, state=state, reason=reason, progress=None))

        await self._core.run(work)
        await self._core.with_files(durable.remove_stale, self._core.workspace.base_models)

    async def set(self, source: str, revision: str) -> BaseModelView:
        """Begin with a source that was looked at; the view says how far it is. Raises ModelError, ConflictError."""
        if self.is_busy:
            raise ConflictError("Another base model is being prepared.", hint="`base show` says how far it is.")
        if await self._core.read(queue.active) is not None:
            raise ConflictError(
                "A file is being trained.", hint="Let it finish, `skip` it or `stop --now`; then set the base model."
            )
        in_force = await self._core.read(bases.current)
        view, prepare = await self._core.with_files(self._plan, source, revision)
        if in_force is not None and in_force.state == base_damage.DAMAGED and in_force.source == view.source:
            view = msgspec.structs.replace(view, base_id=in_force.base_id, folder=in_force.folder)
        self._view = view
        self._preparing = asyncio.create_task(self._prepare(view, prepare), name="base model")
        await asyncio.wait({self._preparing}, timeout=_FIRST_ANSWER_SECONDS)
        return self._view or view

    async def wait(self) -> None:
        """Until what is being prepared is ready or failed."""
        if self._preparing is not None:
            await asyncio.wait({self._preparing})

    def cancel(self) -> None:
        """The service ends."""
        if self._preparing is not None:
            self._preparing.cancel()

    # ---- four ways in ------------------------------------------------------------------------------------

    def _plan(self, source: str, revision: str) -> tuple[BaseModelView, Callable[[BaseModelView], Any]]:
        if source == SAMPLE:
            return self._new_view(SAMPLE_NAME, SAMPLE, SAMPLE_GGUF_SHA256, "fetching"), self._from_sample
        path = Path(source).expanduser()
        if path.is_absolute() or path.exists():
            if path.is_file():
                return self._plan_gguf(path.absolute())
            found = base_rules.inspect(path)
            view = self._new_view(path.name or "model", str(path.absolute()), found.fingerprint, "converting")
            return view, lambda view: self._from_folder(path, view)
        if not _HUB_ID.fullmatch(source) or ".." in source:
            raise ModelError(
                f"{source} is neither a folder, nor a .gguf file, nor a Hub id.",
                hint="A folder or file is named by its whole path, a Hub id reads org/name, the demo's model sample.",
            )
        if not _REVISION.fullmatch(revision) or ".." in revision:
            raise ModelError(f"{revision!r} is no branch, tag or commit.")
        fingerprint = hashlib.sha256(f"{source}@{revision}@{time.time_ns()}".encode()).hexdigest()
        view = self._new_view(source.split("/")[1], source, fingerprint, "fetching")
        return view, lambda view: self._from_hub(source, revision, view)

    def _plan_gguf(self, path: Path) -> tuple[BaseModelView, Callable[[BaseModelView], Any]]:
        try:
            with open(path, "rb") as file:
                head = file.read(1 << 20)
            state = path.stat()
        except OSError as problem:
            raise ModelError(f"{path} cannot be read: {problem.strerror}.") from None
        if head[:4] != b"GGUF":
            raise ModelError(
                f"{path} is not a GGUF file.", hint="A base model is a folder, a .gguf file or a Hub id like org/name."
            )
        digest = hashlib.sha256(head + f"{state.st_size}\0{state.st_mtime_ns}".encode()).hexdigest()
        view = self._new_view(path.stem, str(path), digest, "converting")
        return view, lambda view: self._from_gguf(path, view)

    def _new_view(self, name: str, source: str, sha256: str, state: str) -> BaseModelView:
        base_id = bases.make_id(name, sha256)
        folder = self._core.workspace.base_models / base_id
        return BaseModelView(base_id=base_id, source=source, folder=str(folder), state=state)

    async def _prepare(self, view: BaseModelView, prepare: Callable[[BaseModelView], Any]) -> None:
        core = self._core
        before = await core.read(lambda tx: next((b for b in bases.list_bases(tx) if b.base_id == view.base_id), None))
        try:
            self._view = await core.run(lambda tx: bases.put(tx, view))
            found: FoundModel = await prepare(view)
            await core.run(lambda tx: self._put_in_force(tx, view, found))
            self._view = None
            log.info("Base model %s is in force.", view.base_id)
        except (EverstepError, OSError) as problem:
            reason = problem.body().sentence() if isinstance(problem, EverstepError) else f"{problem.strerror}."
            failed = msgspec.structs.replace(view, state="failed", reason=reason, progress=None)
            self._view, self._failed_at = failed, time.monotonic()
            log.error("Base model %s failed: %s", view.base_id, reason)
            kept = failed if before is None or before.state == "failed" else before
            await core.run(lambda tx: bases.put(tx, kept))  # one that was there is no worse for it
        core.wake()

    def _put_in_force(self, tx: Transaction, view: BaseModelView, found: FoundModel) -> None:
        before = bases.current(tx)
        ready = msgspec.structs.replace(
            view,
            state="ready",
            model_type=found.model_type,
            num_parameters=found.num_parameters,
            tokenizer_sha256=found.tokenizer_sha256,
            progress=None,
        )
        bases.put(tx, ready)
        bases.choose(tx, ready.base_id)
        same_tokens = before is not None and before.tokenizer_sha256 == ready.tokenizer_sha256
        intake.recheck_waiting(tx, only_blocked=same_tokens)

    async def _from_folder(self, path: Path, view: BaseModelView) -> FoundModel:
        self._require_space(base_rules.inspect(path).size_bytes)

        def fill(staging: Path) -> dict[str, Any]:
            found = base_rules.inspect(path)
            done = 0
            for name in found.files:
                size, _ = durable.copy_in(path / name, staging / name)
                done += size
                self._tell_from_thread(view, done / max(1, found.size_bytes))
            return {"kind": "base_model", "source": view.source}

        return await self._commit(view, fill)

    async def _from_gguf(self, path: Path, view: BaseModelView) -> FoundModel:
        self._require_space(path.stat().st_size * 4)
        with durable.scratch_folder(self._core.workspace.base_models / f"convert-{view.base_id}") as scratch:
            request = ConvertRequest(gguf_path=str(path), out_folder=str(scratch / "out"))
            end = await children.run_child(
                self._core.programs.converter,
                request,
                scratch,
                timeout_seconds=_CONVERT_SECONDS,
                on_progress=lambda progress: self._tell(view, children.share(progress)),
            )
            return await self._commit_child(view, scratch / "out", end, f"Converting {path.name}")

    async def _from_hub(self, repo_id: str, revision: str, view: BaseModelView) -> FoundModel:
        with durable.scratch_folder(self._core.workspace.base_models / f"fetch-{view.base_id}") as scratch:
            request = FetchRequest(
                repo_id=repo_id, revision=revision, out_folder=str(scratch / "out"), endpoint=self._hub_endpoint
            )
            end = await children.run_child(
                self._core.programs.fetcher,
                request,
                scratch,
                timeout_seconds=_FETCH_SECONDS,
                online=True,
                on_progress=lambda progress: self._tell(view, children.share(progress)),
            )
            return await self._commit_child(view, scratch / "out", end, f"Fetching {repo_id}")

    async def _from_sample(self, view: BaseModelView) -> FoundModel:
        """Fetched once a user, converted once a workspace."""
        folder = Path(view.folder)
        if folder.exists() and not await self._core.with_files(durable.verify_folder, folder):
            return await self._core.with_files(base_rules.inspect, folder)
        with durable.scratch_folder(self._core.workspace.base_models / f"fetch-{view.base_id}") as scratch:
            out = scratch / "out"
            request = SampleRequest(cache_folder=str(user_cache_path("everstep") / "demo"), out_folder=str(out))
            end = await children.run_child(
                self._core.programs.fetcher,
                request,
                scratch,
                timeout_seconds=_FETCH_SECONDS,
                online=True,
                on_progress=lambda progress: self._tell(view, children.share(progress)),
            )
            _require_success(end, out, "Fetching the demo's model")
            gguf = Path(json.loads((out / "fetched.json").read_bytes())["gguf_path"])
        converting = msgspec.structs.replace(view, state="converting")
        self._tell(converting, None)
        return await self._from_gguf(gguf, converting)

    # ---- together ----------------------------------------------------------------------------------------

    async def _commit_child(self, view: BaseModelView, out: Path, end: children.ChildEnd, what: str) -> FoundModel:
        _require_success(end, out, what)
        found = await self._core.with_files(base_rules.inspect, out)

        def fill(staging: Path) -> dict[str, Any]:
            for name in found.files:
                durable.move(out / name, staging / name)
            return {"kind": "base_model", "source": view.source}

        return await self._commit(view, fill)

    async def _commit(self, view: BaseModelView, fill: Callable[[Path], dict[str, Any]]) -> FoundModel:
        """The folder under its name, unless the same model lies there already and is sound."""
        folder = Path(view.folder)

        def work() -> FoundModel:
            quarantine, expected = self._core.workspace.quarantine, {}
            if folder.exists():
                if not durable.verify_folder(folder):
                    return base_rules.inspect(folder)
                expected = _weights(folder)
                durable.move(folder, quarantine / f"{folder.name}-{time.time_ns()}")
            try:
                durable.commit_folder(folder, fill)
            except (OSError, ValueError) as problem:
                raise StorageError(f"{folder.name} could not be written: {problem}.") from None
            if expected and _weights(folder) != expected:
                durable.move(folder, quarantine / f"{folder.name}-{time.time_ns()}-other")
                raise ModelError(
                    f"{view.source} is another model now than the one that training began with.",
                    hint="Name the folder, file or revision it was made from, or set another base model and start "
                    "anew with `lineage new`.",
                )
            return base_rules.inspect(folder)

        return await self._core.with_files(work)

    def _require_space(self, needed_bytes: int) -> None:
        free = free_bytes(self._core.workspace.root)
        if free < needed_bytes * 1.2:
            raise StorageError(
                f"The base model needs {needed_bytes / 1e9:.1f} GB and {free / 1e9:.1f} GB are free.",
                hint="Make room and set it again.",
            )

    def _tell_from_thread(self, view: BaseModelView, share: float) -> None:
        self._view = msgspec.structs.replace(view, progress=share)

    def _tell(self, view: BaseModelView, share: float | None) -> None:
        """Progress, to all who listen at most once a second."""
        self._view = msgspec.structs.replace(view, progress=share)
        now = time.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            told = self._view
            task = asyncio.get_running_loop().create_task(self._core.run(lambda tx: bases.put(tx, told)))
            task.add_done_callback(lambda done: None if done.cancelled() else done.exception())


def _weights(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and sha256 of the weights as they were put there; {} where the manifest does not say."""
    try:
        files = durable.read_manifest(folder).files
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in files.items() if name.endswith(".safetensors")}


def _require_success(end: children.ChildEnd, out: Path, what: str) -> None:
    """Raises ModelError with what the child said, or how it ended."""
    error = children.read_error(out)
    if end.code != 0 or error is not None:
        raise ModelError(error.message if error else end.sentence(what), hint=error.hint if error else "")
