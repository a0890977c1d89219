"""All that a user can do, by verb of the contract, for pages, menus, shortcuts, tray and palette."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from backend.contract.jobs import JobView
from backend.contract.verbs import BY_NAME
from gui.actions import queue as queue_rules
from gui.actions import training as training_rules
from gui.actions.action import Action, Command
from gui.actions.errands import Caller, Errands, Rule, why_not_live, why_unreachable
from gui.actions.files import FileActions
from gui.actions.queue import QueueActions
from gui.actions.setup import SetupActions
from gui.actions.training import TrainingActions
from gui.state.stores import Stores

__all__ = ["NOT_IN_PALETTE", "Action", "Actions", "Command"]

_SHOWN = "the window shows it without being asked"
_NO_PAGE = "has no page yet"
NOT_IN_PALETTE: dict[str, str] = {
    "queue.list": _SHOWN,
    "queue.status": _SHOWN,
    "status": _SHOWN,
    "metrics": _SHOWN,
    "history": _SHOWN,
    "history.marks": _SHOWN,
    "events": _SHOWN,
    "evaluations": _SHOWN,
    "samples": _SHOWN,
    "base.show": _SHOWN,
    "queue.move": "needs a place: drag, or Alt+Up and Alt+Down",
    "logs": _NO_PAGE,
    "config.show": _NO_PAGE,
    "config.set": _NO_PAGE,
    "validation.show": _NO_PAGE,
    "validation.set": _NO_PAGE,
    "lineage.new": _NO_PAGE,
    "checkpoints.list": _NO_PAGE,
}
"""Verbs of the contract that the palette does not offer, and why."""


class Actions(QObject):
    """One method a verb. What became of each is told by `failed` and `done`."""

    failed = Signal(object)  # ErrorBody
    done = Signal(str)  # a sentence
    input_requested = Signal(str)
    """A verb was chosen that needs a file or a choice: `add` or `base.set`. The shell asks and calls the method."""
    dataset_requested = Signal(int)
    """The palette asks to see the file of this job."""

    def __init__(self, backend: Caller, stores: Stores, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stores = stores
        self._selection: list[int] = []
        errands = Errands(backend, stores, self)
        errands.failed.connect(self.failed)
        errands.done.connect(self.done)
        self.training = TrainingActions(errands)
        self.queue = QueueActions(errands)
        self.files = FileActions(errands)
        self.setup = SetupActions(errands)
        self._name_methods()
        self._actions = {action.name: action for action in self._declared()}

    def _name_methods(self) -> None:
        """Each verb under its own name, whichever room it lives in."""
        training, queue, files, setup = self.training, self.queue, self.files, self.setup
        self.pause, self.resume, self.skip, self.stop = training.pause, training.resume, training.skip, training.stop
        self.evaluate, self.sample, self.shutdown = training.evaluate, training.sample, training.shutdown
        self.move, self.set_priority = queue.move, queue.set_priority
        self.hold, self.release, self.retry = queue.hold, queue.release, queue.retry
        self.remove, self.clear = queue.remove, queue.clear
        self.undo, self.redo, self.show_dataset = queue.undo, queue.redo, queue.show_dataset
        self.add_files, self.cancel_adding = files.add_files, files.cancel
        self.set_base, self.set_validation = setup.set_base, setup.set_validation
        self.set_config, self.new_lineage = setup.set_config, setup.new_lineage

    def _declared(self) -> list[Action]:
        """Verb, rule and deed, one a line."""
        t, q = training_rules, queue_rules
        clear = {what: self._clear_rule(what) for what in ("finished", "failed", "waiting")}
        return [
            Action(
                name="add",
                rule=why_unreachable,
                perform=lambda _: self.input_requested.emit("add"),
                asks=True,
                shortcut="Ctrl+O",
            ),
            Action(name="pause", rule=t.why_not_pause, perform=lambda a: self.pause(free=a.free)),
            Action(name="resume", rule=t.why_not_resume, perform=lambda _: self.resume()),
            Action(name="skip", rule=t.why_not_skip, perform=lambda _: self.skip()),
            Action(
                name="stop",
                rule=t.why_not_stop_after_file,
                rules={"now": t.why_not_stop},
                perform=lambda a: self.stop(now=a.now),
            ),
            Action(name="evaluate", rule=t.why_nothing_trains, perform=lambda _: self.evaluate()),
            Action(name="sample", rule=t.why_nothing_trains, perform=lambda _: self.sample()),
            Action(
                name="queue.set-priority",
                rule=q.why_not_move,
                perform=lambda a: self.set_priority(a.job_ids, a.priority),
            ),
            Action(name="queue.hold", rule=q.why_not_hold, perform=lambda a: self.hold(a.job_ids)),
            Action(name="queue.release", rule=q.why_not_release, perform=lambda a: self.release(a.job_ids)),
            Action(name="queue.retry", rule=q.why_not_retry, perform=lambda a: self.retry(a.job_ids)),
            Action(
                name="queue.remove",
                rule=q.why_not_remove,
                perform=lambda a: self.remove(a.job_ids),
                shortcut="Del",
            ),
            Action(
                name="queue.clear",
                rule=clear["finished"],
                rules=clear,
                words=tuple(clear),
                perform=lambda a: self.clear(a.what),
            ),
            Action(name="queue.undo", rule=q.why_not_undo, perform=lambda _: self.undo(), shortcut="Ctrl+Z"),
            Action(name="queue.redo", rule=q.why_not_redo, perform=lambda _: self.redo(), shortcut="Ctrl+Shift+Z"),
            Action(
                name="dataset.show",
                rule=q.why_not_show,
                perform=lambda a: self.dataset_requested.emit(a.job_id),
            ),
            Action(
                name="base.set",
                rule=why_unreachable,
                perform=lambda _: self.input_requested.emit("base.set"),
                asks=True,
            ),
            Action(name="shutdown", rule=why_not_live, perform=lambda _: self.shutdown()),
        ]

    @property
    def selection(self) -> list[JobView]:
        """The jobs that verbs about jobs are about now."""
        jobs = [self._stores.queue.job(job_id) for job_id in self._selection]
        return [job for job in jobs if job is not None]

    def set_selection(self, job_ids: Sequence[int]) -> None:
        """The page says which jobs are selected."""
        self._selection = list(job_ids)

    def action(self, verb: str) -> Action:
        """What stands beside a verb."""
        return self._actions[verb]

    def why_not(self, verb: str, selection: Sequence[JobView] | None = None) -> str:
        """Why a verb cannot be done now, as a sentence; '' when it can."""
        jobs = self.selection if selection is None else list(selection)
        return self._actions[verb].rule(self._stores.session, jobs)

    def commands(self) -> list[Command]:
        """Lines for the palette, in the order of the contract, true at this moment."""
        session, jobs = self._stores.session, self.selection
        actions = [self._actions[name] for name in BY_NAME if name in self._actions]
        return [command for action in actions for command in action.commands(session, jobs)]

    def _clear_rule(self, what: str) -> Rule:
        return lambda session, _: (
            why_unreachable(session, []) or queue_rules.why_not_clear(what, self._stores.queue.jobs())
        )
