"""Shows results of verbs at a prompt: tables in a terminal, plain aligned text in a pipe, JSON when asked.

Answers go to standard output, everything else to standard error. Colour means something and is never the only
sign; only the terminal's own palette is used, so it reads on dark and on light.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from backend.contract.errors import EverstepError

GOOD, BUSY, WATCH, BAD = "green", "blue", "yellow", "red"
_PIPE_WIDTH = 10_000
"""Nothing is cut or wrapped in a pipe."""


def terminal(*, to_stderr: bool = False, pipe_width: int = _PIPE_WIDTH) -> Console:
    """A console for one of the two streams; NO_COLOR is honoured by the library."""
    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() else pipe_width
    return Console(file=stream, width=width, highlight=False, soft_wrap=not stream.isatty(), markup=False)


def show(renderable: RenderableType, console: Console) -> None:
    """Print; in a pipe without the spaces that fill a table's cells at the end of lines."""
    if console.is_terminal:
        console.print(renderable)
        return
    if isinstance(renderable, str):
        print(renderable, flush=True)
        return
    with console.capture() as captured:
        console.print(renderable)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), flush=True)


def as_json_lines(result: Struct) -> list[bytes]:
    """A result as JSON: one line, or one line an item where the result is nothing but a list."""
    fields = msgspec.structs.fields(result)
    if len(fields) == 1:
        items = getattr(result, fields[0].name)
        if isinstance(items, list):
            singular = fields[0].name.removesuffix("s")
            return [msgspec.json.encode({singular: item} if isinstance(item, str) else item) for item in items]
    return [msgspec.json.encode(result)]


def print_json(result: Struct) -> None:
    """Write a result's JSON lines to standard output."""
    for line in as_json_lines(result):
        print(line.decode(), flush=True)


def print_error(error: EverstepError, *, as_json: bool) -> None:
    """An error as a sentence on standard error; with --json also as one object on standard output."""
    console = terminal(to_stderr=True)
    body = error.body()
    told = Text.assemble((body.title + ".", "bold red"), " ", body.message)
    if body.hint:
        told.append(" " + body.hint)
    console.print(told, soft_wrap=True)
    if as_json:
        print(msgspec.json.encode({"error": body}).decode(), flush=True)


def tell(text: str) -> None:
    """A remark that is not the answer."""
    terminal(to_stderr=True).print(Text(text), soft_wrap=True)


def table(*columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """A borderless table; `numbers` names the columns that are aligned to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in columns:
        right = name in numbers
        made.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return made


def aligned(columns: tuple[str, ...], rows: list[tuple[str, ...]], numbers: tuple[str, ...] = ()) -> str:
    """The same as plain text for a pipe: the library takes ten seconds for ten thousand rows."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = [name in numbers for name in columns]

    def line(cells: tuple[str, ...]) -> str:
        padded = zip(cells, widths, right, strict=True)
        return "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width) for cell, width, is_right in padded
        ).rstrip()

    return "\n".join(map(line, lines))


def facts(rows: list[tuple[str, Any]]) -> Table:
    """Names on the left, values on the right."""
    made = Table(box=None, pad_edge=False, show_header=False, show_edge=False)
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return made
