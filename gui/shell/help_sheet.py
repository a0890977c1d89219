"""F1: what this page is for, and every key that does something."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QWidget

from gui.shell.overlay import Overlay
from gui.theme.tokens import GRID
from gui.widgets.labels import PlainLabel

Keys = Sequence[tuple[str, str]]


class HelpSheet(Overlay):
    """A page of text over the window; its rows are given, so that a page explains itself."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window, width=640, top=48)
        self._title = PlainLabel(size="strong")
        self._about = PlainLabel(ink="text_muted", wrap=True)
        self._rows = QWidget()
        self._grid = QGridLayout(self._rows)
        self._grid.setContentsMargins(0, GRID, 0, 0)
        self._grid.setHorizontalSpacing(3 * GRID)
        self._grid.setVerticalSpacing(GRID // 2)
        self._grid.setColumnStretch(1, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(self._rows)
        scroll.viewport().setAutoFillBackground(False)
        self._rows.setAutoFillBackground(False)
        scroll.setMinimumHeight(360)
        scroll.setAccessibleName(self.tr("Keys"))
        for part in (self._title, self._about, scroll):
            self.content.addWidget(part)

    def explain_page(self, name: str) -> None:
        """Fill the sheet with what is known of a page."""
        if name == "train":
            self.explain(self.tr("Train"), self._about_train(), self._keys_of_train())

    def _about_train(self) -> str:
        return self.tr(
            "Drop files anywhere in the window. Each is checked line by line, waits in the queue and is trained in its "
            "turn. The curve shows the loss of every step; the gap says whether the model learns or only remembers. "
            "Closing the window never stops training."
        )

    def _keys_of_train(self) -> Keys:
        return (
            ("", self.tr("Everywhere")),
            ("Ctrl+K", self.tr("Find any command")),
            ("Ctrl+O", self.tr("Add files")),
            ("Ctrl+V", self.tr("Add copied files")),
            ("Ctrl+P", self.tr("Pause or resume")),
            ("Ctrl+T", self.tr("Light or dark")),
            ("Ctrl+W", self.tr("Close the window; training goes on")),
            ("Ctrl+Q", self.tr("Quit")),
            ("F1", self.tr("This sheet")),
            ("", self.tr("Queue")),
            ("Alt+Up / Alt+Down", self.tr("Move the chosen files, also into another priority")),
            ("Shift+F10", self.tr("What can be done with the chosen files")),
            ("Del", self.tr("Remove the chosen files")),
            ("Ctrl+Z / Ctrl+Shift+Z", self.tr("Undo, redo")),
            ("Return", self.tr("Show the file as the model sees it")),
            ("", self.tr("Chart")),
            (self.tr("Wheel"), self.tr("Zoom at the mouse")),
            (self.tr("Drag"), self.tr("Move along the steps")),
            (self.tr("Double click"), self.tr("Fit everything")),
        )

    def explain(self, title: str, about: str, keys: Keys) -> None:
        """Fill the sheet: an empty key makes a heading of its row."""
        self._title.show_text(title)
        self._about.show_text(about)
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for row, (key, words) in enumerate(keys):
            if not key:
                self._grid.addWidget(PlainLabel(words, size="strong"), row, 0, 1, 2)
                self._grid.setRowMinimumHeight(row, 4 * GRID)
                continue
            self._grid.addWidget(PlainLabel(key, ink="accent"), row, 0)
            self._grid.addWidget(PlainLabel(words), row, 1)
        self._grid.setRowStretch(len(keys), 1)
