"""The queue with 10,000 files under the mouse: first paint, and from an event to the painted frame.

    python -m benchmarks.gui_queue

Starts an Xvfb of its own, hands 10,000 jobs to the queue's model and opens its card at 330x780. xdotool turns the
wheel, drags the handle of the scroll bar, then takes up a row, carries it over others and holds it at the lower edge,
where the list scrolls by itself, and lets it go; the move is answered with the new order of all jobs, as the service
would. First paint counts from the moment the jobs are handed over. An event counts from the moment Qt reads it until
the frame that follows is in the window's buffer, the platform's frame pacing included; a frame counts what the UI
thread works for it. Prints a table, then one JSON object; ends with 1 when first paint takes 300 ms or a 95th
percentile reaches 16 ms. Needs Xvfb and xdotool.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks.gui_chart import virtual_screen

NUM_JOBS, WIDTH, HEIGHT = 10_000, 330, 780
LEFT, TOP = 100, 60
WANTED_FIRST_PAINT_MS, WANTED_P95_MS = 300.0, 16.0
_BETWEEN_EVENTS = 0.03


def jobs() -> list[Any]:
    """One running, the others waiting in three groups, some held, blocked or ended; every name another."""
    from backend.contract.jobs import JobState, JobView, Priority

    states = {7: JobState.HELD, 11: JobState.BLOCKED, 13: JobState.FINISHED}
    priorities = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
    return [
        JobView(
            job_id=number + 1,
            file_name=f"batch-{number * 7919 % NUM_JOBS:05}-of-conversations-{number % 97}.jsonl",
            state=states.get(number % 17, JobState.QUEUED) if number else JobState.TRAINING,
            priority=priorities[3 * number // NUM_JOBS],
            position=number,
            reason="needs a chat template" if number % 17 == 11 else "",
            dataset_id=f"{number:064x}",
            size_bytes=900 * number,
            num_rows=100 + number % 900,
            total_steps=12 + number % 110,
            done_steps=5 if number == 0 else 0,
            num_problems=number % 5 if number % 3 == 0 else 0,
            eta_seconds=60.0 + number % 7000,
            added_at=1.0 * number,
        )
        for number in range(NUM_JOBS)
    ]


def gestures(list_y: int, row_y: int) -> tuple[list[str], int]:
    """xdotool's script for a list and a row of it at these heights, and how many wheel and mouse events it makes."""
    pause, number = f"sleep {_BETWEEN_EVENTS}", 0
    x, scroll_bar = LEFT + 150, LEFT + WIDTH - 19
    words = [f"mousemove {x} {TOP + 400}", "sleep 0.3"]
    for button in (5, 4, 5, 4):
        for _ in range(40):
            words += [f"click {button}", pause]
            number += 1
    words += [f"mousemove {x} {row_y}", "sleep 0.2", "mousedown 1", "sleep 0.1"]
    for step in range(120):
        down = (4, 3, 5)[step % 3] * (1 if step % 60 < 45 else -2)
        words += [f"mousemove_relative -- {(1, -1)[step % 2]} {down}", pause]
        number += 1
    words += [f"mousemove {x} {TOP + HEIGHT - 24}", "sleep 2.0", "mouseup 1", "sleep 0.5"]
    words += [f"mousemove {scroll_bar} {list_y + 30}", "sleep 0.2", "mousedown 1", "sleep 0.1"]
    for _ in range(40):
        words += ["mousemove_relative -- 0 9", pause]
        number += 1
    words += ["mouseup 1", "sleep 0.2"]
    return words, number


class Watch:
    """What the UI thread does, turn by turn: latencies by kind, frames, the longest turn."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, float]] = []
        self._began = 0.0
        self._depth = 0
        self._has_painted = False
        self.latencies: dict[str, list[float]] = {"wheel": [], "drag": []}
        self.frames: list[float] = []
        self.longest_ms = 0.0
        self.first_paint_at = 0.0

    def happened(self, kind: str) -> None:
        self._waiting.append((kind, time.perf_counter()))

    def enter(self) -> None:
        if self._depth == 0:
            self._began, self._has_painted = time.perf_counter(), False
        self._depth += 1

    def painted(self) -> None:
        self._has_painted = True

    def leave(self) -> None:
        self._depth -= 1
        if self._depth:
            return
        now = time.perf_counter()
        self.longest_ms = max(self.longest_ms, (now - self._began) * 1000)
        if not self._has_painted:
            return
        self.first_paint_at = self.first_paint_at or now
        self.frames.append((now - self._began) * 1000)
        for kind, at in self._waiting:
            self.latencies[kind].append((now - at) * 1000)
        self._waiting.clear()

    def forget(self) -> None:
        self.latencies = {kind: [] for kind in self.latencies}
        self.frames, self.longest_ms = [], 0.0
        self._waiting.clear()


def make_application(watch: Watch) -> Any:
    """An application that tells the watch of each turn."""
    from PySide6.QtCore import QEvent, QObject, Qt
    from PySide6.QtGui import QWindow
    from PySide6.QtWidgets import QApplication

    class Application(QApplication):
        watched: QObject | None = None

        def notify(self, receiver: QObject, event: QEvent) -> bool:
            kind = event.type()
            if isinstance(receiver, QWindow):
                if kind == QEvent.Type.Wheel:
                    watch.happened("wheel")
                elif kind == QEvent.Type.MouseMove and event.buttons() & Qt.MouseButton.LeftButton:
                    watch.happened("drag")
            elif kind == QEvent.Type.Paint and receiver is self.watched:
                watch.painted()
            watch.enter()
            try:
                return super().notify(receiver, event)
            finally:
                watch.leave()

    return Application(["gui_queue"])


def measure() -> dict[str, Any]:
    """Open the card, let xdotool act, close it."""
    from PySide6.QtCore import QPoint, Qt, QTimer
    from PySide6.QtWidgets import QVBoxLayout, QWidget

    from gui.pages.train.queue_card import QueueCard
    from gui.state.queue_model import QueueModel
    from gui.theme.palette import Look

    watch = Watch()
    app = make_application(watch)
    Look(app).apply()
    waiting = jobs()
    window = QWidget()
    window.setWindowFlag(Qt.WindowType.FramelessWindowHint)
    window.setGeometry(LEFT, TOP, WIDTH, HEIGHT)
    window.show()
    for _ in range(20):
        app.processEvents()
        time.sleep(0.01)
    watch.first_paint_at = 0.0
    began = time.perf_counter()
    queue = QueueModel()
    queue.load(waiting)
    loaded_ms = (time.perf_counter() - began) * 1000
    card = QueueCard(queue)
    app.watched = card.view.viewport()
    layout = QVBoxLayout(window)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(card)
    while not watch.first_paint_at:
        app.processEvents()
    first_paint_ms = (watch.first_paint_at - began) * 1000
    answers: list[float] = []
    landed: list[Any] = []

    def answer(args: Any) -> None:
        """What the service would say: the whole order."""
        landed.append(args)
        queue.show_move(args)
        order = [job_id for job_id in queue.shown_job_ids() if job_id != 1]
        at = time.perf_counter()
        queue.reorder(order)
        answers.append((time.perf_counter() - at) * 1000)

    card.wishes.move_requested.connect(answer)
    num_events = 0

    def act() -> None:
        nonlocal num_events
        row = card.view.visualRect(queue.index(card.view.drag.sections()[1].first + 1))
        top = card.view.viewport().mapToGlobal(QPoint(0, 0)).y()
        script, num_events = gestures(top, top + row.center().y())
        watch.forget()
        player.stdin.write("\n".join(script).encode() + b"\n")
        player.stdin.close()

    player = subprocess.Popen(["xdotool", "-"], stdin=subprocess.PIPE)
    end = QTimer(interval=200)
    end.timeout.connect(lambda: app.quit() if player.poll() is not None else None)
    QTimer.singleShot(1500, act)
    end.start()
    app.exec()
    return {
        "num_jobs": NUM_JOBS,
        "num_events": num_events,
        "num_moves_asked": len(landed),
        "scrolled_by_itself_px": card.view.verticalScrollBar().value(),
        "load_ms": loaded_ms,
        "first_paint_ms": first_paint_ms,
        "answer_ms": max(answers, default=None),
        "longest_turn_ms": watch.longest_ms,
        "latencies_ms": watch.latencies,
        "frames_ms": watch.frames,
        "load_average": os.getloadavg()[0],
    }


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """Percentiles by kind, and whether the promises held."""
    rows = {**result.pop("latencies_ms"), "frame": result.pop("frames_ms")}
    print(f"{'ms':10}{'count':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'most':>8}", file=sys.stderr)
    for name, values in rows.items():
        p50, p95, p99, most = (float(np.percentile(values or [np.inf], share)) for share in (50, 95, 99, 100))
        print(f"{name:10}{len(values):7}{p50:8.2f}{p95:8.2f}{p99:8.2f}{most:8.2f}", file=sys.stderr)
        result[name] = {"count": len(values), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": most}
    num_answered = sum(len(rows[kind]) for kind in ("wheel", "drag"))
    result["ok"] = (
        result["first_paint_ms"] < WANTED_FIRST_PAINT_MS
        and all(result[kind]["p95_ms"] < WANTED_P95_MS for kind in ("wheel", "drag", "frame"))
        and num_answered >= 0.9 * result["num_events"]
        and result["num_moves_asked"] == 1
    )
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="the JSON object alone, without the table")
    arguments = parser.parse_args()
    with virtual_screen() as display:
        os.environ.update(DISPLAY=display, QT_QPA_PLATFORM="xcb", QT_SCALE_FACTOR="1")
        result = measure()
    if arguments.json:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - lives as long as the process
    result = summary(result)
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
