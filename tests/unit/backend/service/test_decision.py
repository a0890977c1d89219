"""The dispatcher's mind: every combination of facts gives a decision that keeps the promises."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from backend.contract.spool import Desired
from backend.contract.status import RunState
from backend.service.decision import Decision, Facts, decide

RUN, PAUSE, STOP = Desired.RUN, Desired.PAUSE, Desired.STOP
NOTHING = Decision()


def facts(**given: Any) -> Facts:
    return Facts(**{"run_state": RunState.RUNNING, **given})


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        ({}, NOTHING),
        ({"next_job": 4}, Decision(starts_trainer=True)),
        ({"next_job": 4, "may_start": False}, NOTHING),
        ({"next_job": 4, "has_trainer": True}, Decision(desired=RUN, job_id=4)),
        ({"next_job": 4, "has_trainer": True, "assigned_job": 4}, Decision(desired=RUN, job_id=4)),
        ({"next_job": 4, "has_trainer": True, "trainer_fits": False}, Decision(desired=STOP)),
        (
            {"next_job": 4, "has_trainer": True, "assigned_job": 4, "trainer_fits": False},
            Decision(desired=RUN, job_id=4),
        ),
        ({"has_trainer": True}, Decision(desired=RUN)),
        ({"has_trainer": True, "is_idle_for_long": True}, Decision(desired=STOP)),
        ({"has_trainer": True, "is_leaving": True, "next_job": 4, "assigned_job": 4}, Decision(desired=RUN)),
        ({"is_leaving": True, "next_job": 4}, NOTHING),
    ],
)
def test_decide_works_when_running(given: dict[str, Any], decision: Decision) -> None:
    assert decide(facts(**given)) == decision


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        ({}, NOTHING),
        ({"has_trainer": True, "assigned_job": 4}, Decision(desired=PAUSE, job_id=4)),
        ({"has_trainer": True, "assigned_job": 4, "is_leaving": True}, Decision(desired=PAUSE)),
        ({"has_trainer": True}, Decision(desired=PAUSE)),
        ({"has_trainer": True, "assigned_job": 4, "frees_when_paused": True}, Decision(desired=STOP, job_id=4)),
        ({"frees_when_paused": True}, NOTHING),
    ],
)
def test_decide_holds_when_paused(given: dict[str, Any], decision: Decision) -> None:
    assert decide(facts(run_state=RunState.PAUSED, next_job=4, **given)) == decision


@pytest.mark.parametrize(
    "forbids", [{"run_state": RunState.STOPPED}, {"stop_file": True}, {"is_shutting_down": True}], ids=str
)
def test_decide_ends_the_trainer_when_training_is_forbidden(forbids: dict[str, Any]) -> None:
    assert decide(facts(**forbids, next_job=4, has_trainer=True, assigned_job=4)) == Decision(desired=STOP, job_id=4)
    assert decide(facts(**forbids, next_job=4)) == NOTHING


def every_case() -> list[Facts]:
    flags = ["stop_file", "is_shutting_down", "is_safe_mode", "frees_when_paused", "is_leaving", "may_start"]
    flags += ["has_trainer", "was_told_to_stop", "trainer_fits", "is_idle_for_long"]
    return [
        facts(run_state=state, next_job=job, assigned_job=assigned, **dict(zip(flags, values, strict=True)))
        for state in RunState
        for job, assigned in ((None, None), (4, None), (4, 4), (5, 4))
        for values in itertools.product((False, True), repeat=len(flags))
    ]


def test_decide_never_starts_a_trainer_where_none_may_run() -> None:
    for case in every_case():
        if decide(case).starts_trainer:
            assert case.run_state is RunState.RUNNING
            assert case.next_job is not None
            assert case.may_start
            assert not (case.stop_file or case.is_shutting_down or case.is_safe_mode or case.has_trainer)


def test_decide_never_takes_back_a_stop() -> None:
    for case in every_case():
        if case.has_trainer and case.was_told_to_stop and not case.is_safe_mode:
            assert decide(case).desired is STOP


def test_decide_tells_nothing_where_nobody_listens() -> None:
    for case in every_case():
        if not case.has_trainer:
            assert decide(case).desired is None
