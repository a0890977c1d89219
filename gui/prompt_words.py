"""The commands in the sentences of the service, as a window says them. Light: the first frame has sentences too."""

from __future__ import annotations

import re

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
