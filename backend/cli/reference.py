"""Writes docs/commands.md and docs/settings.md from the declarations: `python -m backend.cli.reference`.

A test compares the two pages with what this module makes; nobody edits them by hand.
"""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import get_args, get_origin

import msgspec

from backend.cli.commands import extra_flags
from backend.cli.views import setting_value
from backend.contract.settings import CPU_PRESET, Config, SettingView, describe
from backend.contract.verbs import VERBS, Protection, Verb
from backend.store import durable

DOCS = Path(__file__).resolve().parents[2] / "docs"
_HEAD = "<!-- Made from the declarations by `python -m backend.cli.reference`; do not edit. -->\n\n"

_COMMANDS_INTRO = """\
# Commands

Every command is typed as `python3 main.py VERB …`. All of them take

- `--workspace DIR`: the folder to work in; else the environment's `EVERSTEP_WORKSPACE`, else one in your data folder;
- `--json`: JSON on standard output, one object; a result that is a list prints one object a line. Sentences and
  progress go to standard error;
- `--help`.

A command that needs the service starts one in the background; it ends by itself 60 seconds after it has nothing left to
do. Commands marked *offline* also answer without a service, from files, and start none.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | what was asked failed; standard error says why |
| 2 | the words were not understood |
| 3 | protected: it printed what it would do, and did nothing |
| 130 | interrupted with Ctrl-C |

## Beside the verbs

### `demo [--headless] [--steps N]`

Train a small real model on sample data and compare its answers before and after. With `--json` it ends with one object:
`steps`, `loss_first`, `loss_last`, `validation_loss_before`, `validation_loss_after`, `tokens_per_second`, `seconds`,
`adapter` and more.

### `serve [--until-idle] [--linger SECONDS]`

Run the engine on a workspace and watch its inbox; it tells each file that starts and ends in one line, with `--json` as
one object a line. Ctrl-C saves and ends service and trainer, like `shutdown`; the next start goes on where it was.
`--until-idle` ends it when nothing is left to do, with 1 if a file failed or waits for you; `--linger` ends it after so
long without a client or work.

### `test [--full]`

Every check of the source.

## Verbs
"""

_SETTINGS_INTRO = """\
# Settings

`python3 main.py config show` prints them, `python3 main.py config set KEY VALUE` changes one. They lie in `config.json`
of the workspace. A file keeps the settings it was added with; a change holds for files added from then on, and for a
file that failed or was blocked before its first step and is put back with `queue retry`. The room before the dot may be
left out: `config set learning_rate 1e-4`.

*Locked* settings give the adapter its shape: they are free until the first checkpoint and fixed afterwards;
`lineage new` starts again from the base model.
"""


def commands_page() -> str:
    """The text of docs/commands.md."""
    parts = [_HEAD + _COMMANDS_INTRO]
    parts += [_verb_section(verb) for verb in VERBS]
    return "\n".join(parts)


def settings_page() -> str:
    """The text of docs/settings.md."""
    parts = [_HEAD + _SETTINGS_INTRO]
    views = describe(Config())
    for room, title in (("training", "Training"), ("service", "Service")):
        parts.append(f"## {title}\n")
        parts.append("| setting | default | what it does |\n|---|---|---|")
        parts += [_setting_row(view) for view in views if view.key.startswith(f"{room}.")]
        parts.append("")
    preset = ", ".join(f"`{name}` {setting_value(value)}" for name, value in CPU_PRESET.items())
    parts.append(f"A machine without a graphics card starts with these instead of the defaults: {preset}.\n")
    return "\n".join(parts)


def _verb_section(verb: Verb) -> str:
    fields = msgspec.structs.fields(verb.args)
    placed = [field for field in fields if _is_placed(field)]
    named = [field for field in fields if not _is_placed(field)]
    words = [verb.name.replace(".", " "), *map(_placed_word, placed), *map(_named_word, named)]
    words += [f"[--{name}]" for name, _ in extra_flags(verb)]
    lines = [f"### `{' '.join(words)}`\n", f"{verb.help}{' *Offline.*' if verb.offline else ''}"]
    if verb.protection is Protection.CONFIRM:
        lines[-1] += " Protected: without `--confirm` it only says what it would do, and ends with 3."
    told = [(_placed_word(field), _description(field)) for field in placed]
    told += [(_named_word(field), _named_description(field)) for field in named]
    told += [(f"--{name}", help_text) for name, help_text in extra_flags(verb)]
    if told:
        lines.append("")
        lines += [f"- `{word.strip('[]')}`: {text}" for word, text in told]
    return "\n".join(lines) + "\n"


def _is_placed(field: msgspec.structs.FieldInfo) -> bool:
    info = msgspec.inspect.type_info(field.type)
    return isinstance(info, msgspec.inspect.Metadata) and bool((info.extra or {}).get("positional"))


def _description(field: msgspec.structs.FieldInfo) -> str:
    info = msgspec.inspect.type_info(field.type)
    assert isinstance(info, msgspec.inspect.Metadata)
    return str((info.extra_json_schema or {}).get("description", ""))


def _placed_word(field: msgspec.structs.FieldInfo) -> str:
    word = field.name.upper()
    word = f"{word.removesuffix('S')} …" if get_origin(field.type.__origin__) is list else word
    return word if field.required else f"[{word}]"


def _named_word(field: msgspec.structs.FieldInfo) -> str:
    flag = f"--{field.name.replace('_', '-')}"
    kind = field.type.__origin__
    if kind is bool:
        return f"[--no-{field.name.replace('_', '-')}]" if field.default is True else f"[{flag}]"
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        value = "|".join(str(choice.value) for choice in kind)
    else:
        value = "N" if int in (kind, *get_args(kind)) else "TEXT"
    return f"{flag} {value}" if field.required else f"[{flag} {value}]"


def _named_description(field: msgspec.structs.FieldInfo) -> str:
    if field.default is True:
        return f"Switches off: {_description(field)}"
    if field.required or field.default in (None, False):
        return _description(field)
    return f"{_description(field)} Default {setting_value(field.default)}."


def _setting_row(view: SettingView) -> str:
    default = f"{setting_value(view.default)} {view.unit}".strip()
    notes = f" One of {', '.join(view.choices)}." if view.choices else ""
    notes += " *Locked.*" if view.locked else ""
    return f"| `{view.key}` | {default} | **{view.title}.** {view.help}{notes} |"


def main() -> int:
    """Write both pages."""
    durable.commit_file(DOCS / "commands.md", commands_page().encode(), mode=0o644)
    durable.commit_file(DOCS / "settings.md", settings_page().encode(), mode=0o644)
    return 0


if __name__ == "__main__":
    sys.exit(main())
