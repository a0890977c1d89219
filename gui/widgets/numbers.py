"""Numbers as people read them: thin spaces in thousands, the locale's decimal sign, always a unit.

Every function is pure but for the default locale and takes `None` or a number that is none (nan, inf) as "not known".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from PySide6.QtCore import QCoreApplication, QLocale, QTime

UNKNOWN = "–"
THIN_SPACE = "\u202f"
"""Narrow and not breaking: inside numbers and before units."""

_MINUTE, _DAY = 60, 86400


@dataclass(frozen=True)
class _Scale:
    base: int
    units: tuple[str, ...]

    def power(self, num_bytes: float) -> int:
        """The unit in which the number has one to three digits before the sign, also after rounding."""
        power, value = 0, abs(num_bytes)
        while value >= self.base - 0.5 and power < len(self.units) - 1:
            power, value = power + 1, value / self.base
        return power

    def number(self, num_bytes: float, power: int) -> str:
        return count(num_bytes) if power == 0 else compact(num_bytes / self.base**power)


_DECIMAL = _Scale(1000, ("B", "kB", "MB", "GB", "TB", "PB"))
_BINARY = _Scale(1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def count(number: float | None) -> str:
    """`12 480`."""
    return UNKNOWN if not _is_known(number) else _grouped(_locale().toString(round(number)))


def decimal(number: float | None, digits: int = 2) -> str:
    """`0.58`, with exactly so many digits after the sign."""
    return UNKNOWN if not _is_known(number) else _grouped(_locale().toString(float(number), "f", digits))


def compact(number: float | None, digits: int = 3) -> str:
    """Three digits that count, whatever the size: `0.000184`, `0.412`, `21.4`, `5 310`."""
    if not _is_known(number):
        return UNKNOWN
    if number == 0:
        return _locale().toString(0)
    exponent = int(f"{abs(number):.{digits - 1}e}".partition("e")[2])  # after rounding: 0.9999 has one digit before
    return decimal(number, min(max(digits - 1 - exponent, 0), 12))


def scientific(number: float | None, digits: int = 2) -> str:
    """`1.84e-4`, for learning rates."""
    if not _is_known(number):
        return UNKNOWN
    if number == 0:
        return _locale().toString(0)
    mantissa, _, exponent = _locale().toString(float(number), "e", digits).lower().partition("e")
    return f"{mantissa}e{int(exponent)}"


def percent(share: float | None, digits: int = 0) -> str:
    """`62 %` of a share 0..1."""
    return UNKNOWN if not _is_known(share) else f"{decimal(share * 100, digits)}{THIN_SPACE}%"


def size(num_bytes: float | None) -> str:
    """Files, disks and downloads, in powers of 1000: `412 GB`."""
    return _scaled(num_bytes, _DECIMAL)


def memory(num_bytes: float | None) -> str:
    """RAM and GPU memory, in powers of 1024: `21.4 GiB`."""
    return _scaled(num_bytes, _BINARY)


def memory_of(used_bytes: float | None, total_bytes: float | None) -> str:
    """`21.4 / 24.0 GiB`: the unit of the whole, once."""
    return _of(used_bytes, total_bytes, _BINARY)


def size_of(done_bytes: float | None, total_bytes: float | None) -> str:
    """`120 / 270 MB`: the unit of the whole, once."""
    return _of(done_bytes, total_bytes, _DECIMAL)


def token_rate(tokens_per_second: float | None) -> str:
    """`5 310 tok/s`."""
    if not _is_known(tokens_per_second):
        return UNKNOWN
    number = count(tokens_per_second) if abs(tokens_per_second) >= 100 else compact(tokens_per_second)
    return _tr("%1 tok/s").replace("%1", number)


def temperature(celsius: float | None) -> str:
    """`67 °C`."""
    return UNKNOWN if not _is_known(celsius) else f"{count(celsius)}{THIN_SPACE}°C"


def duration(seconds: float | None) -> str:
    """The two largest parts: `44 s`, `11 min`, `3 h 05 min`, `31 d`. Below ten seconds with one decimal."""
    if not _is_known(seconds) or seconds < 0:
        return UNKNOWN
    if seconds < 9.95:
        return _unit(decimal(seconds, 1), _tr("s"))
    if round(seconds) < _MINUTE:
        return _unit(count(seconds), _tr("s"))
    minutes = round(seconds / _MINUTE)
    if minutes < 60:
        return _unit(count(minutes), _tr("min"))
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        rest = f"{minutes:02d}"
        return _unit(count(hours), _tr("h")) + (f" {_unit(rest, _tr('min'))}" if minutes else "")
    return _unit(count(seconds / _DAY), _tr("d"))


def time_left(seconds: float | None) -> str:
    """`38 min left`; empty when nobody knows."""
    return "" if not _is_known(seconds) or seconds < 0 else _tr("%1 left").replace("%1", duration(seconds))


def ago(seconds: float | None) -> str:
    """`0.4 s ago`."""
    return UNKNOWN if not _is_known(seconds) else _tr("%1 ago").replace("%1", duration(max(seconds, 0.0)))


def clock(at: float | None, now: float | None = None) -> str:
    """`23:40` today, `tomorrow 00:12`, else the weekday or the date before it. Seconds since 1970."""
    if not _is_known(at):
        return UNKNOWN
    when, today = datetime.fromtimestamp(at), _moment(now).date()
    time = clock_time(at)
    days = (when.date() - today).days
    if days == 0:
        return time
    if days == 1:
        return _tr("tomorrow %1").replace("%1", time)
    if days == -1:
        return _tr("yesterday %1").replace("%1", time)
    locale = _locale()
    if abs(days) < 7:
        return f"{locale.dayName(when.isoweekday(), QLocale.FormatType.ShortFormat)} {time}"
    return f"{when.day} {locale.monthName(when.month, QLocale.FormatType.ShortFormat)} {time}"


def clock_time(at: float) -> str:
    """The time alone, as the locale writes it."""
    when = datetime.fromtimestamp(at)
    locale = _locale()
    if locale.language() == QLocale.Language.C:  # its own short form carries seconds
        return f"{when:%H:%M}"
    return locale.toString(QTime(when.hour, when.minute), QLocale.FormatType.ShortFormat)


def done_at(seconds_left: float | None, now: float | None = None) -> str:
    """The clock time this many seconds from now; empty when nobody knows."""
    if not _is_known(seconds_left) or seconds_left < 0:
        return ""
    start = _moment(now)
    return clock((start + timedelta(seconds=seconds_left)).timestamp(), start.timestamp())


def _is_known(number: float | None) -> TypeGuard[float]:
    return number is not None and math.isfinite(number)


def _moment(now: float | None) -> datetime:
    return datetime.now() if now is None else datetime.fromtimestamp(now)


def _locale() -> QLocale:
    locale = QLocale()
    locale.setNumberOptions(QLocale.NumberOption.DefaultNumberOptions)  # the C locale leaves groups out
    return locale


def _grouped(text: str) -> str:
    separator = _locale().groupSeparator()
    return text.replace(separator, THIN_SPACE) if separator else text


def _unit(number: str, unit: str) -> str:
    return f"{number}{THIN_SPACE}{unit}"


def _scaled(num_bytes: float | None, scale: _Scale) -> str:
    if not _is_known(num_bytes):
        return UNKNOWN
    power = scale.power(num_bytes)
    return _unit(scale.number(num_bytes, power), scale.units[power])


def _of(part_bytes: float | None, whole_bytes: float | None, scale: _Scale) -> str:
    if not _is_known(whole_bytes):
        return _scaled(part_bytes, scale)
    power = scale.power(whole_bytes)
    part = scale.number(part_bytes, power) if _is_known(part_bytes) else UNKNOWN
    return f"{part} / {_unit(scale.number(whole_bytes, power), scale.units[power])}"


def _tr(text: str) -> str:
    return QCoreApplication.translate("numbers", text)
