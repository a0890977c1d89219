"""`logs/everstep_YYYYMMDD.log`: one line a record, nothing secret, nothing that can fake a line.

    2026-11-23T18:59:01.123 INFO service.dispatcher: Told the trainer to run job 4.

Secrets are cut out at the sink, after message, arguments and traceback became one text.
"""

from __future__ import annotations

import json
import logging
import re
import time
from contextlib import suppress
from pathlib import Path

from backend.contract.settings import ServiceSettings
from backend.store import durable

_SECRETS = re.compile(
    r"hf_[A-Za-z0-9]{20,}|hf_oauth_[A-Za-z0-9._-]+|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}|AKIA[0-9A-Z]{16}"
    r"|(?i:bearer)\s+[A-Za-z0-9._~+/=-]+|(?i:authorization)\W{1,4}[^\s\"',}]+(?:\s+[A-Za-z0-9._~+/=-]{8,})?"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)
_HIDDEN = "<redacted>"
_INVISIBLE = re.compile("[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_NAME = re.compile(r"everstep_(\d{8})(?:_(\d+))?\.log")
_SWEEP_EVERY_BYTES = 1_000_000


class Redactor:
    """Cuts secrets out of text; knows the usual shapes and the words it was told."""

    def __init__(self) -> None:
        self._words: list[str] = []

    def hide(self, word: str) -> None:
        """Never let this very word through."""
        self._words.append(word)

    def clean(self, text: str) -> str:
        """The text without secrets."""
        for word in self._words:
            text = text.replace(word, _HIDDEN)
        return _SECRETS.sub(_HIDDEN, text)


class LineFormatter(logging.Formatter):
    """One record, one line: whatever a message holds is escaped as in a JSON string."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        name = record.name.removeprefix("backend.")
        return f"{stamp}.{int(record.msecs):03d} {record.levelname} {name}: {one_line(self._redactor.clean(text))}"


def one_line(text: str) -> str:
    """Escaped as in a JSON string, with signs that show nothing or turn the reading direction made visible."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    escaped = escaped.encode("utf-8", "backslashreplace").decode()
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found.group()):04x}", escaped)


class DailyLog(logging.Handler):
    """Writes the file of the day; keeps `keep_days` of them and at most `max_bytes` together."""

    def __init__(self, folder: Path, redactor: Redactor, *, keep_days: int = 30, max_bytes: int = 200_000_000) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(LineFormatter(redactor))
        self.keep_days = keep_days
        self.max_bytes = max_bytes
        self._folder = folder
        self._file: durable.Appender | None = None
        self._num_bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode()
            self._file_of_the_day().append(line)
            self._num_bytes += len(line) + 1
            if self._num_bytes > _SWEEP_EVERY_BYTES:
                self._num_bytes = 0
                self.sweep()
        except (OSError, ValueError):  # a full disk must not stop the program for want of a log line
            self._close_file()

    def _file_of_the_day(self) -> durable.Appender:
        path = self._folder / time.strftime("everstep_%Y%m%d.log")
        if self._file is None or self._file.path != path:
            self._close_file()
            self._file = durable.Appender(path)
            self.sweep()
        return self._file

    def sweep(self) -> None:
        """Remove what is too old or too much, oldest first; today's file is split when it alone is too large."""
        logs = log_files(self._folder)
        sizes = {path: path.stat().st_size for path in logs}
        today = self._file.path if self._file else None
        if today in sizes and sizes[today] > self.max_bytes // 2:
            self._close_file()
            parts = [int(found.group(2) or 0) for path in logs if (found := _NAME.fullmatch(path.name))]
            durable.move(today, today.with_stem(f"{today.stem}_{max(parts) + 1}"))
            self._file = durable.Appender(today)
            return self.sweep()
        oldest_day = time.strftime("%Y%m%d", time.localtime(time.time() - self.keep_days * 86400))
        total = sum(sizes.values())
        for path in logs:
            found = _NAME.fullmatch(path.name)
            if path != today and (total > self.max_bytes or (found and found.group(1) < oldest_day)):
                with suppress(OSError):
                    durable.remove_file(path)
                    total -= sizes[path]
        return None

    def limit(self, *, keep_days: int, max_bytes: int) -> None:
        """Other limits, in force at once."""
        self.acquire()
        try:
            self.keep_days, self.max_bytes = keep_days, max_bytes
            with suppress(OSError):
                self.sweep()
        finally:
            self.release()

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def close(self) -> None:
        self._close_file()
        super().close()


def log_files(folder: Path) -> list[Path]:
    """Log files, oldest first."""

    def age(path: Path) -> tuple[str, int]:
        found = _NAME.fullmatch(path.name)
        return (found.group(1), int(found.group(2) or 10**9)) if found else ("", 0)

    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=age)


def newest_lines(folder: Path, count: int) -> list[str]:
    """The last lines over all files, oldest first."""
    lines: list[str] = []
    for path in reversed(log_files(folder)):
        with open(path, "rb") as file:
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - 400 * count - 65536))
            found = file.read().decode("utf-8", "replace").split("\n")[:-1]
        lines = found[-(count - len(lines)) :] + lines
        if len(lines) >= count:
            break
    return lines[-count:] if count > 0 else []


def start(folder: Path, service: ServiceSettings) -> tuple[DailyLog, Redactor]:
    """Send everything the program logs to the workspace's log."""
    redactor = Redactor()
    handler = DailyLog(folder, redactor)
    apply_limits(handler, service)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for noisy in ("uvicorn.error", "watchfiles.main", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return handler, redactor


def apply_limits(handler: DailyLog, service: ServiceSettings) -> None:
    """What the settings say."""
    handler.limit(keep_days=service.log_keep_days, max_bytes=service.log_max_megabytes * 1_000_000)


def stop(handler: DailyLog) -> None:
    """Close the log."""
    logging.getLogger().removeHandler(handler)
    handler.close()
