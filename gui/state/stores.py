"""All that the screens show, built once and handed to pages, actions and Sync."""

from __future__ import annotations

from PySide6.QtCore import QObject

from gui.state.base_store import BaseStore
from gui.state.event_log import EventLog
from gui.state.metric_history import MetricHistory
from gui.state.notice_board import NoticeBoard
from gui.state.queue_model import QueueModel
from gui.state.sample_store import SampleStore
from gui.state.session_store import SessionStore


class Stores(QObject):
    """A table of contents; filled by Sync alone."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = SessionStore(self)
        self.queue = QueueModel(self)
        self.metrics = MetricHistory(self)
        self.samples = SampleStore(self)
        self.events = EventLog(self)
        self.notices = NoticeBoard(self)
        self.base = BaseStore(self)
