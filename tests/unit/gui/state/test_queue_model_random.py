"""Thousands of random happenings: the rows are always what the service's word says, and views are told the truth."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex
from PySide6.QtTest import QAbstractItemModelTester

from backend.contract.jobs import JobState, JobView, Priority
from gui.state.queue_groups import Group, group_of
from gui.state.queue_model import QueueModel
from tests.fakes.fake_backend import job

NOWHERE = QModelIndex()
STATES = list(JobState)
PRIORITIES = list(Priority)


class Happenings:
    """A service that changes its mind, a person who drags, and a view that remembers rows."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.model = QueueModel()
        self.tester = QAbstractItemModelTester(self.model, QAbstractItemModelTester.FailureReportingMode.Warning)
        self.true: dict[int, JobView] = {}
        self.next_id = 1
        self.remembered: dict[int, QPersistentModelIndex] = {}

    def once(self) -> None:
        acts = (self.upsert, self.upsert, self.remove, self.reorder, self.drop, self.key, self.filter, self.drag)
        self.random.choice(acts)()
        self.remember()

    def a_job(self) -> int | None:
        return self.random.choice(list(self.true)) if self.true else None

    def upsert(self) -> None:
        job_id = self.a_job() if self.random.random() < 0.5 else None
        if job_id is None:
            job_id, self.next_id = self.next_id, self.next_id + 1
        one = job(
            job_id,
            self.random.choice(STATES),
            priority=self.random.choice(PRIORITIES),
            position=self.random.randrange(8),
            done_steps=self.random.randrange(9),
        )
        self.true[job_id] = one
        self.model.upsert(one)

    def remove(self) -> None:
        job_id = self.a_job()
        if job_id is not None:
            del self.true[job_id]
            self.model.remove(job_id)

    def reorder(self) -> None:
        job_ids = list(self.true)
        self.random.shuffle(job_ids)
        self.model.reorder(job_ids)

    def drop(self) -> None:
        num_rows = self.model.rowCount()
        if num_rows:
            first, before = self.random.randrange(num_rows), self.random.randrange(num_rows + 1)
            self.model.moveRow(NOWHERE, first, NOWHERE, before)

    def key(self) -> None:
        job_ids = self.random.sample(list(self.true), min(len(self.true), 3))
        self.random.choice((self.model.move_up, self.model.move_down))(job_ids)

    def filter(self) -> None:
        self.model.set_filter(self.random.choice(("", "", "", "1", "file-2")))

    def drag(self) -> None:
        self.model.show_empty_groups = not self.model.show_empty_groups

    def remember(self) -> None:
        """A view keeps hold of some rows; they must follow their jobs."""
        self.remembered = {job_id: index for job_id, index in self.remembered.items() if index.isValid()}
        for job_id, index in self.remembered.items():
            assert self.model.number_at(index.row()) == job_id
        for job_id in self.model.shown_job_ids()[:3]:
            self.remembered.setdefault(job_id, QPersistentModelIndex(self.model.index_of(job_id)))

    def settle(self) -> None:
        self.model.show_empty_groups = False
        self.model.set_filter("")
        self.model.reject_moves()

    def check(self) -> None:
        shown = self.model.shown_job_ids()
        assert sorted(shown) == sorted(self.true)
        groups = [group_of(self.true[job_id]) for job_id in shown]
        assert groups == sorted(groups)
        headers = [number for number in self.model.numbers() if number < 0]
        assert headers == [-1 - group for group in Group if group in groups]
        for job_id, one in self.true.items():
            assert self.model.job_at(self.model.index_of(job_id)) == one


@pytest.mark.parametrize("seed", range(8))
def test_rows_stay_true_through_random_happenings(qapp: object, seed: int) -> None:
    happenings = Happenings(seed)
    for _ in range(6):
        for _ in range(60):
            happenings.once()
        happenings.settle()
        happenings.check()


def test_reload_keeps_rows_that_a_view_holds(qapp: object) -> None:
    happenings = Happenings(99)
    for _ in range(80):
        happenings.upsert()
    happenings.remember()
    jobs = list(happenings.true.values())
    happenings.random.shuffle(jobs)
    happenings.model.load(jobs)
    happenings.remember()
    happenings.check()
