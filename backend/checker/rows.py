"""From a row of a known shape to the canonical row that is hashed, held out and rendered.

Canonical is one of
    {"messages": [{"role", "content", ...}], "tools"?: [...]}
    {"prompt": str, "completion": str}
    {"text": str, "end"?: false}
and reading a canonical row gives itself. A message may also carry `reasoning_content`, `tool_calls`, `name`,
`tool_call_id`, and `weight: 0` for an assistant turn that is context only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from backend.checker.json_rows import shown
from backend.checker.problems import RowError
from backend.checker.shapes import (
    COMPLETION_KEYS,
    INSTRUCTION_ANSWER_KEYS,
    QUESTION_ANSWER_KEYS,
    QUESTION_KEYS,
    conversation_keys,
    lowered,
)

Row = dict[str, Any]

_ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "input", "question"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "output"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
}
_CONTENT_KEYS = ("content", "value", "text")
_REASONING_KEYS = ("reasoning_content", "thinking", "reasoning")
_TEXT_PARTS = ("text", "output_text", "input_text")
_ENCODER = msgspec.json.Encoder(order="sorted")


def canonical_bytes(row: Row) -> bytes:
    """A canonical row as JSON: sorted keys, no blanks, UTF-8."""
    return _ENCODER.encode(row)


def row_sha256(canonical: bytes) -> bytes:
    """Digest that names a row wherever it turns up."""
    return hashlib.sha256(canonical).digest()


def canonical_row(value: Any, shape: str) -> Row:
    """The canonical row of a value whose shape is known; raises RowError."""
    if isinstance(value, list):
        return _conversation(value, {})
    row = lowered(value)
    match shape:
        case "messages" | "conversations":
            keys = conversation_keys(row) or ["text"]
            return _conversation(row[keys[0]], row)
        case "alpaca":
            return _alpaca(row)
        case "prompt_completion":
            return _prompt_completion(row)
        case "question_answer":
            return _question_answer(row)
        case _:
            return _text(row)


# ---- conversations -----------------------------------------------------------------------------------------


def _conversation(turns: list[Any], row: Mapping[str, Any]) -> Row:
    messages = [_message(turn, place) for place, turn in enumerate(turns, 1)]
    system = row.get("system") or row.get("system_prompt")
    if isinstance(system, str) and system.strip() and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": system})
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()  # nothing after the last answer can be learned
    if not messages:
        raise RowError("no_answer", "The conversation has no assistant turn to learn from.")
    for place, message in enumerate(messages, 1):
        if message["role"] == "assistant" and not _says_something(message) and message.get("weight") != 0:
            raise RowError("empty_answer", f"The assistant's turn {place} is empty.")
    result: Row = {"messages": messages}
    tools = _tools(row.get("tools") or row.get("functions"))
    if tools:
        result["tools"] = tools
    return result


def _says_something(message: Mapping[str, Any]) -> bool:
    return bool(message["content"].strip() or message.get("tool_calls") or message.get("reasoning_content"))


def _message(turn: Any, place: int) -> dict[str, Any]:
    if not isinstance(turn, dict):
        raise RowError("unknown_shape", f"Turn {place} is not an object with role and content.")
    tag = turn.get("role", turn.get("from"))
    role = _ROLES.get(tag.strip().lower()) if isinstance(tag, str) else None
    if role is None:
        known = "system, user, assistant or tool"
        raise RowError("unknown_role", f"Turn {place} has the role {shown(str(tag))}; use {known}.")
    content = next((turn[key] for key in _CONTENT_KEYS if turn.get(key) is not None), "")
    if role == "call":
        return {"role": "assistant", "content": "", "tool_calls": _calls_in_text(content, place)}
    message: dict[str, Any] = {"role": role, "content": ""}
    if isinstance(content, str):
        message["content"] = content
    elif isinstance(content, list):
        _read_parts(message, content, place)
    else:
        raise RowError("unknown_shape", f"The content of turn {place} is neither text nor a list of parts.")
    _read_extras(message, turn, place)
    return message


def _read_extras(message: dict[str, Any], turn: Mapping[str, Any], place: int) -> None:
    for key in _REASONING_KEYS:
        if isinstance(turn.get(key), str) and turn[key].strip() and "reasoning_content" not in message:
            message["reasoning_content"] = turn[key]
    calls = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else None)
    if calls:
        message["tool_calls"] = _calls(calls, place)
    for key in ("name", "tool_call_id"):
        if isinstance(turn.get(key), str) and turn[key]:
            message[key] = turn[key]
    if message["role"] == "assistant" and (turn.get("weight") == 0 or turn.get("train") is False):
        message["weight"] = 0


def _read_parts(message: dict[str, Any], parts: list[Any], place: int) -> None:
    texts: list[str] = []
    reasoning: list[str] = []
    calls: list[Any] = []
    for part in parts:
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        value = part if isinstance(part, str) else _part_text(part, place)
        if isinstance(part, dict) and part.get("train") is False:
            raise RowError("unknown_shape", f"Turn {place} marks single parts as not learned, which is not supported.")
        if kind in _TEXT_PARTS:
            texts.append(value)
        elif kind in ("reasoning", "thinking"):
            reasoning.append(value)
        elif kind in ("tool_call", "function_call"):
            calls.extend(_calls_in_text(value, place))
        else:
            raise RowError("multimodal", f"Turn {place} holds a part of type {shown(str(kind))}; only text is trained.")
    message["content"] = "".join(texts)
    if reasoning:
        message["reasoning_content"] = "\n".join(reasoning)
    if calls:
        message["tool_calls"] = calls


def _part_text(part: Any, place: int) -> str:
    if isinstance(part, dict):
        if part.get("type") in ("image", "image_url", "audio", "input_audio", "video", "file"):
            return ""
        for key in ("text", "value", "content", "thinking", "reasoning"):
            if isinstance(part.get(key), str):
                return str(part[key])
    raise RowError("unknown_shape", f"Turn {place} has a part without text.")


def _calls_in_text(content: Any, place: int) -> list[dict[str, Any]]:
    value = content
    if isinstance(content, str):
        try:
            value = msgspec.json.decode(content)
        except (msgspec.DecodeError, ValueError):
            raise RowError("broken_tool_call", f"The tool call in turn {place} is not valid JSON.") from None
    return _calls(value if isinstance(value, list) else [value], place)


def _calls(calls: Any, place: int) -> list[dict[str, Any]]:
    """Tool calls in the shape that chat templates read, arguments as an object where they are one."""
    result = []
    for call in calls if isinstance(calls, list) else [calls]:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RowError("broken_tool_call", f"A tool call in turn {place} has no function name.")
        arguments = function.get("arguments", function.get("parameters", {}))
        if isinstance(arguments, str):
            try:
                arguments = msgspec.json.decode(arguments) if arguments.strip() else {}
            except (msgspec.DecodeError, ValueError):
                raise RowError(
                    "broken_tool_call", f"The arguments of a tool call in turn {place} are not valid JSON."
                ) from None
        entry: dict[str, Any] = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
        if isinstance(call.get("id"), str):
            entry["id"] = call["id"]
        result.append(entry)
    return result


def _tools(tools: Any) -> list[Any]:
    if isinstance(tools, str):
        if not tools.strip():
            return []
        try:
            tools = msgspec.json.decode(tools)
        except (msgspec.DecodeError, ValueError):
            raise RowError("broken_tools", "The field `tools` is not valid JSON.") from None
    if not tools:
        return []
    entries = tools if isinstance(tools, list) else [tools]
    if not all(isinstance(tool, dict) for tool in entries):
        raise RowError("broken_tools", "The field `tools` is not a list of objects.")
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in entries]


# ---- questions and answers ---------------------------------------------------------------------------------


def _field(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return msgspec.json.encode(value).decode()
    raise RowError("unknown_shape", f"The field {shown(key)} is not text.")


def _one_answer(row: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    found = [key for key in keys if key in row]
    filled = [key for key in found if _field(row, key).strip()]
    if len(filled) > 1:
        both = " and ".join(shown(key) for key in filled)
        raise RowError("ambiguous", f"Both {both} could be the answer; keep one.")
    if not filled:
        raise RowError("empty_answer", f"The field {shown(found[0])} is empty: there is nothing to learn.")
    return _field(row, filled[0])


def _exchange(question: str, answer: str, system: str, history: list[dict[str, Any]]) -> Row:
    if not question.strip():
        raise RowError("empty_question", "The question is empty.")
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system.strip() else []
    messages += history
    messages.append({"role": "user", "content": question})
    messages.append({"role": "assistant", "content": answer})
    return {"messages": messages}


def _system(row: Mapping[str, Any]) -> str:
    return _field(row, "system") or _field(row, "system_prompt")


def _alpaca(row: Mapping[str, Any]) -> Row:
    answer = _one_answer(row, INSTRUCTION_ANSWER_KEYS)
    question = "\n".join(part for part in (_field(row, "instruction"), _field(row, "input")) if part)
    history: list[dict[str, Any]] = []
    for pair in row.get("history") or []:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, str) for side in pair)):
            raise RowError("unknown_shape", "The field `history` is not a list of pairs of texts.")
        history.append({"role": "user", "content": pair[0]})
        history.append({"role": "assistant", "content": pair[1]})
    return _exchange(question, answer, _system(row), history)


def _question_answer(row: Mapping[str, Any]) -> Row:
    asked = [key for key in QUESTION_KEYS if _field(row, key).strip()]
    if len(asked) > 1:
        raise RowError("ambiguous", f"Both {' and '.join(map(shown, asked))} could be the question; keep one.")
    answer = _one_answer(row, QUESTION_ANSWER_KEYS)
    question = _field(row, asked[0]) if asked else ""
    context = _field(row, "context")
    return _exchange(f"{context}\n\n{question}" if context.strip() else question, answer, _system(row), [])


def _prompt_completion(row: Mapping[str, Any]) -> Row:
    name = "prompt" if "prompt" in row else "input"
    answers = COMPLETION_KEYS if name == "prompt" else ("output",)
    prompt = row[name]
    spoken = next((row[key] for key in answers if row.get(key) is not None), None)
    if isinstance(prompt, list) or isinstance(spoken, list):
        return _spoken_completion(prompt, spoken, row)
    text, answer = _field(row, name), _one_answer(row, answers)
    return {"prompt": text, "completion": answer}


def _spoken_completion(prompt: Any, completion: Any, row: Mapping[str, Any]) -> Row:
    before = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}]
    after = completion if isinstance(completion, list) else [{"role": "assistant", "content": completion}]
    if not after:
        raise RowError("empty_answer", 'The field "completion" is empty: there is nothing to learn.')
    context = [
        {**turn, "weight": 0} if isinstance(turn, dict) and _ROLES.get(str(turn.get("role"))) == "assistant" else turn
        for turn in before
    ]
    return _conversation([*context, *after], row)


def _text(row: Mapping[str, Any]) -> Row:
    text = row["text"]
    if not isinstance(text, str) or not text.strip():
        raise RowError("empty_row", "The text is empty.")
    if row.get("end") is False:
        return {"text": text, "end": False}
    return {"text": text}
