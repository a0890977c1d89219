"""Cycles are collected on the thread of the widgets, whoever made them."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from pytestqt.qtbot import QtBot

from gui.collector import Collector


class Cycle:
    """Holds itself; notes on which thread it is taken apart."""

    ended_on: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Cycle.ended_on.append(threading.get_ident())


def make_cycles(number: int = 5000) -> None:
    for _ in range(number):
        Cycle()


def on_another_thread() -> int:
    thread = threading.Thread(target=make_cycles)
    thread.start()
    thread.join()
    assert thread.ident is not None
    return thread.ident


@pytest.fixture(autouse=True)
def nothing_noted() -> Iterator[None]:
    gc.collect()
    Cycle.ended_on.clear()
    gc.enable()
    yield
    gc.collect()
    Cycle.ended_on.clear()
    assert gc.isenabled()


def test_python_alone_collects_on_the_thread_that_allocates() -> None:
    gc.enable()

    other = on_another_thread()

    assert other in Cycle.ended_on  # why there is a collector at all


def test_collector_leaves_nothing_to_other_threads(qtbot: QtBot) -> None:
    collector = Collector()
    on_another_thread()
    assert Cycle.ended_on == []

    qtbot.waitUntil(lambda: len(Cycle.ended_on) == 5000, timeout=5000)
    collector.stop()

    assert set(Cycle.ended_on) == {threading.get_ident()}


def test_collector_reaches_what_grew_old(qtbot: QtBot) -> None:
    collector = Collector()
    kept = [Cycle() for _ in range(1000)]
    for _ in range(30):  # the kept ones grow old while others come and go
        make_cycles(1000)
        collector.look()
    Cycle.ended_on.clear()
    kept.clear()
    for _ in range(300):
        make_cycles(1000)
        collector.look()
    collector.stop()

    assert len(Cycle.ended_on) >= 300_000


def test_settled_things_are_left_out_of_later_looks(qtbot: QtBot) -> None:
    collector = Collector()
    collector.settle()
    collector.stop()

    assert gc.get_freeze_count() > 10_000
    assert gc.isenabled()
