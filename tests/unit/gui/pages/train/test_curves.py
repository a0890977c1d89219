"""Chart and small curves over one history: nothing while hidden, everything at once when shown, one crosshair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from backend.contract.events import StepDone
from backend.contract.results import HistoryMarksResult
from backend.contract.status import EvaluationRow, FileSpan, ResumeMark, TrainerView
from gui.pages.train.curves import Curves
from gui.state.metric_history import MetricHistory
from gui.state.session_store import SessionStore
from gui.theme.palette import Look
from gui.widgets.chart import Band, Mark
from tests.fakes.example_session import NOW, example_history, status
from tests.unit.gui.pages.train.conftest import Wishes, bury, show_in_host

Told = dict[str, tuple[Any, ...]]


@pytest.fixture
def history() -> MetricHistory:
    return MetricHistory()


@pytest.fixture
def session() -> SessionStore:
    return SessionStore()


@pytest.fixture
def host(qtbot: QtBot, dressed: Look, history: MetricHistory, session: SessionStore) -> Iterator[QWidget]:
    shown = show_in_host(qtbot, Curves(history, session), 700, 600)
    yield shown
    bury(shown)


@pytest.fixture
def curves(host: QWidget) -> Curves:
    found = host.findChild(Curves)
    assert isinstance(found, Curves)
    return found


@pytest.fixture
def told(curves: Curves, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What the chart was told last, by the name of its method."""
    last: Told = {}

    def listen(name: str) -> None:
        tell = getattr(curves.chart, name)

        def spy(*values: Any, **more: Any) -> None:
            last[name] = values
            tell(*values, **more)

        monkeypatch.setattr(curves.chart, name, spy)

    for name in ("set_raw", "set_validation", "set_bands", "set_marks", "set_hover"):
        listen(name)
    return last


def num_points(told: Told) -> int:
    return len(told["set_raw"][0]) if "set_raw" in told else 0


def step(number: int) -> StepDone:
    return StepDone(
        at=NOW + number,
        job_id=3,
        global_step=number,
        loss=1.0,
        learning_rate=1e-4,
        grad_norm=0.5,
        tokens_per_second=100.0,
        num_tokens=200,
        memory_bytes=2**30,
    )


def test_curves_show_the_history_within_a_fifth_of_a_second(
    qtbot: QtBot, curves: Curves, history: MetricHistory, told: Told
) -> None:
    history.load(example_history(300))

    qtbot.waitUntil(lambda: num_points(told) == 300)
    assert all(len(small.line._series) == 300 for small in curves._small)


def test_curves_show_what_came_in_several_turns(
    qtbot: QtBot, curves: Curves, history: MetricHistory, told: Told
) -> None:
    at_once: list[int] = []
    curves._turns.timeout.connect(lambda: at_once.append(sum(len(small.line._series) for small in curves._small)))

    history.load(example_history(10))

    qtbot.waitUntil(lambda: num_points(told) == 10)
    assert at_once == [40, 40]  # two small ones in the turn that began it, two in the next, the chart in the last
    assert not curves._turns.isActive()


def test_curves_take_ten_steps_with_one_repaint(
    qtbot: QtBot, curves: Curves, history: MetricHistory, told: Told
) -> None:
    repaints = []
    curves._timer.timeout.connect(lambda: repaints.append(1))

    for number in range(1, 11):
        history.append(step(number))

    qtbot.waitUntil(lambda: num_points(told) == 10)
    assert repaints == [1]


def test_curves_do_nothing_while_hidden_and_catch_up_when_shown(
    qtbot: QtBot, host: QWidget, curves: Curves, history: MetricHistory, told: Told
) -> None:
    host.hide()

    history.load(example_history(50))
    history.append(step(51))

    assert not curves._timer.isActive()
    assert num_points(told) == 0
    host.show()
    assert num_points(told) == 51


def test_curves_show_files_recoveries_and_evaluations(
    qtbot: QtBot, curves: Curves, history: MetricHistory, told: Told
) -> None:
    history.load(example_history(100))
    history.set_marks(
        HistoryMarksResult(
            files=[FileSpan(job_id=1, file_name="<b>a</b>.jsonl", first_step=1, last_step=100)],
            resumes=[ResumeMark(step=51, at=NOW, reason="killed", num_replayed=3)],
            evaluations=[
                EvaluationRow(
                    step=50,
                    job_id=1,
                    validation_id="v",
                    validation_loss=0.9,
                    train_loss=0.8,
                    gap=0.1,
                    heldout_loss=None,
                    at=NOW,
                )
            ],
        )
    )

    qtbot.waitUntil(lambda: "set_marks" in told)
    assert told["set_marks"] == ([Mark(51, "resumed at 51 · 3 steps again · killed")],)
    assert told["set_bands"] == ([Band(1, 100, "<b>a</b>.jsonl")],)
    x, losses = told["set_validation"]
    assert (x.tolist(), losses.tolist()) == ([50.0], [0.9])


def test_curves_ask_for_finer_points_where_the_user_looks(
    qtbot: QtBot, curves: Curves, history: MetricHistory, told: Told
) -> None:
    coarse = example_history(40)
    history.load(coarse)
    asked = Wishes(history, "request_range").said

    curves.chart.range_changed.emit(10.0, 20.0, 600)
    assert asked == []  # every step is there already

    history._whole._buffer[0, :40] *= 100  # the same points, a hundred steps each
    curves.chart.range_changed.emit(1000.0, 2000.0, 600)
    assert len(asked) == 1


def test_curves_share_one_crosshair(qtbot: QtBot, curves: Curves, history: MetricHistory, told: Told) -> None:
    history.load(example_history(100))
    qtbot.waitUntil(lambda: num_points(told) == 100)

    curves._small[0].hovered.emit(40.0)
    assert told["set_hover"] == (40.0,)
    assert [small.line._hover for small in curves._small] == [39, 39, 39, 39]
    curves.chart.hovered.emit(None)
    assert [small.line._hover for small in curves._small] == [None] * 4


def test_curves_move_to_another_axis_at_once(qtbot: QtBot, curves: Curves, history: MetricHistory, told: Told) -> None:
    history.load(example_history(100))
    qtbot.waitUntil(lambda: num_points(told) == 100)

    curves.chart.set_axis("tokens")

    assert told["set_raw"][0][-1] == history.series("tokens")[-1]


def test_memory_is_called_what_it_is(curves: Curves, session: SessionStore) -> None:
    on_card = TrainerView(pid=1, attempt_id="a", attempt_seq=1, phase="training", started_at=NOW, device="cuda:0")

    session.set_status(status(trainer=on_card))
    assert curves._small[-1].accessibleName() == "GPU memory"
    session.set_status(status())
    assert curves._small[-1].accessibleName() == "Memory"
