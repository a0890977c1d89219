"""Shapes of rows and of files: every usable one, every refused one, and no guess on a tie."""

from __future__ import annotations

import pytest

from backend.checker.problems import RowError
from backend.checker.shapes import REFUSED, UNREADABLE, ShapeCount, shape_of
from backend.contract.errors import DatasetError

TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SHARE = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"messages": TURNS}, "messages"),
        ({"messages": TURNS, "tools": [], "source": "web"}, "messages"),
        ({"prompt": "a", "prompt_id": "7", "messages": TURNS}, "messages"),
        (TURNS, "messages"),
        ({"text": TURNS}, "messages"),
        ({"deepseek_trace": TURNS}, "messages"),
        ({"conversations": TURNS}, "messages"),
        ({"conversations": SHARE, "system": "s"}, "conversations"),
        ({"conversation": SHARE}, "conversations"),
        ({"messages": SHARE}, "conversations"),
        (SHARE, "conversations"),
        ({"instruction": "a", "input": "", "output": "b"}, "alpaca"),
        ({"instruction": "a", "response": "b"}, "alpaca"),
        ({"INSTRUCTION": "a", "RESPONSE": "b"}, "alpaca"),
        ({"instruction": "a", "input": "", "output": "b", "text": "rendered"}, "alpaca"),
        ({"prompt": "a", "completion": "b"}, "prompt_completion"),
        ({"prompt": TURNS[:1], "completion": TURNS[1:]}, "prompt_completion"),
        ({"prompt": "a", "response": "b"}, "prompt_completion"),
        ({"input": "a", "output": "b"}, "prompt_completion"),
        ({"question": "a", "answer": "b"}, "question_answer"),
        ({"system_prompt": "s", "question": "a", "response": "b"}, "question_answer"),
        ({"context": "c", "question": "a", "answer": "b"}, "question_answer"),
        ({"problem": "a", "solution": "b"}, "question_answer"),
        ({"text": "a"}, "text"),
        ({"text": "a", "label": 3}, "text"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, "preference"),
        ({"chosen": TURNS, "rejected": TURNS}, "preference"),
        ({"conversations": SHARE, "chosen": SHARE[1], "rejected": SHARE[1]}, "preference"),
        ({"messages": TURNS, "rejected_response": "c"}, "preference"),
        ({"input": {"messages": TURNS}, "preferred_output": TURNS, "non_preferred_output": TURNS}, "preference"),
        ({"text": "a", "rejected_text": "b"}, "preference"),
        ({"prompt": "a", "completion": "b", "label": True}, "kto"),
        ({"messages": TURNS, "label": False}, "kto"),
        ({"conversations": SHARE, "kto_tag": True}, "kto"),
        ({"prompt": "a", "completions": ["b"], "labels": [True]}, "stepwise"),
        ({"anchor": "a", "positive": "b", "negative": "c"}, "embedding"),
        ({"input_ids": [1, 2], "labels": [-100, 2]}, "pretokenised"),
        ({"segments": [{"label": True, "text": "a"}]}, "segments"),
        ({"messages": TURNS, "images": ["a.png"]}, "multimodal"),
        ({"image": "a.png", "caption": "b"}, "multimodal"),
        ({"messages": TURNS, "instruction": "a", "output": "b"}, "ambiguous"),
        ({"messages": TURNS, "conversations": SHARE}, "ambiguous"),
        ({"prompt": "a", "completion": "b", "question": "c", "answer": "d"}, "ambiguous"),
        ({"instruction": "a", "prompt": "b", "output": "c"}, "ambiguous"),
        ({"messages": []}, "unknown"),
        ({"messages": "text"}, "unknown"),
        ({"__proto__": {}, "constructor": 1}, "unknown"),
        ({}, "unknown"),
        ([], "unknown"),
        ([1, 2], "unknown"),
        ("text", "unknown"),
        (None, "unknown"),
        (3.5, "unknown"),
    ],
)
def test_shape_of_names_the_shape(row: object, shape: str) -> None:
    assert shape_of(row) == shape


def counted(**shapes: int) -> ShapeCount:
    count = ShapeCount()
    line = 0
    for shape, number in shapes.items():
        for _ in range(number):
            line += 1
            count.add(line, shape, RowError("broken_json", "Bad comma.") if shape == UNREADABLE else None)
    return count


def refused(count: ShapeCount) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        count.judge("data.jsonl")
    return caught.value


def test_judge_accepts_a_file_when_95_percent_agree() -> None:
    assert counted(messages=95, alpaca=5).judge("x") == "messages"
    assert counted(alpaca=19, unreadable=1).judge("x") == "alpaca"


def test_judge_refuses_a_mixed_file_naming_counts_and_first_lines() -> None:
    problem = refused(counted(messages=94, alpaca=6))
    assert problem.body().code == "mixed_formats"
    assert "94 messages" in problem.message
    assert "6 instruction + output (first on line 95, 96, 97, 98, 99)" in problem.message


def test_judge_refuses_a_tie() -> None:
    assert refused(counted(messages=5, text=5)).body().code == "mixed_formats"


def test_judge_refuses_many_broken_rows_with_the_first_reason() -> None:
    problem = refused(counted(messages=9, unreadable=1))
    assert problem.body().code == "broken_rows"
    assert "Row 10: Bad comma." in problem.message
    assert "Row 1: Bad comma." in refused(counted(unreadable=3)).message


@pytest.mark.parametrize("shape", sorted(REFUSED))
def test_judge_refuses_each_unusable_shape_with_a_sentence_and_a_way_out(shape: str) -> None:
    problem = refused(counted(**{shape: 20}))
    assert problem.body().code == f"{shape}_rows"
    assert "line 1" in problem.message
    assert problem.hint.endswith(".")


def test_judge_refuses_a_file_without_rows() -> None:
    assert refused(ShapeCount()).body().code == "empty_file"
