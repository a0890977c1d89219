"""Chat templates: rendered as transformers renders them, but with limits, because they come from strangers.

The environment (immutable sandbox, block trimming, loop controls, the same few functions) follows the conventions
of `apply_chat_template`. Added here: 2 s and 4 MB a rendering, and no arithmetic that makes huge values.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox
import jinja2.utils

from backend.checker.problems import RowError
from backend.contract.errors import ModelError

MAX_SECONDS = 2.0
MAX_CHARS = 4 * 2**20
_MAX_OPERAND = 10_000_000
_MAX_TEMPLATE_CHARS = 2**20
_REFUSALS = (jinja2.exceptions.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError)


class TemplateLimitError(Exception):
    """A template used more time, memory or text than any honest one needs."""


class _Generation(jinja2.ext.Extension):
    """`{% generation %}` marks what the assistant says; rendering passes it through."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """The statements inside the block, as they are."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Namespace(jinja2.utils.Namespace):
    """A namespace that stores no underscored names."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, args = args[0], args[1:]
        values = dict(*args, **kwargs)
        for name in values:
            _refuse_underscore(name)
        jinja2.utils.Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _refuse_underscore(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a template may not store {name!r}")


class _Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Operators that could make a value of gigabytes in one step are looked at first."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator, or TemplateLimitError."""
        if operator == "**" and (_size(left) > 10**6 or _size(right) > 64):
            raise TemplateLimitError("it raises to a huge power")
        if operator == "*" and max(_length(left) * _size(right), _length(right) * _size(left)) > _MAX_OPERAND:
            raise TemplateLimitError("it repeats a text too often")
        if operator == "%" and isinstance(left, str) and any(len(digits) > 5 for digits in _digit_runs(left)):
            raise TemplateLimitError("it pads a text too far")
        return super().call_binop(context, operator, left, right)


def _size(value: Any) -> float:
    return abs(value) if isinstance(value, (int, float)) else 0


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple)) else 0


def _digit_runs(text: str) -> list[str]:
    return "".join(sign if sign.isdigit() else " " for sign in text).split()


def _raise_exception(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)


class _Dict:
    """`dict(...)` for templates, without the class behind it."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        """As dict.fromkeys."""
        return dict.fromkeys(*args)


def _environment() -> _Sandbox:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    environment.globals["dict"] = _Dict()
    environment.globals["namespace"] = _Namespace
    return environment


class ChatTemplate:
    """One compiled chat template with the special tokens it may print."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        """Raises ModelError when the template does not compile."""
        if len(source) > _MAX_TEMPLATE_CHARS:
            raise ModelError("Its chat template is larger than 1 MB.", hint="Take another base model.")
        signal.signal(signal.SIGALRM, _on_alarm)  # for good: a checker has no other use for it
        try:
            with _time_limit(5 * MAX_SECONDS):
                self._template = _environment().from_string(source)
        except (
            jinja2.exceptions.TemplateError,
            TemplateLimitError,
            RecursionError,
            MemoryError,
            ValueError,
        ) as problem:
            raise ModelError(
                f"Its chat template cannot be used: {problem}.", hint="Look at chat_template.jinja.", code="template"
            ) from None
        self.source = source
        self._special_tokens = dict(special_tokens)

    def render(
        self, messages: list[dict[str, Any]], *, tools: list[Any] | None = None, add_generation_prompt: bool = False
    ) -> str:
        """The conversation as text.

        Raises RowError when the template refuses it, TemplateLimitError when a limit was hit.
        """
        pieces: list[str] = []
        num_chars = 0
        try:
            with _time_limit(MAX_SECONDS):
                for piece in self._template.generate(
                    messages=[_with_reasoning_names(message) for message in messages],
                    tools=tools,
                    documents=None,
                    add_generation_prompt=add_generation_prompt,
                    **self._special_tokens,
                ):
                    pieces.append(piece)
                    num_chars += len(piece)
                    if num_chars > MAX_CHARS:
                        raise TemplateLimitError(f"it wrote more than {MAX_CHARS >> 20} MB for one row")
        except (MemoryError, OverflowError, RecursionError) as problem:
            raise TemplateLimitError(f"it asked for too much ({type(problem).__name__})") from None
        except _REFUSALS as problem:
            raise RowError("template", f"The model's chat template refuses the row: {_short(problem)}") from None
        return "".join(pieces)


def _with_reasoning_names(message: dict[str, Any]) -> dict[str, Any]:
    """Templates read an answer's reasoning under one of two names; transformers fills both."""
    if "reasoning_content" in message:
        return {"thinking": message["reasoning_content"], **message}
    return message


def _short(problem: Exception) -> str:
    text = " ".join(str(problem).split()) or type(problem).__name__
    return (text if len(text) <= 200 else text[:197] + "...").rstrip(".") + "."


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt Python code that runs longer; what hangs inside one C call is ended by the process limits."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _on_alarm(number: int, frame: FrameType | None) -> None:
    raise TemplateLimitError("it ran too long")
