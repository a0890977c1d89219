"""Reading what the trainer says: each event once, in order, whatever a crash left at the end of the file."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import msgspec

from backend.contract.spool import AnyTrainerEvent, ExitRecord
from backend.formats.lines import LineTail

EVENTS = "events.jsonl"
EXIT = "exit.json"
STDERR = "stderr.log"

log = logging.getLogger(__name__)


class SpoolReader:
    """Decoded events of one attempt, starting after `last_n`; `offset` is where reading goes on."""

    def __init__(self, spool: Path, *, offset: int = 0, last_n: int = 0) -> None:
        self._path = spool / EVENTS
        self._tail = LineTail(self._path, offset)
        self._decoder = msgspec.json.Decoder(AnyTrainerEvent)
        self.last_n = last_n

    @property
    def offset(self) -> int:
        """Bytes read so far; stored with the last n so that a new service goes on from here."""
        return self._tail.offset

    def read(self) -> list[AnyTrainerEvent]:
        """Events that came since the last call. A line that is no event is named in the log and skipped."""
        try:
            if self._path.stat().st_size <= self._tail.offset:
                return []
        except FileNotFoundError:
            return []
        events: list[AnyTrainerEvent] = []
        for line in self._tail.read():
            event = self._decode(line)
            if event is not None and event.n > self.last_n:
                self.last_n = event.n
                events.append(event)
        return events

    def _decode(self, line: bytes) -> AnyTrainerEvent | None:
        try:
            event: AnyTrainerEvent = self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
            log.warning("a line of %s is not an event and was skipped: %s", self._path, problem)
            return None
        return event


def earlier_events(spool: Path, offset: int, *, max_bytes: int = 64 * 1024) -> list[AnyTrainerEvent]:
    """The first event and the newest ones before `offset`: enough to know device, phase and speed again."""
    decoder = msgspec.json.Decoder(AnyTrainerEvent)
    try:
        with open(spool / EVENTS, "rb") as file:
            lines = [file.readline()]
            start = max(len(lines[0]), offset - max_bytes)
            file.seek(start)
            window = file.read(max(0, offset - start)).split(b"\n")
            lines += window[1:] if start > len(lines[0]) else window
    except OSError:
        return []
    events = []
    for line in lines:
        with suppress(msgspec.MsgspecError):
            events.append(decoder.decode(line))
    return events


def is_read_to_its_end(spool: Path, offset: int) -> bool:
    """Whether nothing that counts as an event stands behind `offset`; what a crash left without newline does not."""
    try:
        with open(spool / EVENTS, "rb") as file:
            file.seek(offset)
            return b"\n" not in file.read()
    except FileNotFoundError:
        return True


def read_exit(spool: Path) -> ExitRecord | None:
    """The trainer's last words, if it came to write them."""
    try:
        return msgspec.json.decode((spool / EXIT).read_bytes(), type=ExitRecord)
    except (OSError, msgspec.MsgspecError):
        return None


def stderr_tail(spool: Path, *, num_lines: int = 20, max_bytes: int = 64 * 1024) -> list[str]:
    """The last lines the trainer and its libraries printed."""
    try:
        with open(spool / STDERR, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - max_bytes))
            return file.read().decode("utf-8", "replace").split("\n")[-num_lines - 1 :]
    except OSError:
        return []
