"""How jobs look at a prompt: what was added, the queue, what a change of it changed."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from backend.cli import words
from backend.cli.printing import BAD, BUSY, GOOD, WATCH, aligned, table
from backend.contract import results
from backend.contract.jobs import JobState, JobView

_STATE_STYLES = {
    JobState.FINISHED: GOOD,
    JobState.CHECKING: BUSY,
    JobState.STARTING: BUSY,
    JobState.TRAINING: BUSY,
    JobState.EVALUATING: BUSY,
    JobState.SAVING: BUSY,
    JobState.PAUSED: WATCH,
    JobState.HELD: WATCH,
    JobState.BLOCKED: BAD,
    JobState.FAILED: BAD,
    JobState.QUARANTINED: BAD,
}
_JOBS_SHOWN = 50
_JOB_COLUMNS = ("job", "state", "priority", "steps", "of", "loss", "left", "file", "")
_JOB_NUMBERS = ("job", "steps", "of", "loss", "left")


def state_text(job: JobView) -> Text:
    """A job's state in its colour."""
    return Text(job.state.value, style=_STATE_STYLES.get(job.state, ""))


def added_view(result: results.AddResult, grouped: bool) -> RenderableType:
    shown = result.jobs[:_JOBS_SHOWN] if grouped else result.jobs
    lines = [Text(f"Job {job.job_id}: {words.clean(job.file_name)}, {words.size(job.size_bytes)}.") for job in shown]
    hidden = len(result.jobs) - len(shown)
    return Group(*lines, *([Text(f"And {words.plural(hidden, 'more job')}.")] if hidden else []))


def queue_view(result: results.QueueResult, grouped: bool) -> RenderableType:
    if result.done:
        shown = result.jobs[:_JOBS_SHOWN]
        hidden = len(result.jobs) - len(shown)
        more = [Text(f"And {words.plural(hidden, 'more job')}.")] if hidden else []
        return Group(Text(result.done), *([_part(shown, grouped)] if shown else []), *more)
    if not result.jobs:
        return Text("The queue is empty. `add FILE ...` puts files into it; files in the inbox come by themselves.")
    hidden = result.num_jobs - len(result.jobs)
    if hidden <= 0:
        return _jobs(result.jobs, grouped)
    told = f"{words.plural(hidden, 'more job')}; --limit and --offset show others, --no-every leaves out what ended."
    return Group(_part(result.jobs, grouped), Text(told))


def _part(jobs: list[JobView], grouped: bool) -> RenderableType:
    shown = _jobs(jobs, grouped)
    return Text(shown) if isinstance(shown, str) else shown  # a bare string would be searched for emoji codes


def _jobs(jobs: list[JobView], grouped: bool) -> RenderableType:
    if not grouped:
        return aligned(_JOB_COLUMNS, [_job_cells(job, grouped) for job in jobs], _JOB_NUMBERS)
    shown = table(*_JOB_COLUMNS, numbers=_JOB_NUMBERS)
    for job in jobs:
        number, _state, *others = _job_cells(job, grouped)
        shown.add_row(number, state_text(job), *map(Text, others))
    return shown


def _job_cells(job: JobView, grouped: bool) -> tuple[str, ...]:
    return (
        str(job.job_id),
        job.state.value,
        job.priority.value,
        words.count(job.done_steps, grouped=grouped),
        words.count(job.total_steps or None, grouped=grouped),
        words.loss(job.last_loss),
        words.duration(job.eta_seconds),
        words.clean(job.file_name),
        words.clean(_remark(job)),
    )


def _remark(job: JobView) -> str:
    """Why it is as it is; else what its check set aside."""
    aside = f"{words.plural(job.num_problems, 'row')} set aside or cut" if job.num_problems else ""
    return "; ".join(part for part in (job.reason, aside) if part)
