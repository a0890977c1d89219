"""The loss chart under the mouse: from an event to the painted frame, with a million steps of history.

    python -m benchmarks.gui_chart

Starts an Xvfb of its own, opens the chart at 1200x700 with 1,000,000 points handed to it directly (the window hands
it some thousand), raw, smooth and validation lines shown, and lets xdotool turn the wheel and drag: 300 events.
An event counts from the moment Qt reads it until the frame that follows is in the window's buffer, waiting for the
platform's frame pacing included. Prints a table, then one JSON object; ends with 1 when the 95th percentile reaches
16 ms. Needs Xvfb and xdotool.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

NUM_STEPS, WIDTH, HEIGHT = 1_000_000, 1200, 700
LEFT, TOP = 100, 80
WANTED_P95_MS = 16.0
_BETWEEN_EVENTS = 0.05


@contextmanager
def virtual_screen() -> Iterator[str]:
    """An X server that shows nothing to anybody; its display name."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=(writer,), stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        try:
            with os.fdopen(reader) as numbers:
                yield f":{numbers.readline().strip()}"
        finally:
            server.terminate()


def curves() -> dict[str, Any]:
    """A run of a million steps with 2,000 evaluations; the same numbers each time."""
    random = np.random.default_rng(42)
    step = np.arange(1, NUM_STEPS + 1, dtype=np.float64)
    level = 0.55 + 1.6 * np.exp(-step / 60_000) + 0.06 * np.sin(step / 41_000)
    evaluated = np.arange(500, NUM_STEPS + 1, 500, dtype=np.float64)
    return {
        "step": step,
        "loss": level + random.normal(0.0, 0.12, NUM_STEPS) * np.sqrt(level),
        "evaluated": evaluated,
        "validation": 0.62 + 1.5 * np.exp(-evaluated / 55_000) + random.normal(0.0, 0.004, len(evaluated)),
    }


def gestures(left: int, top: int) -> tuple[list[str], int]:
    """xdotool's script: into three places by the wheel, drags at each depth, out again; and how many events it is."""
    pause, words, number = f"sleep {_BETWEEN_EVENTS}", [], 0
    for place, across in enumerate((0.85, 0.3, 0.6)):
        x, y = left + int(WIDTH * across), top + HEIGHT // 2
        words += [f"mousemove {x} {y}", "sleep 0.3"]
        for _ in range(4):
            for _ in range(5 if place == 1 else 7):
                words += ["click 4", pause]
                number += 1
            words += ["mousedown 1", "sleep 0.1"]
            for moved in range(12 if place == 1 else 13):
                words += [f"mousemove_relative -- {(-9, 7, -13, 11)[moved % 4]} {(3, -2)[moved % 2]}", pause]
                number += 1
            words += ["mouseup 1", "sleep 0.1", f"mousemove {x} {y}", "sleep 0.1"]
        for _ in range(24):
            words += ["click 5", pause]
            number += 1
    return words, number


class Stopwatch:
    """Latencies by kind of event, in milliseconds."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, float]] = []
        self.latencies: dict[str, list[float]] = {"wheel": [], "drag": [], "hover": []}
        self.frames: list[float] = []

    def began(self, kind: str) -> None:
        self._waiting.append((kind, time.perf_counter()))

    def painted(self, began: float) -> None:
        now = time.perf_counter()
        if self._waiting:
            self.frames.append((now - began) * 1000)
        for kind, at in self._waiting:
            self.latencies[kind].append((now - at) * 1000)
        self._waiting.clear()

    def forget(self) -> None:
        """Start anew."""
        self._waiting.clear()
        self.frames.clear()
        for values in self.latencies.values():
            values.clear()


def application(watch: Stopwatch) -> Any:
    """Qt, telling the stopwatch what it reads and when a frame is done."""
    from PySide6.QtCore import QEvent, QObject, Qt
    from PySide6.QtGui import QWindow
    from PySide6.QtWidgets import QApplication, QWidget

    from gui.theme.font import load_font

    class Application(QApplication):
        def notify(self, receiver: QObject, event: QEvent) -> bool:
            kind, began = event.type(), time.perf_counter()
            if isinstance(receiver, QWindow) and kind == QEvent.Type.Wheel:
                watch.began("wheel")
            elif isinstance(receiver, QWindow) and kind == QEvent.Type.MouseMove:
                watch.began("drag" if event.buttons() & Qt.MouseButton.LeftButton else "hover")
            done = super().notify(receiver, event)
            if kind == QEvent.Type.UpdateRequest and isinstance(receiver, QWidget) and receiver.isWindow():
                watch.painted(began)
            return done

    app = Application(["gui_chart"])
    app.setStyle("Fusion")
    app.setFont(load_font())
    return app


def filled_chart() -> tuple[Any, float]:
    """The chart with everything on, and the milliseconds it took to take a million points."""
    from gui.theme.tokens import DARK
    from gui.widgets.chart import Band, LossChart, Mark

    data, chart = curves(), LossChart()
    chart.set_tokens(DARK)
    began = time.perf_counter()
    chart.set_raw(data["step"], data["loss"])
    given_ms = (time.perf_counter() - began) * 1000
    chart.set_validation(data["evaluated"], data["validation"])
    starts = range(0, NUM_STEPS, NUM_STEPS // 20)
    chart.set_bands([Band(at, at + NUM_STEPS // 20, f"part-{number:02}.jsonl") for number, at in enumerate(starts)])
    chart.set_marks([Mark(at + 31_000, "resumed · 0 steps again") for at in starts[::2]])
    return chart, given_ms


def measure() -> dict[str, Any]:
    """Open the window, let xdotool act, close it."""
    from PySide6.QtCore import Qt, QTimer

    watch = Stopwatch()
    app = application(watch)
    chart, given_ms = filled_chart()
    chart.setWindowFlag(Qt.WindowType.FramelessWindowHint)
    chart.setGeometry(LEFT, TOP, WIDTH, HEIGHT)
    chart.show()
    script, num_events = gestures(LEFT, TOP)
    player = subprocess.Popen(["xdotool", "-"], stdin=subprocess.PIPE)
    before: list[float] = []

    def act() -> None:
        watch.forget()
        before.extend(_cpu_seconds())
        assert player.stdin is not None
        player.stdin.write("\n".join(script).encode() + b"\n")
        player.stdin.close()

    end = QTimer(interval=200)
    end.timeout.connect(lambda: app.quit() if player.poll() is not None else None)
    QTimer.singleShot(1500, act)
    end.start()
    app.exec()
    own, others = (now - then for now, then in zip(_cpu_seconds(), before, strict=True))
    return {
        "num_steps": NUM_STEPS,
        "num_events": num_events,
        "size": [chart.width(), chart.height()],
        "given_ms": given_ms,
        "latencies_ms": watch.latencies,
        "frames_ms": watch.frames,
        "cpu_seconds_of_the_chart": own,
        "cpu_seconds_of_other_programs": others,
        "load_average": os.getloadavg()[0],
    }


def _cpu_seconds() -> tuple[float, float]:
    """Of this process, and of everything else on the machine (X server and xdotool included)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    busy = sum(int(fields[at]) for at in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")
    own = time.process_time()
    return own, busy - own


def summary(result: dict[str, Any]) -> dict[str, Any]:
    """Percentiles of wheel and drag together, and of each kind."""
    latencies = result.pop("latencies_ms")
    counted = latencies["wheel"] + latencies["drag"]
    rows = {"wheel + drag": counted, **latencies, "frame (paint only)": result.pop("frames_ms")}
    print(f"{'event to painted, ms':22}{'count':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'most':>8}", file=sys.stderr)
    for name, values in rows.items():
        if values:
            p50, p95, p99, most = (float(np.percentile(values, share)) for share in (50, 95, 99, 100))
            print(f"{name:22}{len(values):7}{p50:8.2f}{p95:8.2f}{p99:8.2f}{most:8.2f}", file=sys.stderr)
            result[name] = {"count": len(values), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "max_ms": most}
    result["median_ms"] = statistics.median(counted)
    result["p95_ms"] = float(np.percentile(counted, 95))
    result["ok"] = result["p95_ms"] < WANTED_P95_MS and len(counted) >= 0.9 * result["num_events"]
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
