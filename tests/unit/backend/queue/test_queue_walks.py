"""Random walks through the queue: places stay whole, one job trains at most, and every wish can be taken back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from backend.contract.arguments import JobArgs, MoveArgs, PriorityArgs
from backend.contract.errors import EverstepError
from backend.contract.jobs import ACTIVE_STATES, WAITING_STATES, JobState, Priority
from backend.queue import queue
from backend.store.database import Database
from tests.unit.backend.queue.queue_help import add, check

JOBS = st.lists(st.integers(1, 8), min_size=1, max_size=3)
MEMORY = Path("/dev/shm")


class QueueWalk(RuleBasedStateMachine):
    """Users and service act on one queue in any order."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        root = Path(self.folder.name)
        self.database = Database.open(root / "everstep.db", root / "journal.jsonl")
        for priority in Priority:
            add(self.database, priority)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()

    def snapshot(self) -> list[tuple[int, str, str, int]]:
        views = self.database.read(lambda tx: queue.list_jobs(tx))
        return [(view.job_id, view.state, view.priority, view.position) for view in views]

    def wish(self, verb: Any, args: Any) -> None:
        """A refused wish changes nothing; a granted one can be taken back and done again."""
        before = self.snapshot()
        title = self.database.read(queue.undo_titles)[0]
        sequence = self.database.last_sequence
        try:
            self.database.run(lambda tx: verb(tx, args))
        except EverstepError:
            assert self.snapshot() == before
            assert self.database.last_sequence == sequence
            return
        after = self.snapshot()
        if self.database.read(queue.undo_titles)[0] != title:
            self.database.run(queue.undo)
            assert self.snapshot() == before
            self.database.run(queue.redo)
        assert self.snapshot() == after

    @rule(priority=st.sampled_from(Priority), is_checked=st.booleans())
    @precondition(lambda self: len(self.snapshot()) < 8)
    def add(self, priority: Priority, is_checked: bool) -> None:
        add(self.database, priority, checked=is_checked)

    @rule(job_id=st.integers(1, 8))
    def finish_check(self, job_id: int) -> None:
        views = {view.job_id: view for view in self.database.read(lambda tx: queue.list_jobs(tx))}
        if job_id in views and views[job_id].state == JobState.CHECKING:
            self.database.run(lambda tx: check(tx, job_id))

    @rule()
    def start(self) -> None:
        if self.database.read(queue.active) is None:
            view = self.database.read(queue.next_runnable)
            if view is not None:
                self.database.run(lambda tx: queue.set_state(tx, view.job_id, JobState.STARTING))

    @rule(state=st.sampled_from(["training", "finished", "skipped", "failed", "interrupted"]))
    def go_on(self, state: str) -> None:
        view = self.database.read(queue.active)
        if view is not None and state == "interrupted":
            self.database.run(lambda tx: queue.interrupt(tx, view.job_id, "killed"))
            assert self.database.read(queue.next_runnable).job_id == view.job_id
        elif view is not None:
            self.database.run(lambda tx: queue.set_state(tx, view.job_id, JobState(state)))

    @rule(job_ids=JOBS, anchor=st.integers(1, 8), where=st.sampled_from(["before", "after", "to"]))
    def move(self, job_ids: list[int], anchor: int, where: str) -> None:
        self.wish(queue.move, MoveArgs(job_ids=job_ids, **{where: anchor}))

    @rule(job_ids=JOBS, priority=st.sampled_from(Priority))
    def set_priority(self, job_ids: list[int], priority: Priority) -> None:
        self.wish(queue.set_priority, PriorityArgs(job_ids=job_ids, priority=priority))

    @rule(job_ids=JOBS, verb=st.sampled_from([queue.hold, queue.release, queue.retry, queue.remove]))
    def other_wish(self, job_ids: list[int], verb: Any) -> None:
        self.wish(verb, JobArgs(job_ids=job_ids))

    @rule(verb=st.sampled_from([queue.undo, queue.redo]))
    def walk_back(self, verb: Any) -> None:
        try:
            self.database.run(verb)
        except EverstepError:
            return

    @invariant()
    def places_are_whole(self) -> None:
        if not hasattr(self, "database"):
            return
        views = self.database.read(lambda tx: queue.list_jobs(tx))
        assert sum(view.state in ACTIVE_STATES for view in views) <= 1
        for priority in Priority:
            waiting = [v.position for v in views if v.priority == priority and v.state in WAITING_STATES]
            assert sorted(waiting) == list(range(len(waiting)))
        for view in views:
            assert self.database.read(lambda tx, view=view: queue.get(tx, view.job_id)) == view
            assert self.database.read(lambda tx, view=view: queue.state(tx, view.job_id)) == view.state
        for every in (False, True):
            listed = self.database.read(lambda tx, every=every: queue.list_jobs(tx, every=every))
            for offset, limit in ((0, 99), (0, 2), (1, 3), (5, 2), (99, 9)):
                page = self.database.read(
                    lambda tx, every=every, at=offset, most=limit: queue.page(tx, every=every, offset=at, limit=most)
                )
                assert page == (listed[offset : offset + limit], len(listed))
        waiting = [view for view in views if view.state in (JobState.QUEUED, JobState.CHECKING)]
        totals = self.database.read(queue.waiting_totals)
        assert totals.num_jobs == len(waiting)
        assert totals.num_steps == sum(max(0, view.total_steps - view.done_steps) for view in waiting)
        assert totals.num_unknown == sum(not view.total_steps for view in waiting)


def test_queue_keeps_its_promises_on_random_walks() -> None:
    few = settings(max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(QueueWalk, settings=few)
