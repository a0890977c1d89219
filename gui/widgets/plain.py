"""Text that came from data, made fit to be shown: as it is written, on one line, unable to act.

Control and direction characters would move, hide or turn round what stands beside them, so each shows as `�`.
Joiners stay: many scripts and emoji are wrong without them.
"""

from __future__ import annotations

import html
import unicodedata

_MARK = "\ufffd"
_JOINERS = "\u200c\u200d"
_MAX_COMBINING = 4
"""Marks stacked on one letter; more would climb over the lines above."""


def plain(text: str, limit: int = 240) -> str:
    """One line of at most `limit` characters; line ends and tabs become spaces."""
    return _shortened(_cleaned(text, keep="", limit=limit), limit)


def plain_lines(text: str, limit: int = 20_000) -> str:
    """As `plain`, but the text keeps its lines (samples, previews, details)."""
    return _shortened(_cleaned(text.replace("\r\n", "\n"), keep="\n\t", limit=limit), limit)


def tooltip(text: str, limit: int = 1_000) -> str:
    """For `setToolTip`: rich text that shows exactly these characters, wrapped."""
    if not text:
        return ""
    return f'<qt><p style="white-space:pre-wrap">{html.escape(plain_lines(text, limit))}</p></qt>'


def unmnemonic(text: str) -> str:
    """For buttons, menus and tabs, where a single `&` would vanish into an underline."""
    return text.replace("&", "&&")


def _cleaned(text: str, *, keep: str, limit: int) -> str:
    letters: list[str] = []
    num_combining = 0
    for letter in text[: limit * 4 + 16]:  # a huge text is not walked to its end to show its beginning
        category = unicodedata.category(letter)
        num_combining = num_combining + 1 if category in ("Mn", "Me") else 0
        if num_combining > _MAX_COMBINING:
            continue
        letters.append(_shown(letter, category, keep))
        if len(letters) > limit:
            break
    return "".join(letters)


def _shown(letter: str, category: str, keep: str) -> str:
    if letter in keep or letter in _JOINERS:
        return letter
    if letter in "\n\r\t\v\f" or category in ("Zl", "Zp"):
        return " "
    return _MARK if category in ("Cc", "Cf", "Cs", "Cn") else letter


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"
