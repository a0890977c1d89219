"""Steps put together in blocks of 8, 64, 512 and 4,096, so that any stretch of a long history is read in few rows.

A block is always made anew from what lies below it, at most eight rows: a step that a later attempt replays needs
no case of its own. What stands here can be made again from `metrics` at any time.
"""

from __future__ import annotations

from typing import Any, Protocol

import apsw

from backend.contract.spool import Step
from backend.store.transaction import Transaction

FAN = 8
WIDTHS = (8, 64, 512, 4096)
_COLUMNS = (
    "branch, width, block, last_step, at, tokens, seconds, lr, memory_bytes, num_losses, loss_sum, loss_min, loss_max, "
    "num_grad_norms, grad_norm_sum"
)
# SQLite takes the other columns of a group from the row that has the maximum: the newest attempt of each step.
NEWEST = (
    "SELECT max(attempt_seq), * FROM metrics WHERE branch = :branch AND step BETWEEN :first AND :last "
    "AND is_superseded = 0 GROUP BY step"
)


def finite(column: str) -> str:
    """The column where it is a number one can draw, else NULL."""
    return f"(CASE WHEN abs({column}) < 9e999 THEN {column} END)"


def grouped(source_width: int) -> str:
    """SQL for the steps :first to :last of :branch in groups of :width steps, from blocks of `source_width` steps (1:
    from the steps themselves). Columns as in `_COLUMNS`; :first and :last are bounds of whole blocks."""
    if source_width == 1:
        loss, norm = finite("loss"), finite("grad_norm")
        inner = (
            f"SELECT step / :width AS block, max(step) AS last_step, sum(tokens) AS tokens, total(seconds) AS seconds, "
            f"max(memory_bytes) AS memory_bytes, count({loss}) AS num_losses, total({loss}) AS loss_sum, "
            f"min({loss}) AS loss_min, max({loss}) AS loss_max, count({norm}) AS num_grad_norms, "
            f"total({norm}) AS grad_norm_sum FROM ({NEWEST}) GROUP BY 1"
        )
        found = (
            "metrics m WHERE m.branch = :branch AND m.step = g.last_step AND m.is_superseded = 0 "
            "ORDER BY m.attempt_seq DESC LIMIT 1"
        )
        at, rate = f"(SELECT at FROM {found})", f"(SELECT {finite('lr')} FROM {found})"
    else:
        inner = (
            f"SELECT block / (:width / {source_width}) AS block, max(last_step) AS last_step, sum(tokens) AS tokens, "
            "total(seconds) AS seconds, max(memory_bytes) AS memory_bytes, sum(num_losses) AS num_losses, "
            "total(loss_sum) AS loss_sum, min(loss_min) AS loss_min, max(loss_max) AS loss_max, "
            "sum(num_grad_norms) AS num_grad_norms, total(grad_norm_sum) AS grad_norm_sum FROM curve "
            f"WHERE branch = :branch AND width = {source_width} AND block BETWEEN :first / {source_width} "
            f"AND :last / {source_width} GROUP BY 1"
        )
        found = (
            f"curve c WHERE c.branch = :branch AND c.width = {source_width} AND c.block = g.last_step / {source_width}"
        )
        at, rate = f"(SELECT at FROM {found})", f"(SELECT lr FROM {found})"
    return (
        f"SELECT :branch AS branch, :width AS width, block, last_step, {at} AS at, tokens, seconds, {rate} AS lr, "
        "memory_bytes, num_losses, loss_sum, loss_min, loss_max, num_grad_norms, grad_norm_sum "
        f"FROM ({inner}) g"
    )


_FILL = {
    width: f"INSERT OR REPLACE INTO curve ({_COLUMNS}) {grouped(width // FAN if width > FAN else 1)}"
    for width in WIDTHS
}


class _Runs(Protocol):
    """A transaction or a bare connection."""

    def execute(self, sql: str, params: Any = ..., /) -> Any: ...


def note_step(tx: Transaction, branch: int, attempt_seq: int, step: Step) -> None:
    """A step was just recorded for the first time: bring everything above it up to date."""
    number = step.global_step
    for width in WIDTHS:
        first = number // width * width
        bounds = {"branch": branch, "width": width, "first": first, "last": first + width - 1}
        tx.execute(_FILL[width], bounds)
    tx.execute(
        "INSERT INTO attempt_spans (branch, attempt_seq, first_step, last_step, first_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET first_step = min(first_step, excluded.first_step), "
        "last_step = max(last_step, excluded.last_step), first_at = min(first_at, excluded.first_at)",
        (branch, attempt_seq, number, number, step.at),
    )
    newest = tx.one(
        "SELECT max(attempt_seq) FROM metrics WHERE branch = ? AND step = ? AND is_superseded = 0", (branch, number)
    )
    if newest is not None and newest[0] == attempt_seq:
        _note_owner(tx, branch, number, step.job_id)


def _note_owner(tx: _Runs, branch: int, step: int, job_id: int) -> None:
    """From now on `step` is one of this job's steps."""
    rows = list(
        tx.execute(
            "SELECT first_step, last_step, job_id FROM job_spans WHERE branch = ? AND first_step <= ? "
            "ORDER BY first_step DESC LIMIT 2",
            (branch, step),
        )
    )
    if rows and rows[0][0] <= step <= rows[0][1]:
        first, last, owner = rows.pop(0)
        if owner == job_id:
            return
        tx.execute("DELETE FROM job_spans WHERE branch = ? AND first_step = ?", (branch, first))
        if first < step:
            _put_span(tx, branch, first, step - 1, owner)
            rows.insert(0, (first, step - 1, owner))
        if step < last:
            _put_span(tx, branch, step + 1, last, owner)
    if rows and rows[0][2] == job_id:
        _put_span(tx, branch, rows[0][0], step, job_id)
    else:
        _put_span(tx, branch, step, step, job_id)


def _put_span(tx: _Runs, branch: int, first: int, last: int, job_id: int) -> None:
    tx.execute(
        "INSERT OR REPLACE INTO job_spans (branch, first_step, last_step, job_id) VALUES (?, ?, ?, ?)",
        (branch, first, last, job_id),
    )


def cut(tx: Transaction, branch: int, after_step: int) -> None:
    """The steps after this one were superseded: take them out of everything above them."""
    first = after_step + 1
    for width in WIDTHS:
        tx.execute("DELETE FROM curve WHERE branch = ? AND width = ? AND block >= ?", (branch, width, first // width))
    for width in WIDTHS:
        start = first // width * width
        tx.execute(_FILL[width], {"branch": branch, "width": width, "first": start, "last": start + width - 1})
    tx.execute("DELETE FROM job_spans WHERE branch = ? AND first_step > ?", (branch, after_step))
    tx.execute(
        "UPDATE job_spans SET last_step = ? WHERE branch = ? AND last_step > ?", (after_step, branch, after_step)
    )


def fill_missing(connection: apsw.Connection) -> None:
    """Make everything from `metrics` where it is not there: after an update of the program or a repair."""
    known = connection.execute("SELECT EXISTS (SELECT 1 FROM curve), EXISTS (SELECT 1 FROM metrics)").fetchone()
    if known != (0, 1):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for (branch,) in list(connection.execute("SELECT DISTINCT branch FROM metrics")):
            _fill(connection, branch)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _fill(connection: apsw.Connection, branch: int) -> None:
    every = {"branch": branch, "first": 0, "last": 2**62}
    for width in WIDTHS:
        connection.execute(_FILL[width], {**every, "width": width})
    connection.execute(
        "INSERT INTO attempt_spans (branch, attempt_seq, first_step, last_step, first_at) "
        "SELECT branch, attempt_seq, min(step), max(step), min(at) FROM metrics WHERE branch = ? GROUP BY attempt_seq",
        (branch,),
    )
    # A span begins where the job is another one than that of the step before, and ends before the next one begins.
    connection.execute(
        "INSERT INTO job_spans (branch, first_step, last_step, job_id) "
        "WITH steps AS (SELECT step, job_id, lag(job_id) OVER (ORDER BY step) AS job_before, "
        f"lag(step) OVER (ORDER BY step) AS step_before FROM ({NEWEST})), "
        "begins AS (SELECT step, job_id, lead(step_before) OVER (ORDER BY step) AS last_step "
        "FROM steps WHERE job_id IS NOT job_before) SELECT :branch, step, coalesce(last_step, "
        "(SELECT max(step) FROM metrics WHERE branch = :branch AND is_superseded = 0)), job_id FROM begins",
        every,
    )
