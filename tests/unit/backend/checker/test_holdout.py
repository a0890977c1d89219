"""Held-out rows: the same choice every time, never too few, and nothing close to them left for training."""

from __future__ import annotations

import hashlib
import random

import pytest

from backend.checker.holdout import Candidate, HeldOutIndex, Picker, num_held_out, row_words
from backend.contract.datasets import ValidationPlan

TEXT = "the quick brown fox jumps over a lazy dog while seven kind sisters sing many very old songs"
WORDS = TEXT.split()


def sha(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def picked(numbers: list[int], max_rows: int, num_rows: int) -> list[Candidate]:
    picker = Picker(max_rows)
    for line, number in enumerate(numbers, 1):
        picker.offer(Candidate(line, sha(number), str(number).encode()))
    return picker.lowest(num_rows)


def test_picker_chooses_the_same_rows_in_any_order_of_the_file() -> None:
    numbers = list(range(500))
    first = {candidate.sha256 for candidate in picked(numbers, 100, 20)}
    random.Random(1).shuffle(numbers)
    assert {candidate.sha256 for candidate in picked(numbers, 100, 20)} == first
    assert len(first) == 20


def test_picker_choice_is_pinned() -> None:
    assert [int(candidate.canonical) for candidate in picked(list(range(100)), 5, 5)] == [7, 22, 57, 82, 99]


def test_picker_gives_rows_in_the_order_of_the_file_and_equal_rows_once() -> None:
    chosen = picked([7, 7, 7, 8, 9] * 3, 10, 10)
    assert [candidate.line for candidate in chosen] == [1, 4, 5]


@pytest.mark.parametrize(
    ("plan", "num_rows", "expected"),
    [
        ({"mode": "pick"}, 100_000, 1000),
        ({"mode": "pick"}, 5000, 500),
        ({"mode": "pick"}, 80, 8),
        ({"mode": "pick"}, 79, 0),
        ({"mode": "pick", "max_rows": 0}, 5000, 0),
        ({"mode": "exclude"}, 1000, 50),
        ({"mode": "exclude"}, 159, 0),
        ({"mode": "exclude", "heldout_max_share": 0.0}, 1000, 0),
        ({"mode": "none"}, 1000, 0),
        ({"mode": "whole"}, 1000, 0),
    ],
)
def test_num_held_out_keeps_share_cap_and_least(plan: dict[str, object], num_rows: int, expected: int) -> None:
    assert num_held_out(ValidationPlan(**plan), num_rows) == expected


def exchange(text: str, system: str = "") -> dict[str, object]:
    first = [{"role": "system", "content": system}] if system else []
    return {"messages": [*first, {"role": "user", "content": "Sing"}, {"role": "assistant", "content": text}]}


@pytest.fixture
def index() -> HeldOutIndex:
    index = HeldOutIndex()
    index.add(exchange(" ".join(WORDS)), sha(0))
    index.add({"text": "Short one."}, sha(1))
    index.add({"text": "?!"}, sha(2))
    return index


@pytest.mark.parametrize(
    ("row", "repeats"),
    [
        (exchange(" ".join(WORDS)), True),
        (exchange("; ".join(WORDS).upper()), True),
        (exchange(" ".join(WORDS), system="Another system text"), True),
        (exchange(" ".join([*WORDS, "again"])), True),
        (exchange(" ".join(WORDS[:-1])), True),
        (exchange(" ".join([*WORDS[:9], "sleepy", *WORDS[10:]])), False),
        (exchange(" ".join(reversed(WORDS))), False),
        (exchange(" ".join(WORDS[:8])), False),
        ({"text": "short ONE"}, True),
        ({"text": "Short one more."}, False),
        ({"text": "..."}, False),
        ({"prompt": "Short", "completion": "one"}, True),
    ],
)
def test_index_finds_equal_and_near_rows_only(index: HeldOutIndex, row: dict[str, object], repeats: bool) -> None:
    assert index.repeats(row, sha(99)) is repeats


def test_index_finds_a_row_by_its_digest(index: HeldOutIndex) -> None:
    assert index.repeats({"text": "?!"}, sha(2))
    assert not index.repeats({"text": "?!"}, sha(3))


def test_index_agrees_with_the_plain_definition() -> None:
    chance = random.Random(5)
    vocabulary = [f"w{number}" for number in range(40)]
    held = [[chance.choice(vocabulary) for _ in range(chance.randint(3, 30))] for _ in range(30)]
    index = HeldOutIndex()
    for number, words in enumerate(held):
        index.add({"text": " ".join(words)}, sha(number))
    num_found = 0
    for _ in range(600):
        words = list(chance.choice(held))
        for _ in range(chance.randint(0, 3)):
            words[chance.randrange(len(words))] = chance.choice(vocabulary)
        words += chance.sample(vocabulary, chance.randint(0, 4))
        expected = any(_jaccard(words, other) >= 0.8 for other in held)
        assert index.repeats({"text": " ".join(words)}, b"x" * 32) == expected
        num_found += expected
    assert 100 < num_found < 500


def _jaccard(one: list[str], other: list[str]) -> float:
    sets = [
        {tuple(words[place : place + 5]) for place in range(max(1, len(words) - 4))} if words else set()
        for words in (one, other)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_row_words_leave_out_system_and_punctuation_and_part_cjk() -> None:
    assert row_words(exchange("Ja, so. 日本語 x2", system="S")) == ["sing", "ja", "so", "日", "本", "語", "x2"]
