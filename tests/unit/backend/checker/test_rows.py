"""Canonical rows: one form for every shape, stable digests, and no row that would be learned wrongly."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from backend.checker.problems import RowError
from backend.checker.rows import Row, canonical_bytes, canonical_row, row_sha256
from backend.checker.shapes import shape_of


def canonical(value: Any) -> Row:
    return canonical_row(value, shape_of(value))


def refusal(value: Any) -> RowError:
    with pytest.raises(RowError) as caught:
        canonical(value)
    return caught.value


def spoken(question: str, answer: str, system: str = "") -> Row:
    first = [{"role": "system", "content": system}] if system else []
    return {"messages": [*first, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"x": 1}}}
TOOL = {"type": "function", "function": {"name": "look_up"}}


@pytest.mark.parametrize(
    ("value", "row"),
    [
        (spoken("a", "b"), spoken("a", "b")),
        (spoken("a", "b")["messages"], spoken("a", "b")),
        ({"messages": spoken("a", "b")["messages"], "id": 7}, spoken("a", "b")),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, spoken("a", "b")),
        (
            {"system": "s", "conversations": [{"from": "user", "value": "a"}, {"from": "chatgpt", "value": "b"}]},
            spoken("a", "b", "s"),
        ),
        ({"instruction": "a", "input": "", "output": "b"}, spoken("a", "b")),
        ({"instruction": "a", "input": "x", "output": "b", "system": "s"}, spoken("a\nx", "b", "s")),
        ({"INSTRUCTION": "a", "RESPONSE": "b"}, spoken("a", "b")),
        ({"question": "a", "answer": "b"}, spoken("a", "b")),
        ({"question": "a", "answer": 42}, spoken("a", "42")),
        ({"context": "c", "question": "a", "answer": "b"}, spoken("c\n\na", "b")),
        ({"system_prompt": "s", "question": "a", "response": "b"}, spoken("a", "b", "s")),
        ({"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": "b"}),
        ({"input": "a", "output": "b"}, {"prompt": "a", "completion": "b"}),
        ({"prompt": [{"role": "user", "content": "a"}], "completion": "b"}, spoken("a", "b")),
        ({"text": "a "}, {"text": "a "}),
        ({"text": "a", "end": False, "id": 1}, {"text": "a", "end": False}),
    ],
)
def test_canonical_row_gives_one_form_for_every_shape(value: Any, row: Row) -> None:
    assert canonical(value) == row


def test_canonical_row_reads_alpaca_history_as_earlier_turns() -> None:
    row = canonical({"instruction": "c", "output": "d", "history": [["a", "b"]]})
    assert [turn["content"] for turn in row["messages"]] == ["a", "b", "c", "d"]


def test_canonical_row_marks_answers_inside_a_prompt_as_context() -> None:
    prompt = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    row = canonical({"prompt": prompt, "completion": [{"role": "assistant", "content": "d"}]})
    assert [turn.get("weight") for turn in row["messages"]] == [None, 0, None, None]


def test_canonical_row_reads_parts_reasoning_and_calls() -> None:
    parts = [
        {"type": "reasoning", "value": "hm"},
        {"type": "text", "text": "one "},
        {"type": "text", "value": "two"},
        {"type": "tool_call", "value": '{"name": "look_up", "arguments": "{\\"x\\": 1}"}'},
    ]
    tools = '[{"name": "look_up"}]'
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": parts}]
    row = canonical({"messages": turns, "tools": tools})
    answer = row["messages"][1]
    assert answer == {"role": "assistant", "content": "one two", "reasoning_content": "hm", "tool_calls": [CALL]}
    assert row["tools"] == [TOOL]


def test_canonical_row_reads_function_call_and_observation_turns() -> None:
    turns = [
        {"from": "human", "value": "a"},
        {"from": "function_call", "value": '{"name": "look_up", "arguments": {"x": 1}}'},
        {"from": "observation", "value": "{}"},
        {"from": "gpt", "value": "b"},
    ]
    messages = canonical({"conversations": turns})["messages"]
    assert messages[1] == {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert messages[2] == {"role": "tool", "content": "{}"}


def test_canonical_row_reads_openai_tool_calls_with_null_content() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"x": 1}'}}
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "name": "look_up", "content": "7"},
        {"role": "assistant", "content": "b"},
    ]
    messages = canonical({"messages": turns})["messages"]
    assert messages[1] == {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": "c1"}]}
    assert messages[2]["tool_call_id"] == "c1"


def test_canonical_row_drops_turns_after_the_last_answer() -> None:
    value = {"messages": [*spoken("a", "b")["messages"], {"role": "user", "content": "c"}]}
    assert canonical(value) == spoken("a", "b")


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ({"instruction": "a", "output": " "}, "empty_answer", "output"),
        ({"instruction": "", "output": "b"}, "empty_question", "question"),
        ({"question": "a", "answer": None}, "empty_answer", "answer"),
        ({"question": "a", "answer": ["b"]}, "unknown_shape", "not text"),
        ({"problem": "a", "solution": "b", "answer": "c"}, "ambiguous", '"answer" and "solution"'),
        ({"question": "a", "query": "b", "answer": "c"}, "ambiguous", "question"),
        ({"prompt": "a", "completion": ""}, "empty_answer", "completion"),
        ({"prompt": [{"role": "user", "content": "a"}], "completion": []}, "empty_answer", "completion"),
        ({"text": "  \n"}, "empty_row", "empty"),
        ({"messages": [{"role": "user", "content": "a"}]}, "no_answer", "no assistant"),
        (spoken("a", "  "), "empty_answer", "turn 2"),
        ({"messages": [{"role": "narrator", "content": "a"}]}, "unknown_role", "narrator"),
        ({"messages": [{"role": 7, "content": "a"}]}, "unknown_role", "7"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, "unknown_shape", "neither text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "multimodal", "image"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "a", "train": False}]}]},
            "unknown_shape",
            "not learned",
        ),
        ({"conversations": [{"from": "function_call", "value": "not json"}]}, "broken_tool_call", "turn 1"),
        ({"conversations": [{"from": "function_call", "value": "{}"}]}, "broken_tool_call", "function name"),
        ({**spoken("a", "b"), "tools": "[{"}, "broken_tools", "not valid JSON"),
        ({**spoken("a", "b"), "tools": ["x"]}, "broken_tools", "list of objects"),
        ({"instruction": "a", "output": "b", "history": ["x"]}, "unknown_shape", "history"),
    ],
)
def test_canonical_row_refuses_with_the_reason(value: Any, kind: str, words: str) -> None:
    problem = refusal(value)
    assert problem.kind == kind
    assert words in problem.message


@pytest.mark.parametrize(
    "value",
    [
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b", "weight": 0},
                *spoken("c", "d")["messages"],
            ]
        },
        {**spoken("a", "b"), "tools": [{"name": "f"}]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "function_call", "value": '{"name": "f"}'}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "thinking": "t", "content": "b"}]},
        {"prompt": "a", "completion": "b"},
        {"text": "a", "end": False},
    ],
)
def test_reading_a_canonical_row_gives_itself(value: Any) -> None:
    first = canonical(value)
    assert canonical(msgspec.json.decode(canonical_bytes(first))) == first


def test_row_sha256_is_pinned() -> None:
    row = canonical({"question": "Größe?", "answer": "1,80 m"})
    expected = '{"messages":[{"content":"Größe?","role":"user"},{"content":"1,80 m","role":"assistant"}]}'
    assert canonical_bytes(row) == expected.encode()
    assert row_sha256(canonical_bytes(row)).hex() == "574cf4136254c24517c40619c66b2538845eca967f9fdef0162081ca7c229a4e"
