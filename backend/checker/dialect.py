"""What a chat template can say, found out by trying, and conversations put into words it can say.

Where a template has no place for tool calls, tool lists or reasoning, they are written into the text the way
most open models learned it: `<tool_call>`, `<tool_response>`, `<tools>` and `<think>`. Where it takes no system
turn, the system text opens the first question. Whatever was done so is said in the report.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from backend.checker.problems import RowError
from backend.checker.rows import Row
from backend.checker.template import ChatTemplate

Message = dict[str, Any]

_SYSTEM, _TOOL, _CALL, _RESULT, _REASON = "probe-system", "probe_tool", "probe_call", "probe-result", "probe-reason"
_USER: Message = {"role": "user", "content": "probe-user"}
_ANSWER: Message = {"role": "assistant", "content": "probe-answer"}

_NOTES = {
    "tools": "The model's chat template has no place for tools: they were written into the system turn.",
    "tool_calls": "The model's chat template has no place for tool calls: they were written as <tool_call> text.",
    "tool_role": "The model's chat template has no tool turn: results were written as <tool_response> of the user.",
    "system": "The model's chat template takes no system turn: its text opens the first question.",
    "reasoning": "The model's chat template has no place for reasoning: it was written as <think> text.",
}


@dataclass
class Dialect:
    """Which parts of a conversation the template can take."""

    tools: bool = True
    tool_calls: bool = True
    arguments_as_text: bool = False
    tool_role: bool = True
    system: bool = True
    reasoning: bool = True
    used: set[str] = field(default_factory=set)
    """Rewritings that were needed so far."""

    def notes(self) -> list[tuple[str, str]]:
        """(kind, sentence) of every rewriting that was needed."""
        return [(f"rewritten_{name}", _NOTES[name]) for name in sorted(self.used)]

    def adapt(self, row: Row) -> tuple[list[Message], list[Any] | None]:
        """Messages and tools of a canonical conversation as the template can take them."""
        messages = [self._message(message) for message in row["messages"]]
        tools: list[Any] | None = row.get("tools") or None
        if tools and not self.tools:
            self.used.add("tools")
            messages = _with_tools_in_system(messages, tools)
            tools = None
        if messages[0]["role"] == "system" and not self.system:
            self.used.add("system")
            messages = _with_system_in_question(messages)
        return messages, tools

    def _message(self, message: Message) -> Message:
        result = {key: value for key, value in message.items() if key != "weight"}
        if message["role"] == "tool" and not self.tool_role:
            self.used.add("tool_role")
            return {"role": "user", "content": f"<tool_response>\n{message['content']}\n</tool_response>"}
        calls = message.get("tool_calls")
        if calls and not self.tool_calls:
            self.used.add("tool_calls")
            del result["tool_calls"]
            written = "\n".join(_written_call(call["function"]) for call in calls)
            result["content"] = "\n".join(part for part in (message["content"], written) if part)
        elif calls and self.arguments_as_text:
            result["tool_calls"] = [_with_text_arguments(call) for call in calls]
        if "reasoning_content" in message and not self.reasoning:
            self.used.add("reasoning")
            reasoning = result.pop("reasoning_content").strip("\n")
            result["content"] = f"<think>\n{reasoning}\n</think>\n\n{result['content']}"
        return result


def _written_call(function: dict[str, Any]) -> str:
    body = json.dumps({"name": function["name"], "arguments": function["arguments"]}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"


def _with_text_arguments(call: Message) -> Message:
    function = call["function"]
    if isinstance(function["arguments"], str):
        return call
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {**function, "arguments": arguments}}


def _with_tools_in_system(messages: list[Message], tools: list[Any]) -> list[Message]:
    listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = (
        "You may call one or more functions to assist with the user query. "
        "They are described within <tools></tools>:\n"
        f"<tools>\n{listed}\n</tools>\n"
        "For each call return a JSON object with name and arguments within <tool_call></tool_call>."
    )
    if messages[0]["role"] == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{text}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _with_system_in_question(messages: list[Message]) -> list[Message]:
    system, rest = messages[0]["content"], messages[1:]
    if rest and rest[0]["role"] == "user":
        return [{**rest[0], "content": f"{system}\n\n{rest[0]['content']}"}, *rest[1:]]
    return [{"role": "user", "content": system}, *rest]


def dialect_of(template: ChatTemplate) -> Dialect:
    """Try every part on the template once."""
    dialect = Dialect()
    dialect.system = _renders(template, [{"role": "system", "content": _SYSTEM}, _USER, _ANSWER], _SYSTEM)
    tool = {"name": _TOOL, "description": "d", "parameters": {"type": "object", "properties": {}, "required": []}}
    tools = [{"type": "function", "function": tool}]
    dialect.tools = _renders(template, [_USER, _ANSWER], _TOOL, tools=tools)
    for as_text in (False, True):
        dialect.arguments_as_text = as_text
        dialect.tool_calls = _renders(template, [_USER, _call(as_text)], _CALL, tools=tools)
        if dialect.tool_calls:
            break
    result = {"role": "tool", "name": _CALL, "tool_call_id": "call00001", "content": _RESULT}
    asked = [_USER, _call(dialect.arguments_as_text), result, _ANSWER]
    dialect.tool_role = dialect.tool_calls and _renders(template, asked, _RESULT, tools=tools)
    dialect.reasoning = _renders(template, [_USER, {**_ANSWER, "reasoning_content": _REASON}], _REASON)
    return dialect


def _call(as_text: bool) -> Message:
    arguments: Any = '{"x": 1}' if as_text else {"x": 1}
    function = {"name": _CALL, "arguments": arguments}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "call00001", "type": "function", "function": function}],
    }


def _renders(template: ChatTemplate, messages: list[Message], wanted: str, *, tools: list[Any] | None = None) -> bool:
    try:
        return wanted in template.render(messages, tools=tools)
    except RowError:
        return False
