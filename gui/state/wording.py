"""Words and numbers inside sentences: the service's commands as a window says them, thin spaces in thousands, spans of
time in two units.
"""

from __future__ import annotations

import re

from PySide6.QtCore import QCoreApplication

THIN_SPACE = "\u202f"
"""Narrow and not breaking."""
_COMMAND = re.compile(r"(^|[.!?] )?`([^`\n]+)`")
_PHRASES = (
    ("`base set` chooses one", "choose one"),
    ("`base set` brings one in", "choose one"),
    ("`base set` first", "choose a base model first"),
    ("Set it again with `base set`", "Choose it again"),
    ("Set one with `base set`", "Choose one"),
    (": `logs`.", "."),
)
"""Sentences in which a command's word alone would read badly."""
_WORDS = {
    "base set": "choose a base model",
    "validation set": "set the validation file",
    "lineage new": "New lineage",
    "queue list": "the queue",
    "queue retry": "Retry",
    "queue release": "Release",
    "queue hold": "Hold",
    "queue remove": "Remove",
    "queue undo": "Undo",
    "config show": "the settings",
    "logs": "the log",
    "add": "add",
    "skip": "Skip",
    "pause": "Pause",
    "resume": "Resume",
    "stop --now": "Stop now",
    "stop": "Stop after file",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: int) -> str:
    """`12 480`."""
    return f"{number:,}".replace(",", THIN_SPACE)


def for_window(sentence: str) -> str:
    """A sentence of the service without the prompt's language: its commands in the words of the window.

    What is no command (a field's name, a program to run) stands in quotation marks.
    """
    if "`" not in sentence:
        return sentence
    for phrase, words in _PHRASES:
        head, found, tail = sentence.partition(phrase)
        if found:
            starts = not head or head.endswith((". ", "! ", "? "))
            sentence = f"{head}{words[:1].upper() + words[1:] if starts else words}{tail}"
    return _COMMAND.sub(_command_words, sentence)


def _command_words(found: re.Match[str]) -> str:
    start, command = found.group(1), found.group(2)
    match command.split():
        case ["config", "set", key, value]:
            words = f"set {key} to {value} in the settings"
        case [*_] as parts:
            one, two = " ".join(parts[:1]), " ".join(parts[:2])
            words = _WORDS.get(two) or (_WORDS.get(one) if len(parts) == 1 else None) or f"“{command}”"
    return words if start is None else start + words[:1].upper() + words[1:]


def duration(seconds: float) -> str:
    """`38 min`, `3 h 05 min`, `2 d 4 h`: never finer than a reader can use."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return _join(whole, "s")
    minutes = round(whole / _MINUTE)
    if minutes < 60:
        return _join(minutes, "min")
    if whole < _DAY:
        return f"{_join(minutes // 60, 'h')} {minutes % 60:02}{THIN_SPACE}min"
    hours = round(whole / _HOUR)
    return f"{_join(hours // 24, QCoreApplication.translate('Duration', 'd'))} {_join(hours % 24, 'h')}"


def loss(value: float) -> str:
    """`0.583`."""
    return f"{value:.3f}"


def share(value: float) -> str:
    """`62 %` of a share 0..1."""
    return f"{value * 100:.0f}{THIN_SPACE}%"


def _join(number: int, unit: str) -> str:
    return f"{number}{THIN_SPACE}{unit}"
