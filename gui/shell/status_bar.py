"""Is the machine well: backend, watchdog, price of monitoring left; graphics card, processor, memory, disk right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from backend.contract.status import Activity, GpuView, MachineView, RunState, StatusView
from gui.theme.palette import tokens_for
from gui.widgets import numbers
from gui.widgets.labels import Ink, PlainLabel
from gui.widgets.plain import plain, tooltip

HEIGHT = 28
DOT = 8
LATE_SECONDS = 30.0
"""A watchdog that saw no progress for so long is shown in amber; what happens then is the service's business."""
SETTLED_SECONDS = 60.0
"""Before that the price of monitoring is the price of the service's own start."""
LOW_DISK_BYTES = 5_000_000_000


class Dot(QWidget):
    """A small round mark that says good, waiting or bad; the words stand beside it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._token: Ink = "text_faint"
        self.setFixedSize(DOT, DOT)

    def set_token(self, token: Ink) -> None:
        """`good`, `warning`, `stop` or `text_faint`."""
        if token != self._token:
            self._token = token
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(tokens_for(self), self._token)))
        painter.drawEllipse(self.rect())


class Item(PlainLabel):
    """One fact; invisible while there is nothing to say."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(size="small", ink="text_muted", parent=parent)
        self.setAccessibleName(name)

    def say(self, text: str, ink: Ink = "text_muted") -> None:
        """Show this text in the colour of a token."""
        self.show_text(text)
        self.set_ink(ink)
        self.setAccessibleDescription(self.text())


class StatusBar(QWidget):
    """Facts from the status, least needed ones left out first where the window is narrow."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(HEIGHT)
        self.setAccessibleName(self.tr("Status bar"))
        self._dot = Dot(self)
        self._backend = Item(self.tr("Backend"), self)
        self._watchdog = Item(self.tr("Watchdog"), self)
        self._monitoring = Item(self.tr("Monitoring cost"), self)
        self._gpu = Item(self.tr("Graphics card"), self)
        self._cpu = Item(self.tr("Processor"), self)
        self._memory = Item(self.tr("Memory"), self)
        self._disk = Item(self.tr("Disk"), self)
        self._droppable = (self._monitoring, self._watchdog, self._cpu)
        """Left out in this order where there is no room."""
        layout = QHBoxLayout(self)
        layout.setContentsMargins(18, 0, 14, 0)
        layout.setSpacing(8)
        layout.addWidget(self._dot)
        layout.addWidget(self._backend)
        layout.addSpacing(10)
        layout.addWidget(self._watchdog)
        layout.addSpacing(10)
        layout.addWidget(self._monitoring)
        layout.addStretch(1)
        for item in (self._gpu, self._cpu, self._memory, self._disk):
            layout.addSpacing(10)
            layout.addWidget(item)

    def show_connection(self, sentence: str, token: Ink) -> None:
        """Say how it stands with the service."""
        self._dot.set_token(token)
        self._backend.say(sentence, "text_muted" if token == "text_faint" else token)
        self._fit()

    def show_status(self, status: StatusView | None) -> None:
        """Show what the last status says of the machine."""
        self._watchdog.say(*self._watchdog_words(status))
        self._show_machine(status.machine if status is not None else None, is_settled=_is_settled(status))
        self._fit()

    def _watchdog_words(self, status: StatusView | None) -> tuple[str, Ink]:
        trainer = status.trainer if status is not None and _should_move(status) else None
        if trainer is None or trainer.last_progress_seconds is None:
            return "", "text_muted"
        beat = numbers.ago(trainer.last_progress_seconds)
        is_late = trainer.last_progress_seconds > LATE_SECONDS
        return self.tr("watchdog: last beat {ago}").format(ago=beat), "warning" if is_late else "text_muted"

    def _show_machine(self, machine: MachineView | None, *, is_settled: bool) -> None:
        if machine is None:
            for item in (self._monitoring, self._gpu, self._cpu, self._memory, self._disk):
                item.say("")
            return
        share = machine.monitoring_percent if is_settled else None
        cost = "" if share is None else self.tr("monitoring cost {share}").format(share=numbers.percent(share / 100, 1))
        self._monitoring.say(cost)
        self._gpu.say(self._gpu_words(machine.gpus[0]) if machine.gpus else "")
        self._gpu.setToolTip(tooltip("\n".join(self._gpu_words(gpu) for gpu in machine.gpus)))
        self._cpu.say(self.tr("CPU {share}").format(share=numbers.percent(machine.cpu_percent / 100)))
        used = numbers.memory_of(machine.memory_used_bytes, machine.memory_total_bytes)
        self._memory.say(self.tr("RAM {used}").format(used=used))
        is_low = machine.disk_free_bytes < LOW_DISK_BYTES
        free = numbers.size(machine.disk_free_bytes)
        self._disk.say(self.tr("Disk {free} free").format(free=free), "warning" if is_low else "text_muted")

    def _gpu_words(self, gpu: GpuView) -> str:
        parts = [
            self.tr("GPU {name}").format(name=plain(gpu.name, 40)),
            numbers.memory_of(gpu.memory_used_bytes, gpu.memory_total_bytes),
        ]
        if gpu.utilization_percent is not None:
            parts.append(numbers.percent(gpu.utilization_percent / 100))
        if gpu.temperature_celsius is not None:
            parts.append(numbers.temperature(gpu.temperature_celsius))
        return " · ".join(parts)

    def _fit(self) -> None:
        items = (self._backend, self._watchdog, self._monitoring, self._gpu, self._cpu, self._memory, self._disk)
        shown = {item for item in items if item.text()}
        for item in self._droppable:
            if sum(i.sizeHint().width() + 18 for i in shown) + 60 > self.width():
                shown.discard(item)
        for item in items:
            item.setVisible(item in shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QColor(tokens_for(self).border))
        painter.drawLine(0, 0, self.width(), 0)


def _should_move(status: StatusView) -> bool:
    """A trainer that is held, or waits for a file, makes no progress and is well."""
    return status.activity is Activity.TRAINING and status.run_state is RunState.RUNNING


def _is_settled(status: StatusView | None) -> bool:
    """By the clock of the service alone: it wrote both times."""
    service = status.service if status is not None else None
    return status is not None and service is not None and status.updated_at - service.started_at >= SETTLED_SECONDS
