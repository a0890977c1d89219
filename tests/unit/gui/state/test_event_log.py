from __future__ import annotations

import msgspec
from PySide6.QtCore import Qt
from pytestqt.modeltest import ModelTester

from backend.contract.events import JobRemoved, Notice
from gui.state.event_log import MAX_ROWS, EventLog, EventRole
from tests.fakes.fake_backend import example_session


def notice(number: int) -> Notice:
    return Notice(at=float(number), level="warning", title=f"notice {number}", message="It happened. It is well.")


def texts(log: EventLog) -> list[str]:
    return [log.data(log.index(row), EventRole.TextRole) for row in range(log.rowCount())]


def test_log_shows_the_past_and_what_comes_newest_first(qapp: object, qtmodeltester: ModelTester) -> None:
    log = EventLog()
    log.load([notice(1), JobRemoved(at=1.5, job_id=1), notice(2)])
    log.add(notice(3))
    log.add(JobRemoved(at=4.0, job_id=1))
    assert texts(log) == [f"notice {n}: It happened." for n in (3, 2, 1)]
    top = log.index(0)
    assert log.data(top, EventRole.AtRole) == 3.0
    assert log.data(top, EventRole.LevelRole) == "warning"
    assert log.data(top, EventRole.MoreRole) == "notice 3\nIt happened. It is well."
    assert log.data(top, Qt.ItemDataRole.DisplayRole) == texts(log)[0]
    qtmodeltester.check(log)


def test_log_tells_an_event_once_when_it_is_in_the_snapshot_and_in_the_stream(qapp: object) -> None:
    log = EventLog()
    log.load(example_session(1000).events)
    num = log.rowCount()
    for event in example_session(1000).events[-3:]:
        log.add(event)
    assert log.rowCount() == num


def test_log_tells_one_thing_once_when_two_events_say_it(qapp: object) -> None:
    log = EventLog()
    log.load([notice(1), msgspec.structs.replace(notice(1), at=3.0), msgspec.structs.replace(notice(1), at=300.0)])
    log.add(msgspec.structs.replace(notice(1), at=301.0))
    log.add(notice(302))
    assert [log.data(log.index(row), EventRole.AtRole) for row in range(log.rowCount())] == [302.0, 300.0, 1.0]


def test_log_forgets_the_oldest_when_it_is_full(qapp: object) -> None:
    log = EventLog()
    log.load([notice(n) for n in range(MAX_ROWS + 5)])
    log.add(notice(99_999))
    assert log.rowCount() == MAX_ROWS
    assert texts(log)[0].startswith("notice 99999")
    assert texts(log)[-1] == "notice 6: It happened."


def test_log_passes_hostile_text_on_as_it_is(qapp: object) -> None:
    log = EventLog()
    log.add(Notice(at=1.0, level="info", title="<img src=x>\u202e", message="\x1b[31m"))
    assert texts(log) == ["<img src=x>\u202e: \x1b[31m"]
