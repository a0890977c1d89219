from __future__ import annotations

import pytest

from backend.contract.datasets import DatasetView
from backend.contract.events import (
    BaseChanged,
    ConfigChanged,
    DatasetChecked,
    EvaluationDone,
    JobChanged,
    JobRemoved,
    Notice,
    QueueReordered,
    RunStateChanged,
    ServiceEvent,
    StatusChanged,
)
from backend.contract.jobs import JobState
from backend.contract.models import BaseModelView
from backend.contract.spool import Evaluated
from gui.state.event_words import more, words
from tests.fakes.fake_backend import example_session, job, status


def changed(state: JobState, cause: str | None = None, **given: object) -> JobChanged:
    return JobChanged(at=1.0, job=job(3, state, **given), cause=state.value if cause is None else cause)


def base(state: str) -> BaseChanged:
    return BaseChanged(
        at=1.0, base=BaseModelView(base_id="smol-1", source="org/smol", folder="/x", state=state, reason="no space")
    )


def measured(validation: float | None, gap: float | None, heldout: float | None) -> EvaluationDone:
    return EvaluationDone(
        at=1.0,
        evaluation=Evaluated(
            n=1,
            at=1.0,
            job_id=3,
            global_step=7,
            validation_id="v",
            validation_loss=validation,
            gap=gap,
            heldout_loss=heldout,
        ),
    )


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (changed(JobState.STARTING), ("info", "file-3.jsonl started")),
        (changed(JobState.STARTING, reason="recovering: killed"), ("warning", "file-3.jsonl: recovering: killed")),
        (changed(JobState.FINISHED, num_rows=7473), ("good", "file-3.jsonl done, 7\u202f473 examples")),
        (changed(JobState.SKIPPED), ("info", "file-3.jsonl skipped")),
        (changed(JobState.BLOCKED, reason="why"), ("warning", "file-3.jsonl needs you: why")),
        (changed(JobState.FAILED, reason="why"), ("error", "file-3.jsonl failed: why")),
        (changed(JobState.QUARANTINED), ("error", "file-3.jsonl was set aside")),
        (changed(JobState.QUEUED, "interrupted", reason="stopped"), ("info", "file-3.jsonl: stopped")),
        (measured(0.7041, 0.12, None), ("info", "evaluation: validation 0.704, gap 0.12")),
        (measured(0.7041, None, None), ("info", "evaluation: validation 0.704")),
        (measured(None, None, 0.5), ("info", "evaluation: held-out 0.500")),
        (measured(None, None, None), ("info", "evaluation: no rows to measure with")),
        (base("ready"), ("good", "base model smol-1 is ready")),
        (base("failed"), ("error", "base model org/smol failed: no space")),
        (RunStateChanged(at=1.0, run_state="paused"), ("info", "training paused")),
        (RunStateChanged(at=1.0, run_state="stopped"), ("info", "training stopped")),
        (RunStateChanged(at=1.0, run_state="stopped", cause="asked"), ("info", "training stopped: asked")),
        (
            RunStateChanged(at=1.0, run_state="stopped", cause="stop --now"),
            ("info", "training stopped: at once, by you"),
        ),
        (
            changed(JobState.BLOCKED, reason="none yet: `base set`"),
            ("warning", "file-3.jsonl needs you: none yet: choose a base model"),
        ),
        (RunStateChanged(at=1.0, run_state="running"), ("info", "training resumed")),
        (ConfigChanged(at=1.0, key="training.seed", old="1", new="2"), ("info", "Seed is now 2")),
        (Notice(at=1.0, level="odd", title="T", message="One. Two."), ("info", "T: One.")),
        (Notice(at=1.0, level="error", title="T", message="One"), ("error", "T: One")),
    ],
)
def test_words_tell_what_happened_in_one_line(event: ServiceEvent, told: tuple[str, str]) -> None:
    assert words(event) == told


@pytest.mark.parametrize(
    "event",
    [
        changed(JobState.QUEUED, "added"),
        changed(JobState.FAILED, "undo"),
        changed(JobState.SAVING),
        base("fetching"),
        JobRemoved(at=1.0, job_id=3),
        QueueReordered(at=1.0, job_ids=[3]),
        DatasetChecked(at=1.0, dataset=DatasetView(dataset_id="d", file_name="f", size_bytes=1, added_at=1.0)),
        StatusChanged(at=1.0, status=status()),
    ],
)
def test_words_are_none_when_it_is_not_worth_a_line(event: ServiceEvent) -> None:
    assert words(event) is None


def test_words_know_every_event_of_an_afternoon() -> None:
    assert all(words(event) is not None for event in example_session(1000).events)


def test_more_has_what_the_line_had_no_room_for() -> None:
    assert more(Notice(at=1.0, level="info", title="T", message="One. Two.")) == "T\nOne. Two."
    assert more(changed(JobState.QUARANTINED, reason="why")) == "why"
    assert more(JobRemoved(at=1.0, job_id=3)) == ""
