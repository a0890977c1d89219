"""Which characters of a rendered row are learned.

In a conversation an assistant turn is what the template adds when the turn is appended: the rendering up to it with
the generation prompt is the question, the rendering including it is question and answer, and what lies
between, end-of-turn token included, is learned. A template for which one rendering does not begin with
the other (some drop earlier reasoning) gets only its last turn learned, and if even that fails the row is refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from backend.checker.dialect import Dialect, Message
from backend.checker.problems import RowError
from backend.checker.rows import Row
from backend.checker.template import ChatTemplate

Span = tuple[int, int]

_PLAIN_TEMPLATE_NOTE = (
    "The base model has no chat template: conversations were written as `User: ...` and `Assistant: ...` lines, "
    "each answer closed by the end-of-text token. Ask the trained model in the same form."
)


class Rendered(NamedTuple):
    """A row as text, with the half-open character ranges that are learned."""

    text: str
    spans: list[Span]
    plain: bool = False
    """Text that no template wrote: the tokenizer adds its own opening token."""
    document: bool = False
    """All of it is learned, so it may be split."""
    end: bool = False
    """An end-of-text token follows and is learned."""
    only_last_turn: bool = False


class Renderer:
    """Canonical rows to text, with the model's template or templates."""

    def __init__(self, template: ChatTemplate, dialect: Dialect, *, own_template: bool) -> None:
        self._template = template
        self._dialect = dialect
        self._for_tools = (template, dialect)
        self._own_template = own_template
        self._num_conversations = 0

    def use_for_tools(self, template: ChatTemplate, dialect: Dialect) -> None:
        """Some models bring a second template for conversations with tools."""
        self._for_tools = (template, dialect)

    def render(self, row: Row) -> Rendered:
        """Text and learned spans of a canonical row; raises RowError or TemplateLimitError."""
        if "text" in row:
            text = row["text"]
            return Rendered(text, [(0, len(text))], plain=True, document=True, end=row.get("end", True))
        if "prompt" in row:
            prompt, completion = row["prompt"], row["completion"]
            whole = prompt + completion
            return Rendered(whole, [(len(prompt), len(whole))], plain=True, end=True)
        self._num_conversations += 1
        template, dialect = self._for_tools if row.get("tools") else (self._template, self._dialect)
        messages, tools = dialect.adapt(row)
        shift = len(messages) - len(row["messages"])  # a system turn may have been added or folded
        learned = [
            place + shift
            for place, message in enumerate(row["messages"])
            if message["role"] == "assistant" and message.get("weight") != 0
        ]
        if not learned:
            raise RowError("no_answer", "Every assistant turn is marked as context: there is nothing to learn.")
        return _render_conversation(messages, tools, learned, template)

    def notes(self) -> list[tuple[str, str]]:
        """(kind, sentence) of everything that was written otherwise than the row says."""
        notes = list(dict.fromkeys(self._dialect.notes() + self._for_tools[1].notes()))
        if self._num_conversations and not self._own_template:
            notes.insert(0, ("plain_template", _PLAIN_TEMPLATE_NOTE))
        return notes


def _render_conversation(
    messages: list[Message], tools: list[Any] | None, learned: list[int], template: ChatTemplate
) -> Rendered:
    full = template.render(messages, tools=tools)
    last = len(messages) - 1
    spans: list[Span] = []
    for place in learned:
        prompt = template.render(messages[:place], tools=tools, add_generation_prompt=True)
        upto = full if place == last else template.render(messages[: place + 1], tools=tools)
        if upto.startswith(prompt) and full.startswith(upto) and len(upto) > len(prompt):
            spans.append((len(prompt), len(upto)))
        elif place != last:
            return _last_turn_only(messages, tools, learned, template, full)
        else:
            raise _unclear()
    return Rendered(full, spans)


def _last_turn_only(
    messages: list[Message], tools: list[Any] | None, learned: list[int], template: ChatTemplate, full: str
) -> Rendered:
    last = len(messages) - 1
    if learned[-1] != last:
        raise _unclear()
    prompt = template.render(messages[:last], tools=tools, add_generation_prompt=True)
    if not full.startswith(prompt) or len(full) == len(prompt):
        raise _unclear()
    return Rendered(full, [(len(prompt), len(full))], only_last_turn=True)


def _unclear() -> RowError:
    return RowError(
        "template", "The model's chat template does not show where the answer begins, so nothing was guessed."
    )
