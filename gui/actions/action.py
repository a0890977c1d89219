"""A verb as a thing a user can do: when it can be done, and how it is done with given arguments."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Meta, Struct
from PySide6.QtCore import QCoreApplication

from backend.contract.arguments import NoArgs
from backend.contract.verbs import BY_NAME, Verb
from gui.actions.errands import Jobs, Rule
from gui.state.session_store import SessionStore

_DOT = " · "


@dataclass(frozen=True, kw_only=True)
class Command:
    """One line of the command palette."""

    name: str
    title: str
    help: str
    shortcut: str
    enabled: bool
    why_not: str
    """Why it cannot be done now, as a sentence; '' when it can."""
    run: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Action:
    """What stands beside a verb of the contract. Title and help are the verb's own."""

    name: str
    rule: Rule
    perform: Callable[[Any], object]
    """Does it, given the verb's argument struct."""
    shortcut: str = ""
    rules: dict[str, Rule] = field(default_factory=dict)
    """Other rules for other arguments, by the word that `choices` uses for them."""
    words: tuple[str, ...] = ()
    """Values of its text argument, which the palette offers one by one."""
    asks: bool = False
    """The palette's choice is followed by a question, which gives the arguments."""

    @property
    def verb(self) -> Verb:
        """As the contract declares it."""
        return BY_NAME[self.name]

    @property
    def title(self) -> str:
        """For menus and palette."""
        return translated(self.verb.title)

    def enabled(self, session: SessionStore, selection: Jobs) -> tuple[bool, str]:
        """(whether it can be done now, why not)."""
        why_not = self.rule(session, selection)
        return not why_not, why_not

    def run(self, args: Struct | None = None) -> None:
        """Do it."""
        self.perform(args if args is not None or self.asks else self.verb.args())

    def choices(self, job_ids: list[int]) -> Iterator[tuple[str, str, Struct]]:
        """(word, help, arguments) of each way to do it that needs nothing to be typed; the plain one has no word."""
        if self.asks:
            yield "", self.verb.help, NoArgs()
            return
        fields = {one.name: one.type for one in msgspec.structs.fields(self.verb.args)}
        given: dict[str, Any] = {"job_ids": job_ids} if "job_ids" in fields else {}
        if "job_id" in fields:
            given["job_id"] = job_ids[0] if job_ids else 0
        for name, kind in fields.items():
            for value in self.words or _members(kind):
                if name not in given:
                    yield str(value), self.verb.help, self.verb.args(**given, **{name: value})
        if not self.words and not any(_members(kind) for kind in fields.values()):
            yield "", self.verb.help, self.verb.args(**given)
        for name, kind in fields.items():
            if _plain(kind) is bool:
                yield name, _description(kind), self.verb.args(**given, **{name: True})

    def commands(self, session: SessionStore, selection: Jobs) -> Iterator[Command]:
        """Lines for the palette."""
        for word, help_text, args in self.choices([job.job_id for job in selection]):
            why_not = self.rules.get(word, self.rule)(session, selection)
            yield Command(
                name=f"{self.name} {word}".strip(),
                title=self.title + (_DOT + translated(word) if word else ""),
                help=translated(help_text),
                shortcut=self.shortcut if not word else "",
                enabled=not why_not,
                why_not=why_not,
                run=_Run(self, args),
            )


@dataclass(frozen=True)
class _Run:
    """An action with its arguments, ready to be done."""

    action: Action
    args: Struct

    def __call__(self) -> None:
        self.action.run(self.args)


def translated(text: str) -> str:
    """A title, a help or a choice of the contract, which is declared once for prompt and window."""
    return QCoreApplication.translate("Verbs", text)


def _plain(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _members(kind: Any) -> tuple[Any, ...]:
    """The members of an enumeration."""
    plain = _plain(kind)
    return tuple(plain) if isinstance(plain, type) and issubclass(plain, StrEnum) else ()


def _description(kind: Any) -> str:
    meta = next((part for part in typing.get_args(kind) if isinstance(part, Meta)), None)
    return meta.description or "" if meta is not None else ""
