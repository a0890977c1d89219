from __future__ import annotations

import tracemalloc

import msgspec
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from backend.contract.arguments import HistoryArgs
from backend.contract.events import StepDone
from backend.contract.results import HistoryMarksResult, HistoryResult
from backend.contract.status import EvaluationRow
from gui.state.metric_history import MetricHistory
from tests.fakes.fake_backend import example_session


def step(number: int, **more: object) -> StepDone:
    given = {
        "at": 1000.0 + number,
        "job_id": 3,
        "global_step": number,
        "loss": 1.0 / number,
        "learning_rate": 1e-4,
        "grad_norm": 0.5,
        "tokens_per_second": 400.0,
        "num_tokens": 100,
        "memory_bytes": 10**9,
        **more,
    }
    return StepDone(**given)  # type: ignore[arg-type]


def evaluation(number: int, loss: float | None = 0.7) -> EvaluationRow:
    return EvaluationRow(
        step=number,
        job_id=3,
        validation_id="v",
        validation_loss=loss,
        train_loss=0.6,
        gap=0.1,
        heldout_loss=None,
        at=float(number),
    )


def served(num_steps: int, **args: int) -> HistoryResult:
    session = example_session(num_steps)
    answer = session.answers()["history"]
    assert callable(answer)
    result = answer(HistoryArgs(**args))
    assert isinstance(result, HistoryResult)
    return result


@pytest.fixture
def metrics(qapp: object) -> MetricHistory:
    return MetricHistory()


def test_append_adds_a_point_in_every_column(metrics: MetricHistory, qtbot: QtBot) -> None:
    with qtbot.waitSignal(metrics.appended) as signal, qtbot.assertNotEmitted(metrics.changed):
        metrics.append(step(1))
    assert signal.args == [1]
    metrics.append(step(2))
    assert list(metrics.series("step")) == [1, 2]
    assert list(metrics.series("tokens")) == [100, 200]
    assert metrics.series("loss_min")[1] == metrics.series("loss")[1] == metrics.series("loss_max")[1] == 0.5
    assert metrics.newest_step == 2


def test_append_goes_on_after_what_was_loaded(metrics: MetricHistory) -> None:
    metrics.load(served(1000, buckets=100))
    assert len(metrics) == 100
    tokens = metrics.series("tokens")[-1]
    metrics.append(step(1001))
    assert metrics.newest_step == 1001
    assert metrics.series("tokens")[-1] == tokens + 100


def test_append_replaces_a_step_that_was_trained_again(metrics: MetricHistory, qtbot: QtBot) -> None:
    for number in range(1, 11):
        metrics.append(step(number))
    with qtbot.waitSignal(metrics.changed), qtbot.assertNotEmitted(metrics.appended):
        metrics.append(step(7, loss=9.0))
    assert metrics.series("loss")[6] == 9.0
    assert list(metrics.series("tokens")) == [100 * n for n in range(1, 11)]
    assert metrics.newest_step == 10


def test_append_leaves_thinned_points_alone_when_their_steps_come_again(metrics: MetricHistory) -> None:
    metrics.load(served(1000, buckets=100))
    before = metrics.series("loss").copy()
    metrics.append(step(500, loss=9.0))
    metrics.append(step(505, loss=9.0))
    assert np.array_equal(metrics.series("loss"), before)


def test_append_tells_a_gap_and_fill_closes_it(metrics: MetricHistory, qtbot: QtBot) -> None:
    history = served(100, buckets=1000)
    metrics.load(served(100, start=0, end=40, buckets=1000))
    with qtbot.waitSignal(metrics.gap_found) as signal:
        metrics.append(step(61))
    metrics.append(step(62))
    assert signal.args == [41, 60]
    metrics.fill(served(100, start=41, end=60, buckets=1000))
    assert list(metrics.series("step")) == list(range(1, 63))
    assert list(metrics.series("tokens")[:60]) == history.tokens[:60]
    assert metrics.series("tokens")[61] == history.tokens[59] + 200


def test_fill_changes_nothing_when_the_service_knows_nothing(metrics: MetricHistory, qtbot: QtBot) -> None:
    metrics.append(step(1))
    with qtbot.assertNotEmitted(metrics.changed):
        metrics.fill(HistoryResult())
    assert len(metrics) == 1


def test_thinned_tail_is_filled_step_by_step_without_losing_points(metrics: MetricHistory) -> None:
    metrics.load(served(20_000, buckets=4000))
    tail = metrics.thinned_tail
    assert tail is not None
    metrics.fill(served(20_000, start=tail[0], end=tail[1], buckets=5000))
    assert metrics.thinned_tail is None
    steps = metrics.series("step")
    assert steps[-1] == 20_000
    assert set(np.diff(steps)) == {1, 5}
    assert list(steps[-2000:]) == list(range(18_001, 20_001))


def test_thinned_tail_is_none_when_every_step_has_its_point(metrics: MetricHistory) -> None:
    assert metrics.thinned_tail is None
    metrics.load(served(500, buckets=1000))
    assert metrics.thinned_tail is None


def test_memory_and_points_stay_bounded_when_training_goes_on_for_long(metrics: MetricHistory) -> None:
    for number in range(1, 13_000):
        metrics.append(step(number))
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(13_000, 60_000):
        metrics.append(step(number))
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert growth < 2_000_000
    assert len(metrics) <= 12_000
    steps = metrics.series("step")
    assert np.all(np.diff(steps) > 0)
    assert list(steps[-4000:]) == list(range(56_000, 60_000))
    assert metrics.series("tokens")[-1] == 100 * 59_999
    assert np.all(metrics.series("loss_min") <= metrics.series("loss"))


def test_look_asks_for_finer_points_when_there_are_fewer_than_pixels(metrics: MetricHistory, qtbot: QtBot) -> None:
    metrics.load(served(10_000, buckets=1000))
    with qtbot.waitSignal(metrics.request_range) as signal:
        metrics.look(2000, 3000, 800)
    assert signal.args == [1500, 3500, 2001]
    metrics.set_window(served(10_000, start=1500, end=3500, buckets=2001))
    steps = metrics.series("step")
    assert np.all(np.diff(steps) > 0)
    assert {1, 10} >= set(np.diff(steps)[:100])
    with qtbot.assertNotEmitted(metrics.request_range):
        metrics.look(2000, 3000, 500)
        metrics.look(1, 10_000, 800)


def test_look_asks_once_when_the_service_has_no_more_points(metrics: MetricHistory, qtbot: QtBot) -> None:
    metrics.load(served(10_000, buckets=1000))
    seen: list[tuple[int, int, int]] = []
    metrics.request_range.connect(lambda *wanted: seen.append(wanted))
    for _ in range(5):
        metrics.look(2000, 3000, 800)
        metrics.set_window(served(10_000, start=1500, end=3500, buckets=20))
    assert len(seen) == 1
    metrics.load(served(10_000, buckets=1000))
    metrics.look(2000, 3000, 800)
    assert len(seen) == 2


def test_look_asks_for_nothing_when_there_is_nothing(metrics: MetricHistory, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(metrics.request_range):
        metrics.look(1, 100, 800)
        metrics.append(step(1))
        metrics.look(0, 1, 800)
        metrics.look(5, 900, 800)


def test_window_stays_while_steps_are_appended_and_goes_with_a_new_history(metrics: MetricHistory) -> None:
    metrics.load(served(10_000, buckets=1000))
    metrics.set_window(served(10_000, start=5000, end=6000, buckets=5000))
    num = len(metrics)
    metrics.append(step(10_001))
    assert len(metrics) == num + 1
    assert metrics.series("step")[-1] == 10_001
    metrics.append(step(5500, loss=9.0))
    steps = metrics.series("step")
    assert metrics.series("loss")[np.searchsorted(steps, 5500)] == 9.0
    metrics.load(served(10_000, buckets=1000))
    assert len(metrics) == 1000


def test_axes_translate_steps_both_ways(metrics: MetricHistory) -> None:
    for number in range(1, 11):
        metrics.append(step(number))
    assert metrics.on_axis("tokens", 4) == 400
    metrics.set_marks(HistoryMarksResult(evaluations=[evaluation(4)]))
    assert list(metrics.validation_points("tokens")[0]) == [400]
    assert list(metrics.validation_points("time")[0]) == [1004.0]
    assert metrics.step_at("tokens", 450) == 4.5
    assert metrics.on_axis("time", 4) == 1004.0
    assert metrics.on_axis("step", 4) == metrics.step_at("step", 4) == 4
    assert list(metrics.axis("time")) == [1000.0 + n for n in range(1, 11)]


def test_evaluations_stay_in_order_and_once_a_step(metrics: MetricHistory, qtbot: QtBot) -> None:
    with qtbot.waitSignal(metrics.marks_changed):
        for number in (30, 10, 20):
            metrics.add_evaluation(evaluation(number))
    metrics.add_evaluation(evaluation(20, 0.5))
    metrics.add_evaluation(evaluation(40, None))
    assert [row.step for row in metrics.evaluations] == [10, 20, 30, 40]
    x, y = metrics.validation_points()
    assert (list(x), list(y)) == ([10, 20, 30], [0.7, 0.5, 0.7])
    before = metrics.evaluation_before(25)
    assert before is not None
    assert before.step == 20
    assert metrics.evaluation_before(9) is None


def test_files_grow_with_their_steps_and_a_new_one_begins(metrics: MetricHistory, qtbot: QtBot) -> None:
    session = example_session(1000)
    metrics.load(session.history)
    metrics.set_marks(session.marks)
    metrics._growth_timer.setInterval(10)
    with qtbot.waitSignal(metrics.marks_changed):
        metrics.append(step(1001, job_id=3))
    metrics.append(step(1002, job_id=4), "next.jsonl")
    metrics.append(step(1000, job_id=4), "next.jsonl")
    spans = [(span.file_name, span.last_step) for span in metrics.files[-2:]]
    assert spans == [("support-chats.jsonl", 1001), ("next.jsonl", 1002)]
    assert session.marks.files[-1].last_step == 1000  # what was handed in is not written to


def test_load_starts_over_when_the_database_is_another(metrics: MetricHistory) -> None:
    metrics.load(served(5000, buckets=4000))
    metrics.load(msgspec.structs.replace(served(10, buckets=4000)))
    assert metrics.newest_step == 10
    metrics.append(step(11))
    assert metrics.newest_step == 11
