from __future__ import annotations

from pytestqt.qtbot import QtBot

from backend.contract.models import BaseModelView
from backend.contract.spool import Sample, Sampled
from gui.client.connection_state import ConnectionState
from gui.state.base_store import BaseStore
from gui.state.sample_store import SampleStore
from gui.state.session_store import SessionStore
from gui.state.wording import count, duration, share
from tests.fakes.fake_backend import example_session, status


def base(state: str, base_id: str = "smol") -> BaseModelView:
    return BaseModelView(base_id=base_id, source="org/smol", folder="/x", state=state)


def sampled(step: int, *texts: str) -> Sampled:
    samples = [Sample(prompt=f"prompt {n}", text=text, has_think_tag=False) for n, text in enumerate(texts)]
    return Sampled(n=1, at=float(step), job_id=3, global_step=step, samples=samples, think_tag_percent=0.0)


def test_session_keeps_the_last_status_when_the_connection_goes(qapp: object, qtbot: QtBot) -> None:
    session = SessionStore()
    assert (session.can_undo, session.can_redo, session.is_connected) == ("", "", False)
    session.set_connection(ConnectionState.CONNECTED)
    session.set_status(status(can_undo="move job 4", can_redo="hold of job 2"))
    with qtbot.waitSignal(session.connection_changed):
        session.set_connection(ConnectionState.GONE)
    with qtbot.assertNotEmitted(session.connection_changed):
        session.set_connection(ConnectionState.GONE)
    assert (session.can_undo, session.can_redo, session.is_connected) == ("move job 4", "hold of job 2", False)


def test_base_in_force_stays_while_another_is_prepared(qapp: object, qtbot: QtBot) -> None:
    store = BaseStore()
    store.load(base("fetching"), None)
    assert (store.base, store.preparing) == (None, base("fetching"))
    store.set_base(base("ready"))
    assert (store.base, store.preparing) == (base("ready"), None)
    with qtbot.waitSignal(store.changed):
        store.set_base(base("failed", "other"))
    assert (store.base, store.preparing) == (base("ready"), base("failed", "other"))
    session = example_session(10)
    store.load(session.base, session.lineage)
    assert (store.base, store.preparing, store.lineage) == (session.base, None, session.lineage)


def test_samples_show_the_newest_answer_beside_the_one_before(qapp: object, qtbot: QtBot) -> None:
    store = SampleStore()
    assert (store.latest, store.previous, store.prompts) == (None, None, [])
    store.load(example_session(1000).samples)
    assert store.latest is not None
    assert store.previous is not None
    assert store.latest.step > store.previous.step
    store.add(sampled(2000, "first", "second"))
    assert store.prompt == "A customer was charged twice. Reply."
    with qtbot.waitSignal(store.changed):
        store.choose("prompt 1")
    store.choose("unheard of")
    assert (store.latest.text, store.previous) == ("second", None)


def test_samples_are_kept_once_a_step_and_only_so_many(qapp: object) -> None:
    store = SampleStore()
    for step in range(1, 100):
        store.add(sampled(step, f"answer {step}"))
        store.add(sampled(step, f"again {step}"))
    assert store.latest is not None
    assert store.previous is not None
    assert (store.latest.text, store.previous.text) == ("again 99", "again 98")
    store.load([])
    assert (store.latest, store.prompt) == (None, "")


def test_wording_has_thin_spaces_and_two_units_at_most() -> None:
    assert count(12480) == "12\u202f480"
    assert share(0.624) == "62\u202f%"
    spans = [duration(seconds).replace("\u202f", " ") for seconds in (0, 59.4, 60, 2280, 11_100, 3599, 180_000)]
    assert spans == ["0 s", "59 s", "1 min", "38 min", "3 h 05 min", "1 h 00 min", "2 d 2 h"]
