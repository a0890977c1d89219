"""The frame: pages left, header above, status bar below, and what floats over them. Knows no page and no service."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QCloseEvent, QKeySequence, QPaintEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from gui.shell.command_palette import CommandPalette
from gui.shell.drop_anywhere import DropAnywhere
from gui.shell.drop_veil import DropVeil
from gui.shell.header import Header
from gui.shell.help_sheet import HelpSheet
from gui.shell.nav_rail import NavRail
from gui.shell.skeleton import Skeleton
from gui.shell.status_bar import HEIGHT as STATUS_HEIGHT
from gui.shell.status_bar import StatusBar
from gui.widgets.buttons import FlatButton
from gui.widgets.toasts import ToastStack

SMALLEST = (720, 480)


class MainWindow(QWidget):
    """Holds the parts in their places. Whoever built it connects them."""

    first_frame_painted = Signal()
    close_requested = Signal()
    look_requested = Signal()
    minimized_changed = Signal(bool)

    def __init__(self, title: str) -> None:
        super().__init__()
        self._may_close = False
        self._is_painted = False
        self._is_minimized = False
        self._is_watched = False
        self.setWindowTitle(title)
        self.setMinimumSize(*SMALLEST)
        self.nav = NavRail(self)
        self.header = Header(self)
        self.status_bar = StatusBar(self)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(Skeleton())
        self._page_of: dict[str, QWidget] = {}
        self._look = FlatButton(icon="moon", name=self.tr("Light or dark"))
        self._help = FlatButton(icon="help", name=self.tr("Help and keys (F1)"))
        for button in (self._look, self._help):
            self.nav.add_foot(button)
        self._lay_out()
        self.drops = DropAnywhere(self)
        self.veil = DropVeil(self)
        self.toasts = ToastStack(self)
        self.toasts.set_margin_bottom(STATUS_HEIGHT + 12)
        self.palette_of_commands = CommandPalette(self)
        self.help_sheet = HelpSheet(self)
        self._connect_signals()

    def add_page(self, name: str, title: str, drawing: str, page: QWidget) -> None:
        """A page that works; the first one takes the place of the skeleton."""
        self._page_of[name] = page
        self._pages.addWidget(page)
        self.nav.add_page(name, title, drawing)
        if len(self._page_of) == 1:
            self.open_page(name)

    def open_page(self, name: str) -> None:
        """Bring a page to the front."""
        self._pages.setCurrentWidget(self._page_of[name])
        self.nav.show_page(name)

    @property
    def page_names(self) -> list[str]:
        """The pages there are, in order."""
        return list(self._page_of)

    def show_theme(self, *, is_dark: bool) -> None:
        """The button below the pages offers the other look."""
        self._look.set_icon("sun" if is_dark else "moon")

    def come_forward(self) -> None:
        """Show the window before all others, wherever it was."""
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def close_for_good(self) -> None:
        """Close without asking again."""
        self._may_close = True
        self.close()

    def _lay_out(self) -> None:
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self._pages, 1)
        column.addWidget(self.status_bar)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.nav)
        layout.addLayout(column, 1)

    def _connect_signals(self) -> None:
        self.nav.page_requested.connect(self.open_page)
        self.header.focus_released.connect(self._on_focus_released)
        self.drops.hovered.connect(self.veil.show_verdict)
        self.drops.left.connect(self.veil.hide)
        self._look.clicked.connect(self.look_requested)
        self._help.clicked.connect(self.help_sheet.open)
        for keys, act in (
            (QKeySequence("Ctrl+K"), self.palette_of_commands.open),
            (QKeySequence(QKeySequence.StandardKey.HelpContents), self.help_sheet.open),
        ):
            QShortcut(keys, self).activated.connect(act)

    def _on_focus_released(self) -> None:
        page = self._pages.currentWidget()
        if page is not None:
            page.setFocus(Qt.FocusReason.OtherFocusReason)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        handle = self.windowHandle()
        if handle is not None and not self._is_watched:
            self._is_watched = True
            # The signal, not `changeEvent`: that one is also called while Python takes the window apart, and crashes.
            handle.windowStateChanged.connect(self._on_window_state_changed)

    @Slot(Qt.WindowState)
    def _on_window_state_changed(self, state: Qt.WindowState) -> None:
        is_minimized = state == Qt.WindowState.WindowMinimized
        if is_minimized != self._is_minimized:
            self._is_minimized = is_minimized
            self.minimized_changed.emit(is_minimized)

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._may_close:
            event.accept()
        else:
            event.ignore()
            self.close_requested.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self, self.first_frame_painted.emit)  # after the children have painted too
