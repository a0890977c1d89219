"""What the demo found out: numbers for programs, words for people. Asks the API, writes nothing."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.text import Text

from backend.cli.printing import facts
from backend.cli.session import Session
from backend.cli.words import clean, count, duration, loss
from backend.contract.errors import InternalError
from backend.contract.jobs import JobView
from backend.contract.status import EvaluationRow, MetricRow, SampleRow

ROOT = Path(__file__).resolve().parents[2]


class Answered(Struct, frozen=True, kw_only=True):
    """One prompt, answered before and after."""

    prompt: str
    before: str
    after: str


class DemoResult(Struct, frozen=True, kw_only=True):
    """What `demo --json` prints."""

    steps: int
    loss_first: float
    loss_last: float
    validation_loss_before: float | None
    validation_loss_after: float | None
    tokens_per_second: float
    """Real tokens of all steps but the first, which also warms up, over their time."""
    seconds: float
    """The whole demo, without the set-up of the environment."""
    adapter: str
    seconds_to_first_step: float
    """From the converted model to the end of the first step."""
    global_step: int
    samples: list[Answered]
    workspace: str


def collect(session: Session, job: JobView, *, seconds: float, seconds_to_first_step: float) -> DemoResult:
    """Gather the result of a finished job."""
    metrics: list[MetricRow] = [row for row in session.call("metrics").rows if row.job_id == job.job_id]
    checkpoints = session.call("checkpoints.list").checkpoints
    if not metrics or not checkpoints:
        raise InternalError(f"Job {job.job_id} finished, but its steps or its checkpoint are not recorded.")
    first, last = metrics[0].step, metrics[-1].step
    evaluations = session.call("evaluations").rows
    return DemoResult(
        steps=len(metrics),
        loss_first=metrics[0].loss,
        loss_last=metrics[-1].loss,
        validation_loss_before=_loss_at(evaluations, first - 1),
        validation_loss_after=_loss_at(evaluations, last),
        tokens_per_second=_tokens_per_second(metrics),
        seconds=round(seconds, 2),
        adapter=checkpoints[0].path,
        seconds_to_first_step=round(seconds_to_first_step, 2),
        global_step=last,
        samples=_answered(session.call("samples").rows, first - 1, last),
        workspace=str(session.workspace.root),
    )


def _loss_at(rows: list[EvaluationRow], step: int) -> float | None:
    """The newest validation loss measured at or before a step."""
    known = [row for row in rows if row.step <= step and row.validation_loss is not None]
    return max(known, key=lambda row: (row.step, row.at)).validation_loss if known else None


def _tokens_per_second(rows: list[MetricRow]) -> float:
    counted = rows[1:] or rows
    spent = sum(row.seconds for row in counted)
    return round(sum(row.tokens for row in counted) / spent, 1) if spent > 0 else 0.0


def _answered(rows: list[SampleRow], start: int, end: int) -> list[Answered]:
    """Prompts answered both before and after this run, in the order they were asked."""
    before = _newest(rows, start)
    after = _newest(rows, end)
    return [Answered(prompt=p, before=before[p], after=text) for p, text in after.items() if p in before]


def _newest(rows: list[SampleRow], step: int) -> dict[str, str]:
    known = [row for row in rows if row.step <= step]
    newest = max((row.step for row in known), default=None)
    return {row.prompt: row.text for row in known if row.step == newest}


def render(result: DemoResult) -> RenderableType:
    """What happened and what to do next, for a person."""
    parts: list[RenderableType] = []
    for sample in result.samples[:1]:
        told = [("prompt", sample.prompt), ("before", sample.before), ("after", sample.after)]
        parts += [_head("One prompt, before and after"), facts([(name, _compact(text)) for name, text in told])]
    parts += [_head("What was learned"), facts(_learned(result))]
    parts += [_head("What to do next"), facts(_next_steps(result))]
    return Group(*parts)


def _head(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _compact(text: str) -> str:
    """An answer without its empty lines."""
    return "\n".join(line.strip() for line in clean(text).splitlines() if line.strip()) or "(nothing)"


def _learned(result: DemoResult) -> list[tuple[str, str]]:
    before, after = result.validation_loss_before, result.validation_loss_after
    change = f" ({100 * (after - before) / before:+.0f} %)" if before and after is not None else ""
    return [
        ("held-out loss", f"{loss(before)} before, {loss(after)} after{change}; on rows it never trained on"),
        ("training loss", f"{loss(result.loss_first)} at the first step, {loss(result.loss_last)} at the last"),
        ("steps", f"{count(result.steps)}, now at step {count(result.global_step)} of this model"),
        ("speed", f"{count(result.tokens_per_second)} tokens/s; all of it took {duration(result.seconds)}"),
        ("adapter", result.adapter),
    ]


def _next_steps(result: DemoResult) -> list[tuple[str, str]]:
    start = f"python3 {'main.py' if Path.cwd() == ROOT else ROOT / 'main.py'}"
    end = f"--workspace {result.workspace}"
    return [
        ("train on your file", f"{start} add FILE.jsonl {end}"),
        ("see all answers", f"{start} samples {end}"),
        ("see how it stands", f"{start} status {end}"),
        ("train it further", f"{start} demo {end}"),
        ("your own model", f"{start} base set FOLDER_OR_HUB_ID --workspace ANOTHER_FOLDER"),
    ]
