"""Whole checks: file in, report and token stores out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from backend.checker import check as check_module
from backend.checker.rows import row_sha256
from backend.contract.datasets import CheckReport
from backend.formats.token_store import TokenStore

Checked = Callable[..., tuple[CheckReport, Path]]


def exchange(number: int, answer: str = "") -> dict[str, str]:
    chance = random.Random(number)
    words = [chance.choice(["fox", "dog", "what", "answer", "quick", "lazy", "three", "four"]) for _ in range(12)]
    return {"question": f"{number} " + " ".join(words), "answer": answer or " ".join(reversed(words)) + f" {number}"}


def exchanges(count: int, start: int = 0) -> list[object]:
    return [exchange(number) for number in range(start, start + count)]


def refusal_code(report: CheckReport) -> str:
    assert not report.ok
    assert report.refusal is not None
    assert report.refusal.message
    return report.refusal.code


def store(folder: Path, name: str = "tokens") -> TokenStore:
    return TokenStore(folder / name)


def test_check_writes_every_row_with_marks_digest_and_line(checked: Checked) -> None:
    report, folder = checked(exchanges(20))
    tokens = store(folder)
    assert report.ok
    assert report.format == "question_answer"
    assert (report.num_rows, report.num_train, report.num_rejected) == (20, 20, 0)
    assert (tokens.num_rows, tokens.num_tokens, tokens.num_supervised) == (20, report.num_tokens, report.num_supervised)
    assert [tokens.line(row) for row in range(20)] == list(range(1, 21))
    for row in range(20):
        _, marks = tokens.row(row)
        assert 0 < marks.sum() < len(marks)
    first = exchange(0)
    canonical = {
        "messages": [{"role": "user", "content": first["question"]}, {"role": "assistant", "content": first["answer"]}]
    }
    assert tokens.row_sha256s[0] == row_sha256(msgspec.json.encode(canonical, order="sorted"))
    assert sorted(path.name for path in folder.iterdir()) == ["tokens"]


def test_check_shows_the_first_rows_as_the_model_sees_them(checked: Checked) -> None:
    report, _ = checked(exchanges(20))
    assert [preview.line for preview in report.previews] == [1, 2, 3]
    pieces = report.previews[0].pieces
    assert [learned for _, learned in pieces] == [False, True]
    assert pieces[0][0].endswith("<|im_start|>assistant\n")
    assert pieces[1][0] == exchange(0)["answer"] + "<|im_end|>\n"
    assert 0 < report.previews[0].num_supervised < report.previews[0].num_tokens


def test_check_gives_the_same_stores_whatever_the_layout_and_encoding(checked: Checked) -> None:
    rows = exchanges(30)
    contents = [
        b"".join(json.dumps(row).encode() + b"\n" for row in rows),
        json.dumps(rows, indent=2).encode("utf-16"),
        b"\r".join(json.dumps(row).encode() for row in rows),
    ]
    stores = [
        store(checked(content, name)[1])
        for content, name in zip(contents, ["a.jsonl", "b.json", "c.jsonl"], strict=True)
    ]
    for other in stores[1:]:
        assert other.row_sha256s == stores[0].row_sha256s
        assert all(np.array_equal(other.row(row)[0], stores[0].row(row)[0]) for row in range(30))
        assert all(np.array_equal(other.row(row)[1], stores[0].row(row)[1]) for row in range(30))


def test_check_splits_work_into_chunks_without_changing_the_result(checked: Checked, monkeypatch) -> None:
    whole = store(checked(exchanges(50))[1])
    monkeypatch.setattr(check_module, "_CHUNK_ROWS", 7)
    parts = store(checked(exchanges(50))[1])
    assert parts.row_sha256s == whole.row_sha256s
    assert all(np.array_equal(parts.row(row)[0], whole.row(row)[0]) for row in range(50))


# ---- rows set aside ----------------------------------------------------------------------------------------


def test_check_sets_bad_rows_aside_with_line_and_reason(checked: Checked) -> None:
    lines = [json.dumps(row) for row in exchanges(200)]
    lines[3] = lines[3][:-2]
    lines[9] = '{"question": "a", "answer": ""}'
    lines[19] = '{"text": "of another shape"}'
    lines[29] = '{"question": "a", "question": "b", "answer": "c"}'
    report, folder = checked("\n".join(lines))
    assert report.ok
    assert [(problem.line, problem.kind, problem.dropped) for problem in report.problems] == [
        (4, "broken_json", True),
        (10, "empty_answer", True),
        (20, "unknown_shape", True),
        (30, "duplicate_key", True),
    ]
    assert report.problem_counts == {"broken_json": 1, "empty_answer": 1, "unknown_shape": 1, "duplicate_key": 1}
    assert (report.num_rows, report.num_rejected, report.num_train) == (200, 4, 196)
    assert store(folder).num_rows == 196


def test_check_lists_200_problems_in_order_and_counts_all(checked: Checked) -> None:
    rows = [exchange(number, answer="" if number % 2 else "x") for number in range(1000)]
    rows = [{**row, "answer": "" if number % 2 else "ok"} for number, row in enumerate(rows)]
    report, _ = checked(rows)
    assert report.problem_counts == {"empty_answer": 500}
    assert [problem.line for problem in report.problems] == list(range(2, 402, 2))


def test_check_cuts_a_long_row_and_says_what_is_lost(checked: Checked) -> None:
    rows = [*exchanges(30), exchange(99, answer="fox " * 100)]
    report, folder = checked(rows, max_length=120)
    assert report.ok
    assert report.num_cut == 1
    assert report.num_supervised_lost > 0
    assert report.problems[0].line == 31
    assert not report.problems[0].dropped
    assert f"{report.num_supervised_lost} of" in report.problems[0].message
    assert max(store(folder).lengths()) == 120
    assert report.longest_row_tokens > 120
    assert sum(rows for _, rows in report.length_histogram) == 31


def test_check_drops_a_row_whose_answer_lies_beyond_max_length(checked: Checked) -> None:
    rows = [*exchanges(30), {"question": "fox " * 200, "answer": "no"}]
    report, folder = checked(rows, max_length=120)
    assert report.ok
    assert report.problem_counts == {"no_supervised_token": 1}
    assert store(folder).num_rows == 30


@pytest.mark.parametrize(
    "rows",
    [
        [exchange(number, answer="fox " * 100) for number in range(20)],  # most of every answer is lost
        [{"question": "fox " * 200, "answer": "no"}] * 20,  # every answer is lost
    ],
)
def test_check_refuses_a_file_that_would_be_cut_away_and_says_which_length_fits(
    checked: Checked, rows: list[object]
) -> None:
    report, folder = checked(rows, max_length=64)
    assert refusal_code(report) == "too_long"
    assert "config set max_length" in report.refusal.hint
    assert "queue retry" in report.refusal.hint
    wanted = int(report.refusal.hint.split("config set max_length ")[1].split("`")[0])
    assert checked(rows, max_length=wanted)[0].ok
    assert list(folder.iterdir()) == []


def test_check_splits_a_long_text_and_loses_no_token(checked: Checked) -> None:
    long = " ".join(f"w{number}" for number in range(500))
    report, folder = checked([{"text": "short"}, {"text": long}], max_length=50)
    tokens = store(folder)
    assert report.ok
    assert report.num_supervised_lost == 0
    assert tokens.num_rows > 10
    assert set(tokens.lengths().tolist()) - {int(tokens.lengths()[0]), int(tokens.lengths()[-1])} == {50}
    assert len(set(tokens.row_sha256s)) == tokens.num_rows
    together = np.concatenate([tokens.row(row)[0] for row in range(1, tokens.num_rows)])
    whole = store(checked([{"text": "short"}, {"text": long}], max_length=5000)[1])
    assert together.tolist() == whole.row(1)[0].tolist()
    assert "split" in report.problem_counts


def test_check_reads_a_plain_text_file(checked: Checked) -> None:
    text = "\n\n".join("The quick brown fox jumps over the lazy dog. " * 5 for _ in range(30))
    report, folder = checked(text, "book.txt", max_length=128)
    tokens = store(folder)
    ends = [int(tokens.row(row)[0][-1]) == 2 for row in range(tokens.num_rows)]
    assert report.format == "text"
    assert tokens.num_rows > 5
    assert ends == [False] * (tokens.num_rows - 1) + [True]


# ---- refusals ----------------------------------------------------------------------------------------------

DEEP = '{"question": ' + "[" * 100_000 + "]" * 100_000 + ', "answer": "b"}'


@pytest.mark.parametrize(
    ("content", "name", "code", "words"),
    [
        (b"", "a.jsonl", "empty_file", "empty"),
        (b"\n \n", "a.jsonl", "empty_file", "blank"),
        (b"[]", "a.json", "empty_file", "no rows"),
        (b"\x89PNG\r\n", "a.jsonl", "binary_file", "picture"),
        (b"PAR1\0\0", "a.parquet", "parquet", "JSONL"),
        (b"not json at all", "a.json", "not_json", "not json at all"),
        (b'{"question": "a", "answer": "b",}', "a.jsonl", "broken_rows", "Row 1"),
        (b'{"question": "a", "answer": ""}', "a.jsonl", "no_usable_row", "Row 1"),
        (b'{"question": "a", "answer": NaN}', "a.jsonl", "broken_rows", "NaN"),
        (b'{"a": 1, "b": 2}', "a.jsonl", "unknown_rows", "line 1"),
        (b'{"prompt": "a", "chosen": "b", "rejected": "c"}', "a.jsonl", "preference_rows", "line 1"),
        (b'{"text": "a"}\n{"question": "a", "answer": "b"}', "a.jsonl", "mixed_formats", "first on line 2"),
        (DEEP.encode(), "a.jsonl", "broken_rows", "levels deep"),
        (b"[1, 2, 3]", "a.json", "unknown_rows", "line 1"),
        (b'"just a string"', "a.json", "not_json", "string"),
        (b'{"messages": [{"role": "user", "content": "a"}]}', "a.jsonl", "no_usable_row", "no assistant turn"),
        ('{"text": "\\ud800"}', "a.jsonl", "broken_rows", "half a character"),
    ],
)
def test_check_refuses_a_file_with_one_clear_sentence(
    checked: Checked, content, name: str, code: str, words: str
) -> None:
    report, folder = checked(content, name)
    assert refusal_code(report) == code
    assert words in report.refusal.message + report.refusal.hint
    assert report.refusal.hint
    assert list(folder.iterdir()) == []


def test_check_refuses_a_missing_source_and_a_missing_model(checked: Checked, make_model, tmp_path: Path) -> None:
    report, _ = checked(exchanges(20), model=tmp_path / "nowhere")
    assert refusal_code(report) == "missing_model"
    folder = make_model()
    (folder / "tokenizer.json").unlink()
    report, _ = checked(exchanges(20), model=folder)
    assert refusal_code(report) == "tokenizer"


def test_check_refuses_a_tokenizer_that_knows_more_than_the_model(checked: Checked, make_model) -> None:
    report, _ = checked(exchanges(20), model=make_model(vocab_size=50))
    assert refusal_code(report) == "tokenizer"
    assert "the model knows only 50" in report.refusal.message


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10**9 }}",
        "{% for m in messages %}{{ m.content }}{% for i in range(10**9) %}x{% endfor %}{% endfor %}",
        "{% if messages[4] %}{{ 'x' * 10**9 }}{% endif %}{% for m in messages %}<{{ m.content }}>{% endfor %}",
    ],
)
def test_check_refuses_a_template_bomb(checked: Checked, make_model, template: str) -> None:
    talk = [{"role": role, "content": "a"} for role in ("user", "assistant") * 3]
    report, _ = checked([{"messages": talk}] * 20, model=make_model(template))
    assert refusal_code(report) == "template"
    assert "not safe" in report.refusal.message


def test_check_refuses_when_memory_runs_out(checked: Checked, monkeypatch) -> None:
    def scan(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(check_module, "scan", scan)
    report, _ = checked(exchanges(20))
    assert refusal_code(report) == "too_large"


def test_check_says_when_answers_have_no_end_token(checked: Checked, make_model) -> None:
    bare = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    bare += "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
    report, _ = checked(exchanges(20), model=make_model(bare))
    assert report.ok
    assert report.problem_counts == {"no_end_token": 1}
    assert report.problems[0].line == 0


# ---- held-out rows -----------------------------------------------------------------------------------------


def test_pick_takes_the_same_tenth_out_of_training(checked: Checked) -> None:
    report, folder = checked(exchanges(200), mode="pick")
    rows = (folder / "validation" / "rows.jsonl").read_bytes().splitlines()
    validation = store(folder, "validation")
    assert (report.num_validation, report.num_train, report.num_excluded) == (20, 180, 0)
    assert validation.row_sha256s == [row_sha256(row) for row in rows]
    assert not set(validation.row_sha256s) & set(store(folder).row_sha256s)
    shuffled = exchanges(200)
    random.Random(3).shuffle(shuffled)
    assert set(store(checked(shuffled, mode="pick")[1], "validation").row_sha256s) == set(validation.row_sha256s)


def test_pick_excludes_repeats_of_a_picked_row_in_the_same_file(checked: Checked) -> None:
    rows = exchanges(200)
    _, folder = checked(rows, mode="pick")
    lines = [store(folder, "validation").line(row) for row in range(20)]
    shouted = [{key: text.upper() + " !!" for key, text in rows[line - 1].items()} for line in lines]
    again = [*rows, *(rows[line - 1] for line in lines)]
    report, folder = checked(again, mode="pick", max_rows=20)
    assert (report.num_validation, report.num_train, report.num_excluded) == (20, 180, 20)
    assert {problem.kind for problem in report.problems} == {"validation_duplicate"}
    report, _ = checked([*rows, *shouted], mode="pick", max_rows=20)
    assert report.num_excluded >= 15  # a shouted row may itself be picked


@pytest.mark.parametrize(("count", "expected"), [(79, 0), (80, 8)])
def test_pick_holds_out_nothing_when_it_would_be_too_few(checked: Checked, count: int, expected: int) -> None:
    report, folder = checked(exchanges(count), mode="pick")
    assert (report.num_validation, report.num_train) == (expected, count - expected)
    assert (folder / "validation").exists() is bool(expected)


def test_pick_never_holds_out_a_row_it_could_not_measure_with(checked: Checked) -> None:
    rows = [{"question": "fox " * 200, "answer": "no"} if number < 10 else exchange(number) for number in range(100)]
    report, _ = checked(rows, mode="pick", max_length=120, max_share=0.5, max_rows=1000)
    assert report.num_validation >= 40
    assert report.num_validation + report.num_train == 90
    assert report.problem_counts["no_supervised_token"] == 10


def test_whole_puts_every_row_into_validation(checked: Checked) -> None:
    report, folder = checked(exchanges(20), mode="whole")
    assert (report.num_validation, report.num_train) == (20, 0)
    assert report.num_tokens == store(folder, "validation").num_tokens > 0
    assert not (folder / "tokens").exists()


def test_whole_reads_its_own_rows_again_to_the_same_store(checked: Checked) -> None:
    _, first = checked(exchanges(200), mode="pick")
    rows = (first / "validation" / "rows.jsonl").read_bytes()
    report, second = checked(rows, "rows.jsonl", mode="whole")
    assert report.ok
    assert store(second, "validation").row_sha256s == store(first, "validation").row_sha256s
    assert (second / "validation" / "rows.jsonl").read_bytes() == rows


def test_exclude_keeps_the_validation_set_out_and_holds_out_a_share(checked: Checked) -> None:
    _, first = checked(exchanges(200), mode="pick")
    rows_path = first / "validation" / "rows.jsonl"
    validation = set(store(first, "validation").row_sha256s)
    report, second = checked(exchanges(300), mode="exclude", rows_path=str(rows_path))
    assert report.num_excluded == 20
    assert report.num_heldout == 15
    assert report.num_train == 300 - 20 - 15
    held_out = set(store(second, "heldout").row_sha256s)
    assert not validation & held_out
    assert not (validation | held_out) & set(store(second).row_sha256s)
    assert not (second / "validation").exists()


def test_exclude_refuses_a_file_of_nothing_but_validation_rows(checked: Checked) -> None:
    _, first = checked(exchanges(200), mode="pick")
    rows_path = first / "validation" / "rows.jsonl"
    report, _ = checked(rows_path.read_bytes(), mode="exclude", rows_path=str(rows_path))
    assert refusal_code(report) == "no_usable_row"
    assert "repeat" in report.refusal.message
