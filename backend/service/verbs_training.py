"""The verbs that start, hold and end training."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from backend.contract.arguments import NoArgs, PauseArgs, StopArgs
from backend.contract.errors import ConflictError, StopFileError, StorageError
from backend.contract.jobs import JobState
from backend.contract.results import Done
from backend.contract.status import RunState, StatusView
from backend.queue import queue
from backend.service import base_damage, intake, intent
from backend.service.desk import Desk
from backend.store.database import Transaction

_Commit = Callable[[Callable[[Transaction], Struct]], Awaitable[bytes]]


def status(desk: Desk, tx: Transaction, args: NoArgs) -> StatusView:
    return desk.board.view(tx)


async def pause(desk: Desk, args: PauseArgs, commit: _Commit) -> bytes:
    """Hold; the trainer acts within one micro-batch. A stopped workspace stays stopped."""

    def work(tx: Transaction) -> StatusView:
        if intent.run_state(tx) is RunState.STOPPED:
            raise ConflictError("Training is stopped already.", hint="`resume` goes on.")
        intent.set_pause_frees(tx, args.free)
        intent.set_run_state(tx, RunState.PAUSED, "pause")
        return desk.board.view(tx)

    return await _noted_or_not(desk, RunState.PAUSED, commit, work)


async def resume(desk: Desk, args: NoArgs, commit: _Commit) -> bytes:
    """Go on, also after stop."""

    def work(tx: Transaction) -> StatusView:
        if desk.core.workspace.stop_file.exists():
            goes_on = desk.core.unstored_run_state is None and intent.run_state(tx) is RunState.RUNNING
            raise StopFileError(
                f"Nothing trains while {desk.core.workspace.stop_file} is there.",
                hint="Remove it: training then goes on by itself." if goes_on else "Remove it, then `resume`.",
            )
        intent.set_pause_frees(tx, False)
        intent.set_stops_after_file(tx, False)
        intent.set_run_state(tx, RunState.RUNNING, "resume")
        if base_damage.trust_again(tx):
            intake.recheck_waiting(tx, only_blocked=True)
        desk.keeper.budget.forget()
        desk.keeper.not_before = 0.0
        desk.core.unstored_run_state = None
        return desk.board.view(tx)

    return await commit(work)


async def stop(desk: Desk, args: StopArgs, commit: _Commit) -> bytes:
    """After the present file, or at once: save, put the job back, end the trainer."""

    def work(tx: Transaction) -> StatusView:
        job = queue.active(tx)
        if job is not None and not args.now and intent.run_state(tx) is RunState.RUNNING:
            intent.set_stops_after_file(tx, True)
        else:
            intent.set_stops_after_file(tx, False)
            intent.set_run_state(tx, RunState.STOPPED, "stop --now" if args.now else "stop")
            if job is not None:
                queue.set_state(tx, job.job_id, JobState.STOPPING, reason="saving and stopping")
        return desk.board.view(tx)

    return await _noted_or_not(desk, RunState.STOPPED, commit, work)


async def _noted_or_not(
    desk: Desk, wanted: RunState, commit: _Commit, work: Callable[[Transaction], StatusView]
) -> bytes:
    """Nobody is kept from pausing or stopping by a full disk: then it holds from memory, and is noted later."""
    core = desk.core
    try:
        answer = await commit(work)
    except StorageError as problem:
        core.unstored_run_state = wanted
        view = await core.read(desk.board.view)
        why = f"{problem.message} This wish holds, but is forgotten if the service ends before there is space."
        return msgspec.json.encode(msgspec.structs.replace(view, error=why))
    core.unstored_run_state = None
    return answer


async def skip(desk: Desk, args: NoArgs, commit: _Commit) -> bytes:
    """Save and leave the present file; `queue retry` continues it."""

    def work(tx: Transaction) -> StatusView:
        job = queue.active(tx)
        if job is None:
            raise ConflictError("No file is being trained.", hint="`queue remove` takes a waiting one out.")
        intent.set_leaving_job(tx, job.job_id)
        queue.set_state(tx, job.job_id, JobState.STOPPING, reason="saving, then skipped")
        return desk.board.view(tx)

    return await commit(work)


def _request(kind: str, words: str) -> Callable[[Desk, NoArgs, _Commit], Awaitable[bytes]]:
    async def change(desk: Desk, args: NoArgs, commit: _Commit) -> bytes:
        def work(tx: Transaction) -> Done:
            job = queue.active(tx)
            if job is None or job.state in (JobState.STOPPING, JobState.PAUSED):
                raise ConflictError("No file is being trained.", hint=f"{words} while one is.")
            intent.add_request(tx, kind)
            return Done(done=f"{words} at the next step of {job.file_name}.")

        return await commit(work)

    return change


async def shutdown(desk: Desk, args: NoArgs, commit: _Commit) -> bytes:
    """The answer is given first; then trainer and service end."""
    done = Done(done="The trainer saves and ends, then the service does.")
    try:
        return await commit(lambda tx: done)
    except StorageError:  # a full disk must not keep it alive
        return msgspec.json.encode(done)
    finally:
        desk.core.end(stops_trainer=True)


TRAINING_READS: dict[str, Callable[[Desk, Transaction, Any], Struct]] = {"status": status}
TRAINING_CHANGES: dict[str, Callable[[Desk, Any, _Commit], Awaitable[bytes]]] = {
    "pause": pause,
    "resume": resume,
    "stop": stop,
    "skip": skip,
    "evaluate": _request("evaluate", "Evaluating"),
    "sample": _request("sample", "Sampling"),
    "shutdown": shutdown,
}
