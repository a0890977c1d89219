"""An hour of use in ten minutes: how long the UI thread is ever busy, and what the window's memory does.

    python -m benchmarks.gui_hour

The whole window, joined as `main.py gui` joins it, on an Xvfb of its own, hears ten events a second of a loopback
service (gui_replay: steps, status, job changes, evaluations, samples, checkpoints, notices, reorders of 200 files)
while xdotool hovers, zooms and pans the chart, scrolls, selects and reorders the queue, searches it, opens and closes
the palette and the help, pauses and resumes, and switches the look once. Each turn of the event loop is timed from
inside, from its first event to its last; "ready" is when the stores hold everything and two seconds have passed.
Memory counts from the end of the first round of gestures to the end of the last. Prints the ten longest turns with
what they did, then one JSON object; ends with 1 when a turn takes over 16 ms or memory grows by 10 MB. `--profile`
looks every 2 ms where Python stands in turns over 8 ms; that itself costs time. Needs Xvfb, openbox and xdotool.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gui_desktop import desktop
from benchmarks.gui_turns import Profiler, Watch, make_application
from benchmarks.proof import ROOT, wait_until

WANTED_GROWTH_MB = 10.0
_SETTLE_MS = 2_000
_PATIENCE_MS = 240_000
"""Over the time asked for: start, last round."""


# ---- the hand ----------------------------------------------------------------------------------------------


@dataclass
class Places:
    """Where things are on the screen."""

    chart: tuple[int, int, int, int]
    queue: tuple[int, int, int, int]
    events: tuple[int, int, int, int]
    rows: list[int]
    """Heights of the middles of visible waiting rows."""


def find_places(rooms: Any) -> Places:
    """Ask the widgets."""
    from PySide6.QtCore import QPoint, Qt

    def on_screen(widget: Any) -> tuple[int, int, int, int]:
        corner = widget.mapToGlobal(QPoint(0, 0))
        return corner.x(), corner.y(), widget.width(), widget.height()

    view = rooms.page.queue_card.view
    top = view.viewport().mapToGlobal(QPoint(0, 0)).y()
    model = view.model()
    indexes = [model.index(row, 0) for row in range(min(model.rowCount(), 40))]
    rows = [
        top + view.visualRect(index).center().y()
        for index in indexes
        if index.flags() & Qt.ItemFlag.ItemIsDragEnabled
        and view.viewport().rect().contains(view.visualRect(index).center())
    ]
    return Places(on_screen(rooms.page.curves), on_screen(view.viewport()), on_screen(rooms.page.events), rows)


def round_of_gestures(places: Places) -> list[str]:
    """xdotool's script of one round, some 40 s."""
    x, y, width, height = places.chart
    words = []
    for share in np.linspace(0.1, 0.95, 50):
        words += [f"mousemove {x + int(width * share)} {y + height // 2 + int(40 * np.sin(share * 20))}", "sleep 0.04"]
    for button, times in ((4, 12), (5, 8), (4, 6), (5, 16)):
        words += [f"click {button}", "sleep 0.06"] * times
    words += [f"mousemove {x + width // 2} {y + height // 2}", "mousedown 1"]
    words += [line for move in range(30) for line in (f"mousemove_relative -- {(-7, 5)[move % 2]} 1", "sleep 0.04")]
    words += ["mouseup 1", "sleep 0.3", "key f", "sleep 0.5"]
    left, top, across, down = places.queue
    words += [f"mousemove {left + across // 2} {top + down // 2}", "sleep 0.2"]
    for button in (5, 4):
        words += [f"click {button}", "sleep 0.05"] * 25
    if len(places.rows) >= 4:
        first, second, *_, last = places.rows
        words += [f"mousemove {left + 120} {second}", "click 1", "sleep 0.3"]
        words += ["key alt+Down", "sleep 0.4", "key alt+Up", "sleep 0.4", "key Down", "sleep 0.2", "key shift+Down"]
        words += ["sleep 0.3", f"mousemove {left + 120} {last}", "sleep 0.1", "mousedown 1", "sleep 0.15"]
        for share in np.linspace(0.0, 1.0, 25):
            words += [f"mousemove {left + 120} {int(last + (first + 6 - last) * share)}", "sleep 0.04"]
        words += ["sleep 0.3", "mouseup 1", "sleep 0.6"]
    words += ["key ctrl+f", "sleep 0.3", "type --delay 60 batch-0001", "sleep 0.4", "key Escape", "sleep 0.3"]
    events_x, events_y, events_width, events_height = places.events
    words += [f"mousemove {events_x + events_width // 2} {events_y + events_height // 2}", "sleep 0.2"]
    words += ["click 5", "sleep 0.06"] * 10 + ["click 4", "sleep 0.06"] * 10
    for what in ("pau", "queue", "eval"):
        words += ["key ctrl+k", "sleep 0.4", f"type --delay 70 {what}", "sleep 0.3", "key Down", "sleep 0.2"]
        words += ["key Escape", "sleep 0.3"]
    return [*words, "key F1", "sleep 0.6", "key Escape", "sleep 0.4", "key ctrl+p", "sleep 1", "key ctrl+p", "sleep 1"]


class Hand:
    """Plays rounds until the time is over; what it does now is named beside the turns."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._player: subprocess.Popen[bytes] | None = None

    def play(self, words: list[str]) -> None:
        """Begin."""
        self._player = subprocess.Popen(
            ["xdotool", "-"], stdin=subprocess.PIPE, env=self._environment, stderr=subprocess.DEVNULL
        )
        assert self._player.stdin is not None
        self._player.stdin.write("\n".join(words).encode() + b"\n")
        self._player.stdin.close()

    @property
    def is_busy(self) -> bool:
        """Whether it is not done yet."""
        return self._player is not None and self._player.poll() is None

    def stop(self) -> None:
        """Rest at once."""
        if self._player is not None and self._player.poll() is None:
            self._player.terminate()
            self._player.wait(10)


# ---- the measurement ---------------------------------------------------------------------------------------


def resident_mb() -> float:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Session:
    """The window's life in the measurement, step by step on its own event loop."""

    def __init__(self, application: Any, everstep: Any, watch: Watch, player: Hand, minutes: float) -> None:
        from PySide6.QtCore import QTimer

        self._application = application
        self._everstep = everstep
        self._watch = watch
        self._hand = player
        self._seconds = minutes * 60
        self._beat = QTimer(interval=500)
        self._beat.timeout.connect(self._on_beat)
        self._places: Places | None = None
        self._num_rounds = 0
        self._has_switched = False
        self._memory: list[float] = []
        self.first_mb = self.last_mb = 0.0
        everstep.rooms_joined.connect(self._on_rooms_joined)
        QTimer.singleShot(round(self._seconds * 1000) + _PATIENCE_MS, lambda: application.exit(1))

    def _on_rooms_joined(self) -> None:
        from PySide6.QtCore import QTimer

        from gui.rooms import Rooms

        self._rooms = self._everstep.findChild(Rooms)
        self._rooms.live.connect(lambda: QTimer.singleShot(_SETTLE_MS, self._begin))

    def _begin(self) -> None:
        self._places = find_places(self._rooms)
        self._watch.begin()
        self._beat.start()

    def _on_beat(self) -> None:
        passed = time.perf_counter() - self._watch.began_at
        if self._num_rounds:
            self._memory.append(resident_mb())
        if self._hand.is_busy:
            return
        if self._num_rounds == 1:
            self.first_mb = statistics.median(self._memory[-10:])
        if passed > self._seconds and self._num_rounds > 1:
            self.last_mb = statistics.median(self._memory[-10:])
            self._beat.stop()
            self._application.exit(0)
            return
        assert self._places is not None
        words = [f"windowactivate {int(self._rooms.page.window().winId())}", "sleep 0.5"]
        words += round_of_gestures(self._places)
        if self._num_rounds and not self._has_switched and passed > self._seconds / 2:
            self._has_switched = True
            words = ["key ctrl+t", "sleep 1.5", *words]
        self._num_rounds += 1
        self._hand.play(words)

    @property
    def num_rounds(self) -> int:
        """Rounds of gestures so far."""
        return self._num_rounds

    @property
    def has_switched(self) -> bool:
        """Whether the look was changed on the way."""
        return self._has_switched


def measure(workspace: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Open the window, let the hand act, leave."""
    from gui.app import Everstep
    from gui.excepthook import FaultWatch, log_file, open_log
    from gui.shell.command_line import parse
    from gui.shell.single_instance import SingleInstance

    watch = Watch()
    application = make_application(watch)
    open_log(log_file())
    faults = FaultWatch(application)
    faults.install()
    seen: list[str] = []
    faults.fault_seen.connect(seen.append)
    options = parse(["--workspace", str(workspace)])
    instance = SingleInstance(application)
    instance.claim(options.workspace, [])
    everstep = Everstep(application, options, instance, faults)
    player = Hand(os.environ)
    session = Session(application, everstep, watch, player, arguments.minutes)
    profiler = Profiler(watch) if arguments.profile else None
    everstep.open()
    try:
        application.exec()
    finally:
        player.stop()
        if profiler is not None:
            profiler.stop()
        faults.uninstall()
    over = Counter(place for turn in watch.over for place in turn.places.elements())
    seconds = time.perf_counter() - watch.began_at
    return {
        "seconds": seconds,
        "events_per_second": arguments.events_per_second,
        "num_rounds": session.num_rounds,
        "switched_look": session.has_switched,
        "num_turns": watch.num_turns,
        "num_qt_events": watch.num_events,
        "p50_ms": watch.percentile(50),
        "p99_ms": watch.percentile(99),
        "max_ms": watch.longest[0].wall_ms if watch.longest else None,
        "num_over_16_ms": watch.num_over,
        "num_over_16_ms_less_queueing": watch.num_over_by_itself,
        "share_over_16_ms": watch.num_over / max(1, watch.num_turns),
        "longest": [
            {
                "at_s": turn.at,
                "wall_ms": turn.wall_ms,
                "cpu_ms": turn.cpu_ms,
                "queued_ms": turn.queued_ms,
                "did": turn.words(),
            }
            for turn in watch.longest
        ],
        "over_by_event": Counter(turn.heaviest() for turn in watch.over).most_common(12),
        "over_by_place": over.most_common(20),
        "memory_first_mb": session.first_mb,
        "memory_last_mb": session.last_mb,
        "memory_growth_mb": session.last_mb - session.first_mb,
        "faults": seen,
        "profiled": arguments.profile,
        "load_average": os.getloadavg()[0],
    }


def tell(result: dict[str, Any]) -> None:
    """A table for people."""
    print(f"{'at, s':>8}{'wall ms':>9}{'cpu ms':>8}{'queued':>8}  what the turn did", file=sys.stderr)
    for turn in result["longest"]:
        figures = f"{turn['at_s']:8.1f}{turn['wall_ms']:9.1f}{turn['cpu_ms']:8.1f}{turn['queued_ms']:8.1f}"
        print(f"{figures}  {turn['did']}", file=sys.stderr)
    print(
        f"{result['num_turns']} turns in {result['seconds']:.0f} s: median {result['p50_ms']:.1f} ms, "
        f"p99 {result['p99_ms']:.1f} ms, {result['num_over_16_ms']} over 16 ms ({result['share_over_16_ms']:.4%}), "
        f"{result['num_over_16_ms_less_queueing']} of them whatever other programs did; memory "
        f"{result['memory_first_mb']:.1f} to {result['memory_last_mb']:.1f} MB",
        file=sys.stderr,
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="two rounds of gestures (a minute) at the least")
    parser.add_argument("--events-per-second", type=float, default=10.0)
    parser.add_argument("--profile", action="store_true", help="tell where Python stood in long turns")
    parser.add_argument("--json", action="store_true", help="the JSON object alone, without the table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="everstep-hour-") as scratch:
        workspace = Path(scratch) / "workspace"
        workspace.mkdir(mode=0o700)
        (Path(scratch) / "desktop").mkdir()
        with desktop(Path(scratch) / "desktop") as environment:
            os.environ.update(environment)
            words = ["--events-per-second", str(arguments.events_per_second)]
            command = [sys.executable, "-m", "benchmarks.gui_replay", str(workspace), *words]
            with subprocess.Popen(command, cwd=ROOT) as service:
                try:
                    endpoint = workspace / "status" / "endpoint.json"
                    wait_until(lambda: endpoint.exists() or service.poll() is not None, 60, "the service answers")
                    result = measure(workspace, arguments)
                finally:
                    service.terminate()
    result["ok"] = (
        result["num_over_16_ms"] == 0
        and result["memory_growth_mb"] < WANTED_GROWTH_MB
        and result["num_turns"] > 0
        and result["switched_look"]
        and not result["faults"]
    )
    if not arguments.json:
        tell(result)
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
