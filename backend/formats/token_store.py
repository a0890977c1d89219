"""The token store: tokenised rows of one file as flat arrays that can be memory-mapped.

    store.json        {"schema", "num_rows", "num_tokens", "num_supervised"}
    tokens.u32        every row's token ids end to end, little-endian uint32
    supervised.u8     one byte a token, 1 where the token is learned (never at a row's first token)
    offsets.u64       num_rows + 1 positions into the two above
    rows.sha256       32 bytes a row: sha256 of its canonical form
    lines.u64         1-based line of each row in its file

Written once by the checker into a staging folder that the service then commits; read by trainer and service.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

SCHEMA = 1
_FILES = ("tokens.u32", "supervised.u8", "offsets.u64", "rows.sha256", "lines.u64")


class TokenStoreWriter:
    """Appends rows; `close` writes the header last. Use as a context manager.

    The folder must exist and hold no store. A writer left by an exception writes no header, and a store without
    header does not open.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {name: (folder / name).open("xb") for name in _FILES}
        self._write("offsets.u64", np.zeros(1, dtype="<u8"))
        self.num_rows = 0
        self.num_tokens = 0
        self.num_supervised = 0

    def add(self, tokens: npt.ArrayLike, supervised: npt.ArrayLike, *, row_sha256: bytes, line: int) -> None:
        """Append one row; `supervised` holds one truth value a token.

        The first token of a row has no predecessor and can never be learned: its mark is cleared.
        Raises ValueError for an empty row, unequal lengths or a digest that is not 32 bytes.
        """
        ids = np.asarray(tokens, dtype="<u4")
        marks = np.array(supervised, dtype=np.uint8)
        if ids.ndim != 1 or ids.size == 0 or ids.shape != marks.shape:
            raise ValueError(f"a row needs as many marks as tokens, got {marks.shape} for {ids.shape}")
        if len(row_sha256) != 32:
            raise ValueError("row_sha256 must be 32 bytes")
        marks[0] = 0
        self.num_rows += 1
        self.num_tokens += int(ids.size)
        self.num_supervised += int(marks.sum())
        self._write("tokens.u32", ids)
        self._write("supervised.u8", marks)
        self._write("offsets.u64", np.array([self.num_tokens], dtype="<u8"))
        self._files["rows.sha256"].write(row_sha256)
        self._write("lines.u64", np.array([line], dtype="<u8"))

    def _write(self, name: str, values: npt.NDArray[Any]) -> None:
        self._files[name].write(values.tobytes())

    def close(self) -> None:
        """Flush everything, then write the header."""
        for file in self._files.values():
            file.close()
        header = {
            "schema": SCHEMA,
            "num_rows": self.num_rows,
            "num_tokens": self.num_tokens,
            "num_supervised": self.num_supervised,
        }
        with open(self._folder / "store.json", "x", encoding="utf-8") as header_file:
            json.dump(header, header_file)

    def __enter__(self) -> TokenStoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            for file in self._files.values():
                file.close()


class TokenStore:
    """A finished store, memory-mapped.

    Raises ValueError when header and files do not agree, OSError when a file is missing.
    """

    def __init__(self, folder: Path) -> None:
        header = _read_header(folder)
        self.folder = folder
        self.num_rows = header["num_rows"]
        self.num_tokens = header["num_tokens"]
        self.num_supervised = header["num_supervised"]
        self._tokens = _mapped(folder / "tokens.u32", "<u4", self.num_tokens)
        self._supervised = _mapped(folder / "supervised.u8", "u1", self.num_tokens)
        self._offsets = _mapped(folder / "offsets.u64", "<u8", self.num_rows + 1)
        self._lines = _mapped(folder / "lines.u64", "<u8", self.num_rows)
        digests = (folder / "rows.sha256").read_bytes()
        if len(digests) != 32 * self.num_rows or int(self._offsets[-1]) != self.num_tokens:
            raise ValueError(f"{folder}: token store header and files do not agree")
        if int(self._offsets[0]) != 0 or bool(np.any(self._offsets[1:] <= self._offsets[:-1])):
            raise ValueError(f"{folder}: token store offsets do not rise")
        self.row_sha256s: list[bytes] = [digests[i : i + 32] for i in range(0, len(digests), 32)]

    def row(self, index: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
        """Token ids and marks of one row, shapes (T,), as views of the file."""
        start, end = int(self._offsets[index]), int(self._offsets[index + 1])
        return self._tokens[start:end], self._supervised[start:end]

    def length(self, index: int) -> int:
        """Tokens of one row."""
        return int(self._offsets[index + 1]) - int(self._offsets[index])

    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of every row, shape (num_rows,)."""
        offsets = self._offsets.astype(np.int64)
        return offsets[1:] - offsets[:-1]

    def line(self, index: int) -> int:
        """1-based line of a row in its file."""
        return int(self._lines[index])


def _read_header(folder: Path) -> dict[str, int]:
    header: Any = json.loads((folder / "store.json").read_bytes())
    names = ("num_rows", "num_tokens", "num_supervised")
    if not isinstance(header, dict) or not all(isinstance(header.get(name), int) for name in names):
        raise ValueError(f"{folder}: store.json is not the header of a token store")
    if header.get("schema") != SCHEMA:
        raise ValueError(f"{folder}: token store schema {header.get('schema')!r}, expected {SCHEMA}")
    return {name: header[name] for name in names}


def _mapped(path: Path, dtype: str, count: int) -> npt.NDArray[Any]:
    expected = count * np.dtype(dtype).itemsize
    if path.stat().st_size != expected:
        raise ValueError(f"{path}: {path.stat().st_size} bytes, expected {expected}")
    if count == 0:
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r", shape=(count,))
