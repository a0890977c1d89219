"""What the user wants, as it is stored: it survives restart and reboot."""

from __future__ import annotations

import msgspec

from backend.contract.events import RunStateChanged
from backend.contract.spool import Request
from backend.contract.status import RunState
from backend.store import meta
from backend.store.database import Transaction

_RUN_STATE = "run_state"
_STOP_AFTER_FILE = "stop_after_file"
_PAUSE_FREES = "pause_frees"
_LEAVING_JOB = "leaving_job"
_REQUESTS = "requests"
_TURN = "turn"
_ENDED_TURN = "ended_turn"


def run_state(tx: Transaction) -> RunState:
    """Running, paused or stopped; a new workspace is running."""
    return RunState(meta.get(tx, _RUN_STATE) or RunState.RUNNING)


def set_run_state(tx: Transaction, state: RunState, cause: str) -> None:
    """Change it and say so; the same again is no change."""
    if run_state(tx) is not state:
        meta.set(tx, _RUN_STATE, state.value)
        tx.record(RunStateChanged(at=tx.now, run_state=state.value, cause=cause))


def _flag(tx: Transaction, key: str) -> bool:
    return meta.get(tx, key) == "1"


def _set_flag(tx: Transaction, key: str, value: bool) -> None:
    if _flag(tx, key) != value:
        meta.set(tx, key, "1" if value else "0")


def stops_after_file(tx: Transaction) -> bool:
    """Whether training stops when the present file is done."""
    return _flag(tx, _STOP_AFTER_FILE)


def set_stops_after_file(tx: Transaction, value: bool) -> None:
    """Stop when the present file is done, or not after all."""
    _set_flag(tx, _STOP_AFTER_FILE, value)


def pause_frees(tx: Transaction) -> bool:
    """Whether the pause also ends the trainer."""
    return _flag(tx, _PAUSE_FREES)


def set_pause_frees(tx: Transaction, value: bool) -> None:
    """See pause_frees."""
    _set_flag(tx, _PAUSE_FREES, value)


def leaving_job(tx: Transaction) -> int | None:
    """The job the user wants left, while the trainer is saving it."""
    return int(meta.get(tx, _LEAVING_JOB) or 0) or None


def set_leaving_job(tx: Transaction, job_id: int | None) -> None:
    """See leaving_job."""
    if leaving_job(tx) != job_id:
        meta.set(tx, _LEAVING_JOB, str(job_id or 0))


def requests(tx: Transaction) -> list[Request]:
    """One-shot wishes the trainer has not carried out yet."""
    return msgspec.json.decode(meta.get(tx, _REQUESTS) or "[]", type=list[Request])


def add_request(tx: Transaction, kind: str) -> Request:
    """Another wish; the same kind twice at once is one."""
    waiting = requests(tx)
    for known in waiting:
        if known.kind == kind:
            return known
    number = int(meta.get(tx, "request_number") or 0) + 1
    meta.set(tx, "request_number", str(number))
    request = Request(request_id=f"R{number:06d}", kind=kind)
    meta.set(tx, _REQUESTS, msgspec.json.encode([*waiting, request]).decode())
    return request


def drop_requests(tx: Transaction, request_id: str | None = None) -> None:
    """One was carried out, or (None) none can be any more."""
    left = [request for request in requests(tx) if request_id is not None and request.request_id != request_id]
    if len(left) != len(requests(tx)):
        meta.set(tx, _REQUESTS, msgspec.json.encode(left).decode())


def next_turn(tx: Transaction) -> int:
    """A number for an assignment, never used before."""
    turn = max(last_turn(tx), ended_turn(tx)) + 1  # a trainer may outlive the database that counted its turns
    meta.set(tx, _TURN, str(turn))
    return turn


def last_turn(tx: Transaction) -> int:
    """The newest number given."""
    return int(meta.get(tx, _TURN) or 0)


def ended_turn(tx: Transaction) -> int:
    """The highest turn the trainer said is over: finished, left or failed."""
    return int(meta.get(tx, _ENDED_TURN) or 0)


def set_ended_turn(tx: Transaction, turn: int) -> None:
    """See ended_turn."""
    if turn > ended_turn(tx):
        meta.set(tx, _ENDED_TURN, str(turn))


def num_threads(tx: Transaction, job_id: int) -> int:
    """Threads fixed at the job's first start, 0 before."""
    return int(meta.get(tx, f"num_threads:{job_id}") or 0)


def set_num_threads(tx: Transaction, job_id: int, count: int) -> None:
    """Fix them for the rest of the job."""
    if num_threads(tx, job_id) != count:
        meta.set(tx, f"num_threads:{job_id}", str(count))


def non_finite_step(tx: Transaction, job_id: int) -> int | None:
    """Step at which the job last ended because its loss was no number."""
    value = meta.get(tx, f"non_finite:{job_id}")
    return int(value) if value else None


def set_non_finite_step(tx: Transaction, job_id: int, step: int | None) -> None:
    """See non_finite_step."""
    if non_finite_step(tx, job_id) != step:
        meta.set(tx, f"non_finite:{job_id}", "" if step is None else str(step))


def has_lost_its_end(tx: Transaction, job_id: int) -> bool:
    """Whether the job was trained to its end before and its last checkpoint was no good."""
    return _flag(tx, f"lost_end:{job_id}")


def set_lost_its_end(tx: Transaction, job_id: int) -> None:
    """See has_lost_its_end."""
    _set_flag(tx, f"lost_end:{job_id}", True)
