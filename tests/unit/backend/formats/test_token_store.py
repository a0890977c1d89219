"""The token store: what was added comes back; what is torn or foreign does not open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.formats.token_store import TokenStore, TokenStoreWriter

ROWS = [([5, 6, 7], [0, 1, 1]), ([1], [1]), ([2**32 - 1, 0, 9, 9], [1, 0, 0, 1])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with TokenStoreWriter(tmp_path) as writer:
        for place, (tokens, marks) in enumerate(ROWS):
            writer.add(tokens, marks, row_sha256=bytes([place]) * 32, line=10 * place + 1)
    return tmp_path


def test_store_gives_back_what_was_added(folder: Path) -> None:
    store = TokenStore(folder)
    assert [store.row(row)[0].tolist() for row in range(3)] == [tokens for tokens, _ in ROWS]
    assert [store.length(row) for row in range(3)] == store.lengths().tolist() == [3, 1, 4]
    assert [store.line(row) for row in range(3)] == [1, 11, 21]
    assert store.row_sha256s == [bytes([place]) * 32 for place in range(3)]
    assert (store.num_rows, store.num_tokens) == (3, 8)


def test_store_never_marks_the_first_token_of_a_row(folder: Path) -> None:
    store = TokenStore(folder)
    assert [store.row(row)[1].tolist() for row in range(3)] == [[0, 1, 1], [0], [0, 0, 0, 1]]
    assert store.num_supervised == 3


def test_writer_leaves_the_callers_marks_alone(tmp_path: Path) -> None:
    marks = np.array([True, True])
    with TokenStoreWriter(tmp_path) as writer:
        writer.add(np.array([1, 2]), marks, row_sha256=b"x" * 32, line=1)
    assert marks.all()


def test_store_without_rows_opens(tmp_path: Path) -> None:
    with TokenStoreWriter(tmp_path):
        pass
    store = TokenStore(tmp_path)
    assert (store.num_rows, store.num_tokens, store.lengths().tolist(), store.row_sha256s) == (0, 0, [], [])


def test_store_is_little_endian_on_disk(folder: Path) -> None:
    assert (folder / "tokens.u32").read_bytes()[:8] == b"\x05\0\0\0\x06\0\0\0"
    assert (folder / "offsets.u64").read_bytes()[:16] == bytes(8) + b"\x03" + bytes(7)


@pytest.mark.parametrize(
    ("tokens", "marks", "digest"),
    [([], [], b"x" * 32), ([1, 2], [1], b"x" * 32), ([[1]], [[1]], b"x" * 32), ([1], [1], b"short")],
)
def test_writer_refuses_a_row_that_is_none(tmp_path: Path, tokens: list[int], marks: list[int], digest: bytes) -> None:
    with TokenStoreWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match="row"):
            writer.add(tokens, marks, row_sha256=digest, line=1)
        assert writer.num_rows == 0
    assert TokenStore(tmp_path).num_rows == 0


def test_writer_refuses_a_folder_that_holds_a_store(folder: Path) -> None:
    with pytest.raises(FileExistsError):
        TokenStoreWriter(folder)


def test_store_left_by_an_exception_does_not_open(tmp_path: Path) -> None:
    with pytest.raises(KeyError), TokenStoreWriter(tmp_path) as writer:
        writer.add([1], [1], row_sha256=b"x" * 32, line=1)
        raise KeyError
    with pytest.raises(FileNotFoundError):
        TokenStore(tmp_path)


NAMES = ["tokens.u32", "supervised.u8", "offsets.u64", "rows.sha256", "lines.u64"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"\0" * 8, lambda data: b""])
def test_store_with_a_torn_file_does_not_open(folder: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"store|bytes"):
        TokenStore(folder)


@pytest.mark.parametrize("name", [*NAMES, "store.json"])
def test_store_with_a_missing_file_does_not_open(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError):
        TokenStore(folder)


@pytest.mark.parametrize("change", [{"schema": 2}, {"num_rows": 2}, {"num_tokens": 7}])
def test_store_whose_header_does_not_agree_does_not_open(folder: Path, change: dict[str, int]) -> None:
    header = json.loads((folder / "store.json").read_bytes())
    (folder / "store.json").write_text(json.dumps(header | change))
    with pytest.raises(ValueError, match=r"store|bytes"):
        TokenStore(folder)


def test_store_whose_offsets_do_not_rise_does_not_open(folder: Path) -> None:
    (folder / "offsets.u64").write_bytes(np.array([0, 5, 4, 8], dtype="<u8").tobytes())
    with pytest.raises(ValueError, match="offsets"):
        TokenStore(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": 1}'])
def test_store_with_a_broken_header_does_not_open(folder: Path, content: str) -> None:
    (folder / "store.json").write_text(content)
    with pytest.raises(ValueError, match=r"header|Expecting"):
        TokenStore(folder)
