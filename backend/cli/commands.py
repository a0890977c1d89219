"""The command line, derived from the verbs of the contract: words, arguments, choices, defaults and help.

What only the prompt knows (to wait, to follow, to confirm, the demo) is added here by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter as Slot
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from backend.cli import actions, demo
from backend.cli.session import Session, workspace_at
from backend.contract.verbs import BY_NAME, VERBS, Protection, Verb

HELP = "Everstep keeps fine-tuning a local language model on every file you give it, and never loses a step."
GROUPS = {
    "queue": "The queue: order, priority, hold, retry, remove, undo.",
    "dataset": "What the check of a file found.",
    "history": BY_NAME["history"].help,
    "config": "Settings.",
    "base": "The model that training starts from.",
    "validation": "The rows that are held out to measure with.",
    "lineage": "Lines of checkpoints that share a base model.",
    "checkpoints": "Saved and verified states of the model.",
}
ELSEWHERE = {"serve": "Run the engine on a workspace and watch its inbox.", "test": "Every check of the source."}
"""Words that main.py gives to other roles; named here for help and nearest matches."""


def _flag(name: str, help: str) -> Slot:  # noqa: A002 - the field's name
    annotation = Annotated[bool, Parameter(help=help, negative="", show_default=False)]
    return Slot(name, Slot.KEYWORD_ONLY, default=False, annotation=annotation)


_EXTRA_FLAGS: dict[str, tuple[Slot, ...]] = {
    "add": (_flag("wait", "Wait for the check; a file that cannot be used is an error."),),
    "status": (_flag("follow", "Print it again every second until Ctrl-C."),),
}
_CONFIRM = _flag("confirm", "Yes, do it: without this flag it only says what it would do.")
_EVERYWHERE = (
    _flag("json", "Print JSON on standard output: one object, or one a line."),
    Slot(
        "workspace",
        Slot.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            str | None,
            Parameter(
                name="--workspace",
                help="Folder of the workspace; else EVERSTEP_WORKSPACE, else one in your data folder.",
                show_default=False,
                metavar="DIR",
            ),
        ],
    ),
)


def build() -> App:
    """The whole command line. Calling it with words returns an exit code or raises."""
    app = _app("main.py", HELP)
    groups: dict[str, App] = {}
    for verb in VERBS:
        group, _, word = verb.name.partition(".")
        if group not in GROUPS:
            app.command(_command(verb), name=verb.name)
            continue
        if group not in groups:
            groups[group] = _app(group, GROUPS[group])
            app.command(groups[group])
        if word:
            groups[group].command(_command(verb), name=word)
        else:  # a verb whose name others continue: `history` and `history marks`
            groups[group].default(_command(verb))
    app.command(demo.command, name="demo")
    for word, told in ELSEWHERE.items():
        app.command(_elsewhere(told), name=word)
    return app


def extra_flags(verb: Verb) -> list[tuple[str, str]]:
    """Name and help of the flags that only the prompt has for this verb."""
    slots = _extra_slots(verb)
    return [(slot.name, str(slot.annotation.__metadata__[0].help)) for slot in slots]


def _extra_slots(verb: Verb) -> tuple[Slot, ...]:
    confirm = (_CONFIRM,) if verb.protection is Protection.CONFIRM else ()
    return (*_EXTRA_FLAGS.get(verb.name, ()), *confirm)


def _app(name: str, told: str) -> App:
    return App(
        name=name,
        help=told,
        version_flags=[],
        exit_on_error=False,
        print_error=False,
        help_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
        help_format="plaintext",
    )


def _command(verb: Verb) -> Callable[..., int]:
    slots = [*_slots(verb), *_extra_slots(verb), *_EVERYWHERE]
    by_place = [slot.name for slot in slots if slot.kind is Slot.POSITIONAL_ONLY]

    def command(*placed: Any, **named: Any) -> int:
        session = Session(workspace_at(named.pop("workspace", None)), as_json=named.pop("json", False))
        given = {**dict(zip(by_place, placed, strict=False)), **named}
        missing = {
            slot.name: slot.default for slot in slots if slot.default is not Slot.empty and slot.name not in given
        }
        return actions.run(session, verb, {**_without_common(missing), **given})

    command.__name__ = verb.name.replace(".", "_").replace("-", "_")
    command.__doc__ = verb.help
    command.__signature__ = inspect.Signature(slots)  # type: ignore[attr-defined]
    command.__annotations__ = {slot.name: slot.annotation for slot in slots}
    return command


def _without_common(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in ("json", "workspace")}


def _slots(verb: Verb) -> list[Slot]:
    slots = []
    for field in msgspec.structs.fields(verb.args):
        info = msgspec.inspect.type_info(field.type)
        assert isinstance(info, msgspec.inspect.Metadata), f"{verb.name}: {field.name} has no Meta"
        told = (info.extra_json_schema or {}).get("description", "")
        placed = bool((info.extra or {}).get("positional"))
        default = Slot.empty if field.required else field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        # Metadata is unpacked: the parser shall see list[str], not what msgspec knows about it.
        bare = field.type.__origin__
        is_flag = bare is bool
        shown = Parameter(
            help=told,
            negative=None if is_flag and default is True else "",
            show_default=None if default not in (None, False) else False,
        )
        kind = Slot.POSITIONAL_ONLY if placed else Slot.KEYWORD_ONLY
        slots.append(Slot(field.name, kind, default=default, annotation=Annotated[bare, shown]))
    return slots


def _elsewhere(told: str) -> Callable[[], int]:
    def command() -> int:
        return actions.EXIT_ARGUMENTS

    command.__doc__ = told
    return command
