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
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gui_desktop import desktop
from benchmarks.proof import ROOT, wait_until

WANTED_TURN_MS, WANTED_GROWTH_MB = 16.0, 10.0
_BIN_MS, _NUM_BINS, _NUM_LONGEST = 0.1, 20_000, 10
_NAMED_MS = 1.0
"""Events that took less are not worth a name."""
_SETTLE_MS = 2_000
_PATIENCE_MS = 240_000
"""Over the time asked for: start, last round."""


@dataclass
class Turn:
    """One turn of the event loop: what it took, and its events that took long."""

    at: float = 0.0
    wall_ms: float = 0.0
    cpu_ms: float = 0.0
    """Of the UI thread itself; what is missing to wall_ms it waited: for the processor, a lock or the disk."""
    did: list[tuple[int, str, float]] = field(default_factory=list)
    """Depth, receiver and event, milliseconds; inner events stand before the one around them."""
    places: Counter[str] = field(default_factory=Counter)
    """Where Python stood, with --profile."""

    def words(self) -> str:
        """The turn in a line."""
        heavy = sorted(self.did, key=lambda event: (event[0], -event[2]))[:4]
        told = ", ".join(f"{'in it ' * (depth > 0)}{name} {ms:.1f}" for depth, name, ms in heavy)
        return told or f"many events under {_NAMED_MS:.0f} ms each"


class Watch:
    """Every turn since it was told to begin. Its own memory does not grow with their number."""

    def __init__(self) -> None:
        self._counts = np.zeros(_NUM_BINS, dtype=np.int64)
        self.longest: list[Turn] = []
        self.over: list[Turn] = []
        self.is_counting = False
        self.num_events = 0
        self.began_at = 0.0
        self.entered_at: float = 0.0
        """When the running turn began, 0 between turns; the profiler looks at it."""
        self.turn = Turn()
        self._cpu = self._left_at = self._left_cpu = 0.0
        self._depth = 0

    def begin(self) -> None:
        """Count from the next turn on."""
        self.is_counting, self.began_at = True, time.perf_counter()

    def enter(self) -> float:
        """An event is about to be delivered."""
        now = time.perf_counter()
        if not self.entered_at:
            self.entered_at, self._cpu, self.turn = now, time.thread_time(), Turn()
        self._depth += 1
        return now

    def leave(self, entered: float, receiver: Any, event: Any) -> None:
        """It was delivered."""
        self._depth -= 1
        now = time.perf_counter()
        took_ms = (now - entered) * 1000
        if took_ms > _NAMED_MS:
            self.turn.did.append((self._depth, _name(receiver, event), took_ms))
        if self._depth == 0:
            self.num_events += 1
            self._left_at, self._left_cpu = now, time.thread_time()

    def end_turn(self) -> None:
        """The loop is about to wait, or to look for more."""
        if not self.entered_at or self._depth:
            return
        turn, entered_at = self.turn, self.entered_at
        self.entered_at = 0.0
        if not self.is_counting:
            return
        turn.at = entered_at - self.began_at
        turn.wall_ms = (self._left_at - entered_at) * 1000
        turn.cpu_ms = (self._left_cpu - self._cpu) * 1000
        self._counts[min(int(turn.wall_ms / _BIN_MS), _NUM_BINS - 1)] += 1
        if len(self.longest) < _NUM_LONGEST or turn.wall_ms > self.longest[-1].wall_ms:
            self.longest = sorted([*self.longest, turn], key=lambda one: -one.wall_ms)[:_NUM_LONGEST]
        if turn.wall_ms > WANTED_TURN_MS and len(self.over) < 1_000:
            self.over.append(turn)

    def percentile(self, share: float) -> float:
        """Upper edge of the bin that holds it."""
        total = np.cumsum(self._counts)
        return float((np.searchsorted(total, total[-1] * share / 100) + 1) * _BIN_MS)

    @property
    def num_turns(self) -> int:
        """All that were counted."""
        return int(self._counts.sum())

    @property
    def share_over(self) -> float:
        """Of turns longer than wanted, 0..1."""
        return float(self._counts[int(WANTED_TURN_MS / _BIN_MS) :].sum() / max(1, self.num_turns))


def _name(receiver: Any, event: Any) -> str:
    """`QueueView Paint`; for a timer or a socket also whose it is."""
    from shiboken6 import isValid

    what = event.type().name if isValid(event) else "?"
    if not isValid(receiver):
        return f"(gone) {what}"
    owner = receiver.parent()
    plain = type(receiver).__name__.startswith("Q") and owner is not None
    name = receiver.objectName()
    who = type(receiver).__name__ + (f" '{name}'" if name else "") + (f" of {type(owner).__name__}" if plain else "")
    return f"{who} {what}"


def make_application(watch: Watch) -> Any:
    """An application that tells the watch of every event and turn."""
    from PySide6.QtCore import QAbstractEventDispatcher, QEvent, QObject
    from PySide6.QtWidgets import QApplication

    class Application(QApplication):
        def notify(self, receiver: QObject, event: QEvent) -> bool:
            entered = watch.enter()
            try:
                return super().notify(receiver, event)
            finally:
                watch.leave(entered, receiver, event)

    application = Application(["everstep"])
    application.setQuitOnLastWindowClosed(False)
    dispatcher = QAbstractEventDispatcher.instance()
    dispatcher.aboutToBlock.connect(watch.end_turn)  # after a turn, with the dispatcher of GLib and with Qt's own
    dispatcher.awake.connect(watch.end_turn)
    return application


class Profiler:
    """Looks from a thread of its own where the UI thread stands in long turns."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._of = threading.get_ident()
        sys.setswitchinterval(0.0005)
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        watch = self._watch
        while True:
            time.sleep(0.002)
            entered_at, turn = watch.entered_at, watch.turn
            if watch.is_counting and entered_at and time.perf_counter() - entered_at > 0.008:
                frame = sys._current_frames().get(self._of)
                stack = traceback.extract_stack(frame)
                own = [f"{Path(at.filename).stem}.{at.name}:{at.lineno}" for at in stack if "/gui/" in at.filename]
                turn.places[" > ".join(own[-5:]) or "Qt"] += 1


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
    if arguments.profile:
        Profiler(watch)
    everstep.open()
    try:
        application.exec()
    finally:
        player.stop()
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
        "num_over_16_ms": len(watch.over),
        "share_over_16_ms": watch.share_over,
        "longest": [
            {"at_s": turn.at, "wall_ms": turn.wall_ms, "cpu_ms": turn.cpu_ms, "did": turn.words()}
            for turn in watch.longest
        ],
        "over_by_event": Counter(turn.words().rsplit(" ", 1)[0].split(",")[0] for turn in watch.over).most_common(12),
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
    print(f"{'at, s':>8}{'wall ms':>9}{'cpu ms':>8}  what the turn did", file=sys.stderr)
    for turn in result["longest"]:
        print(f"{turn['at_s']:8.1f}{turn['wall_ms']:9.1f}{turn['cpu_ms']:8.1f}  {turn['did']}", file=sys.stderr)
    print(
        f"{result['num_turns']} turns in {result['seconds']:.0f} s: median {result['p50_ms']:.1f} ms, "
        f"p99 {result['p99_ms']:.1f} ms, {result['share_over_16_ms']:.4%} over 16 ms; "
        f"memory {result['memory_first_mb']:.1f} to {result['memory_last_mb']:.1f} MB",
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
