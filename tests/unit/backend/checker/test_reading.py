"""Files as streams of rows: encodings, line ends, arrays, CSV, plain text, and what is no text at all."""

from __future__ import annotations

import codecs
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.checker import elements, source
from backend.checker.elements import Elements
from backend.checker.json_rows import MAX_ROW_BYTES
from backend.checker.reading import layout_of, records
from backend.checker.records import Record
from backend.checker.source import open_source
from backend.contract.errors import DatasetError

Read = Callable[..., list[Record]]
ROWS = [{"text": "Grüße"}, {"text": "日本"}, {"text": "x\u2028y"}]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def run(content: bytes, name: str = "data.jsonl", max_length: int = 256) -> list[Record]:
        path = tmp_path / "source"
        path.write_bytes(content)
        return list(records(open_source(path, name), max_length=max_length))

    return run


def values(found: list[Record]) -> list[object]:
    assert [record.problem for record in found if record.problem] == []
    return [record.value for record in found]


def lines(rows: list[object], end: str = "\n") -> str:
    return end.join(json.dumps(row, ensure_ascii=False) for row in rows) + end


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_reading_gives_the_same_rows_in_every_unicode_encoding_and_line_end(
    read: Read, encoding: str, end: str
) -> None:
    found = read(lines(ROWS, end).encode(encoding))
    assert values(found) == ROWS
    assert [record.line for record in found] == [1, 2, 3]


@pytest.mark.parametrize("encoding", ["cp1252", "gb18030", "shift_jis", "cp1251"])
def test_reading_refuses_old_encodings_and_names_a_likely_one(tmp_path: Path, encoding: str) -> None:
    text = {
        "cp1252": "Die Größe der Straße überrascht; Äpfel, Öl und Übermut – “schön”.",
        "gb18030": "今天天气很好,我们一起去公园散步吧。这是一个中文句子的例子。",
        "shift_jis": "今日は天気がとても良いので、公園へ散歩に行きましょう。これは日本語の例です。",
        "cp1251": "Сегодня хорошая погода, и мы пойдём гулять в парк. Это пример предложения.",
    }[encoding]
    path = tmp_path / "source"
    path.write_bytes(lines([{"text": text}] * 20).encode(encoding))
    with pytest.raises(DatasetError) as refused:
        open_source(path, "data.jsonl")
    assert refused.value.body().code == "wrong_encoding"
    assert "data.jsonl is not UTF-8; it may be " in refused.value.message
    assert "iconv" in refused.value.hint


def test_reading_keeps_a_mostly_utf8_file_and_refuses_only_its_broken_rows(read: Read) -> None:
    content = lines([{"text": "ü"}] * 200).encode() + b'{"text": "\xfc"}\n'
    found = read(content)
    assert [(record.line, record.problem.kind) for record in found if record.problem] == [(201, "wrong_encoding")]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "empty_file", "is empty"),
        (b" \n\n ", "empty_file", "blank"),
        (b"\xef\xbb\xbf", "empty_file", "blank"),
        (b"PAR1....", "parquet", "to_json"),
        (b"PK\x03\x04...", "binary_file", "ZIP"),
        (b"\x1f\x8b\x08...", "binary_file", "gzip"),
        (b"GGUF\x03\0\0\0", "binary_file", "GGUF"),
        (b"\x80\x04\x95", "binary_file", "pickle"),
        (b'{"text": "a"}\n\0\0\0\0', "binary_file", "NUL"),
        (bytes(range(256)) * 10, "binary_file", "NUL"),
        (b"text with words\nand more", "not_json", "begins with 'text with words'"),
    ],
)
def test_reading_refuses_what_is_no_training_file(read: Read, content: bytes, code: str, words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read(content)
    assert caught.value.body().code == code
    assert words in str(caught.value)


def test_reading_refuses_only_the_row_with_a_stray_nul(read: Read) -> None:
    found = read(b'{"text": "a"}\n' * 50 + b'{"text": "x\0y"}\n' + b'{"text": "b"}\n' * 50)
    assert [(record.line, record.problem.kind) for record in found if record.problem] == [(51, "bad_unicode")]


def test_reading_refuses_a_missing_file_a_folder_and_one_without_permission(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No such file"):
        open_source(tmp_path / "missing", "missing.jsonl")
    with pytest.raises(DatasetError, match="not a regular file"):
        open_source(tmp_path, "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="not a regular file"):
        open_source(tmp_path / "pipe", "pipe")


def test_reading_refuses_a_sparse_file_of_200_mb_without_reading_it_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.write(b'{"text": "')
        file.truncate(200 * 2**20)
    with pytest.raises(DatasetError, match="NUL"):
        open_source(path, "sparse.jsonl")


def test_reading_drops_a_line_over_the_cap_and_goes_on(read: Read) -> None:
    content = b'{"text": "a"}\n{"text": "' + b"x" * (MAX_ROW_BYTES + 10) + b'"}\n{"text": "b"}\n'
    found = read(content)
    assert [record.problem.kind if record.problem else record.value["text"] for record in found] == [
        "a",
        "line_too_long",
        "b",
    ]
    assert [record.line for record in found] == [1, 2, 3]


# ---- JSON layouts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ('{"a": 1}\n{"a": 2}\n', "lines"),
        ('\n\n  {"a": 1}\n', "lines"),
        ('{"a": 1,}\n{"a": 2}\n', "lines"),
        ('{"a": "no end\n{"a": 2}\n', "lines"),
        ('[{"a": 1}, {"a": 2}]', "array"),
        ('[\n  {"a": 1},\n  {"a": 2}\n]', "array"),
        ('{\n  "a": 1\n}\n{\n  "a": 2\n}\n', "objects"),
        ('[{"role": "user", "content": "a"}]\n[{"role": "user", "content": "b"}]', "lines"),
        ('[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]', "lines"),
    ],
)
def test_layout_is_told_by_content_whatever_the_name(tmp_path: Path, content: str, layout: str) -> None:
    path = tmp_path / "source"
    path.write_text(content)
    for name in ("data.json", "data.jsonl", "data"):
        assert layout_of(open_source(path, name)) == layout


def test_layout_of_a_txt_file_is_text_unless_its_rows_are_json(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_text('{"text": "a"}\n{"text": "b"}\n')
    assert layout_of(open_source(path, "data.txt")) == "lines"
    assert layout_of(open_source(path, "data.csv")) == "lines"
    path.write_text("{ this is prose }\nand goes on\n")
    assert layout_of(open_source(path, "data.txt")) == "text"


AWKWARD = [
    {"a": 'quote " and \\ and ]}', "b": [1, {"c": "}{]["}]},
    {"a": "", "b": []},
    {"a": "ü" * 50, "b": None},
]


@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1 << 20])
def test_array_gives_every_element_wherever_the_chunks_are_cut(
    read: Read, monkeypatch: pytest.MonkeyPatch, indent: int | None, chunk: int
) -> None:
    monkeypatch.setattr(source, "CHUNK", chunk)
    found = read(json.dumps(AWKWARD, indent=indent, ensure_ascii=False).encode(), "data.json")
    assert values(found) == AWKWARD
    assert [record.line for record in found] == [1, 2, 3]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9**18) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, derandomize=True)
@given(
    rows=st.lists(JSON, max_size=8),
    indent=st.sampled_from([None, 1, 4]),
    ascii_only=st.booleans(),
    cut=st.integers(1, 40),
)
def test_array_splitter_agrees_with_the_json_library(
    rows: list[object], indent: int | None, ascii_only: bool, cut: int
) -> None:
    content = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    splitter = Elements(in_array=True)
    pieces = [content[start : start + cut] for start in range(0, len(content), cut)]
    found = [json.loads(element.data) for piece in pieces for element in splitter.feed(piece)]
    assert found == json.loads(content)
    assert splitter.closed
    assert splitter.rest() is None


def test_array_loses_nothing_that_stands_between_commas(read: Read) -> None:
    found = read(b'[{"a": 1}, 5, "x", {"a": 2} {"a": 3}, {"a": 4}]', "data.json")
    assert [record.value for record in found] == [{"a": 1}, 5, "x", None, {"a": 4}]
    assert found[3].problem is not None


def test_array_names_element_and_line_of_a_broken_row(read: Read) -> None:
    found = read(b'[\n  {"a": 1},\n\n  {"a": 2,},\n  {"a": 3}\n]', "data.json")
    assert [record.problem is None for record in found] == [True, False, True]
    assert found[1].line == 2
    assert "line 4" in found[1].problem.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'[{"a": 1}, {"a": "x', "ends inside"),
        (b'[{"a": 1}, {"a": 2}', "closing bracket"),
        (b'[{"a": 1}] {"b": 2}', "after the end"),
    ],
)
def test_array_says_when_it_is_not_whole(read: Read, content: bytes, words: str) -> None:
    found = read(content, "data.json")
    assert found[0].value == {"a": 1}
    assert words in found[-1].problem.message


def test_array_drops_an_element_over_the_cap_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "MAX_ROW_BYTES", 1000)
    splitter = Elements(in_array=True)
    content = b'[{"a": 1}, {"b": "' + b"x" * 5000 + b'"}, {"c": [' + b"1," * 3000 + b'1]}, {"a": 2}]'
    found = [
        element for start in range(0, len(content), 100) for element in splitter.feed(content[start : start + 100])
    ]
    assert [element.data or "too long" for element in found] == [b'{"a": 1}', "too long", "too long", b'{"a": 2}']
    assert [element.too_long for element in found] == [False, True, True, False]
    assert splitter.rest() is None


def test_objects_that_span_lines_are_rows(read: Read) -> None:
    found = read(b'{\n "a": 1\n}\n{\n "a": 2\n}\njunk {"a": 3}', "data.json")
    assert [record.value for record in found] == [{"a": 1}, {"a": 2}, None, {"a": 3}]


# ---- CSV and text ------------------------------------------------------------------------------------------


def test_csv_gives_rows_by_its_header(read: Read) -> None:
    content = 'question,answer\n"Was, wann?","Zeile 1\nZeile 2"\nx,y\n\n'
    for text in (content, content.replace(",", ";").replace("Was;", "Was,"), content.replace(",", "\t")):
        found = read(text.encode("utf-8-sig"), "data.csv")
        assert [record.value["answer"] for record in found] == ["Zeile 1\nZeile 2", "y"]
        assert [record.line for record in found] == [2, 4]


def test_csv_names_rows_with_too_few_fields_and_bad_bytes(read: Read) -> None:
    good = b"a,b\n" * 200
    found = read(b"question,answer\nonly one\n\xff,y\n" + good, "data.csv")
    assert [record.problem.kind for record in found[:2]] == ["broken_csv", "wrong_encoding"]
    assert found[2].value == {"question": "a", "answer": "b"}


def test_csv_refuses_a_header_that_names_nothing(read: Read) -> None:
    with pytest.raises(DatasetError, match="name its columns"):
        read(b"a,a\n1,2\n", "data.csv")


def test_csv_reads_messages_written_as_json(read: Read) -> None:
    cell = json.dumps([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]).replace('"', '""')
    found = read(f'messages\n"{cell}"\n'.encode(), "data.csv")
    assert found[0].value["messages"][1]["content"] == "b"


def test_text_is_cut_at_blank_lines_and_nothing_is_lost(read: Read) -> None:
    paragraphs = [f"Paragraph {number}. " + "word " * 30 for number in range(40)]
    content = "\n\n".join(paragraphs) + "\n"
    found = read(content.encode(), "book.txt", max_length=100)
    texts = [record.value["text"] for record in found]
    assert "".join(texts) == content.rstrip()
    assert all(len(text) <= 300 for text in texts)
    assert all(text.startswith("Paragraph") for text in texts)
    assert [record.value.get("end") for record in found] == [False] * (len(found) - 1) + [None]
    assert [record.line for record in found] == [1 + 2 * number for number in range(40)]


@pytest.mark.parametrize("text", ["no blank " * 5000, "x" * 40_000, "日本語" * 9000, "line\n" * 8000])
def test_text_without_blank_lines_is_still_cut(read: Read, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(source, "CHUNK", 1000)
    found = read(text.encode(), "book.txt", max_length=64)
    assert "".join(record.value["text"] for record in found) == text.rstrip()
    assert max(len(record.value["text"]) for record in found) <= 192


def test_text_refuses_only_the_paragraph_with_broken_bytes(read: Read) -> None:
    content = b"\n\n".join([b"good words " * 20] * 300 + [b"bad \xff"] + [b"more words " * 20] * 300)
    found = read(content, "book.txt", max_length=64)
    problems = [record for record in found if record.problem]
    assert len(problems) == 1
    assert problems[0].line == 601


def test_source_chunks_are_never_split_inside_a_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CHUNK", 3)
    path = tmp_path / "source"
    path.write_bytes(codecs.BOM_UTF16_LE + "a日😀b".encode("utf-16-le"))
    whole = io.BytesIO()
    for chunk in open_source(path, "x.txt").chunks():
        whole.write(chunk)
    assert whole.getvalue().decode() == "a日😀b"
