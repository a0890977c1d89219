"""Connects wishes to actions: what a page, the header or the tray asks for, and who does it. One line each."""

from __future__ import annotations

from gui.actions.registry import Actions
from gui.pages.train.page import TrainPage
from gui.shell.asking import Asking
from gui.shell.header import Header
from gui.shell.tray import Tray


def connect_steering(header: Header, tray: Tray, actions: Actions) -> None:
    """Pause, resume, skip, stop, from the header and from the tray."""
    for source in (header, tray):
        source.pause_requested.connect(lambda: actions.pause())
        source.resume_requested.connect(lambda: actions.resume())
        source.stop_after_file_requested.connect(lambda: actions.stop())
    header.skip_requested.connect(lambda: actions.skip())
    header.stop_now_requested.connect(lambda: actions.stop(now=True))


def connect_page(page: TrainPage, actions: Actions, asking: Asking) -> None:
    """The Train page."""

    def add(paths: list[str], place: object) -> None:
        actions.add_files(
            paths,
            getattr(place, "priority", "normal"),
            before=getattr(place, "before", None),
            after=getattr(place, "after", None),
        )

    page.files_dropped.connect(add)
    page.open_requested.connect(asking.ask_for_files)
    page.cancel_adding_requested.connect(actions.cancel_adding)
    actions.files.progressed.connect(page.show_adding)
    page.preview_requested.connect(asking.show_preview)
    page.move_requested.connect(actions.move)
    page.priority_requested.connect(actions.set_priority)
    page.hold_requested.connect(actions.hold)
    page.release_requested.connect(actions.release)
    page.retry_requested.connect(actions.retry)
    page.remove_requested.connect(actions.remove)
    page.clear_requested.connect(actions.clear)
    page.undo_requested.connect(lambda: actions.undo())
    page.redo_requested.connect(lambda: actions.redo())
    page.pause_requested.connect(lambda: actions.pause())
    page.resume_requested.connect(lambda: actions.resume())
    page.skip_requested.connect(lambda: actions.skip())
    page.evaluate_requested.connect(lambda: actions.evaluate())
    page.sample_requested.connect(lambda: actions.sample())
