"""What kind of file this is and how its bytes become UTF-8: decided by content, not by name.

Everything after this module sees UTF-8 chunks. Refuses what is no text, with a sentence that says what it is.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import charset_normalizer

from backend.contract.errors import DatasetError

CHUNK = 1 << 20
_SAMPLE_BYTES = 256 * 1024
_MAX_BAD_LINES_SHARE = 0.01
_MAX_CONTROL_SHARE = 0.02
_CONTROL = bytes({*range(9), *range(14, 32)} - {0x1B, 0x1E})
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Near twins of these (Mac, DOS and mainframe tables) win by chance and are next to never meant.
_LIKELY_ENCODINGS = (
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "koi8_r",
    "gb18030",
    "big5",
    "cp932",
    "euc_jp",
    "cp949",
    "tis_620",
)
_MAGICS = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3", "a SQLite database"),
    (b"GGUF", "a GGUF model"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x7fELF", "a program"),
    (b"\x80\x02", "a pickle file"),
    (b"\x80\x04", "a pickle file"),
    (b"ARROW1", "an Arrow file"),
)
_PARQUET_HINT = (
    "Save it as JSONL first; in Python: pandas.read_parquet('file.parquet')"
    ".to_json('file.jsonl', orient='records', lines=True, force_ascii=False)."
)


@dataclass(frozen=True)
class Source:
    """One file to read and what is known of its bytes."""

    path: Path
    name: str
    """The name shown to people."""
    size_bytes: int
    encoding: str
    """Codec the bytes are read with; utf-8 also stands for a file with a byte order mark."""
    note: str = ""
    """What was assumed about the encoding, when something was."""

    def chunks(self, read: Callable[[int], None] = lambda num_bytes: None) -> Iterator[bytes]:
        """The content as UTF-8, chunk by chunk, without byte order mark; `read` is told of each chunk's bytes.

        UTF-8 files come as they are, broken bytes included; others are decoded, with U+FFFD where that fails.
        """
        decoder = None if self.encoding == "utf-8" else codecs.getincrementaldecoder(self.encoding)("replace")
        with open(self.path, "rb") as file:
            first = True
            while data := file.read(CHUNK):
                read(len(data))
                if decoder is None:
                    yield data.removeprefix(codecs.BOM_UTF8) if first else data
                else:
                    yield decoder.decode(data).encode("utf-8", "replace")
                first = False
        if decoder is not None:
            yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def open_source(path: Path, name: str) -> Source:
    """Look at a file. Raises DatasetError for what cannot be read as text."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise DatasetError(f"{name} is not a regular file.", hint="Give a .jsonl, .json, .csv or .txt file.")
        with open(path, "rb") as file:
            head = file.read(_SAMPLE_BYTES)
    except OSError as problem:
        raise DatasetError(
            f"{name} cannot be read: {os.strerror(problem.errno or 5)}.",
            hint="Check that the file exists and that you may read it.",
            code="unreadable",
        ) from None
    if not head:
        raise DatasetError(f"{name} is empty.", hint="Give a file with at least one row.", code="empty_file")
    encoding, note = _encoding_of(path, name, head)
    return Source(path, name, facts.st_size, encoding, note)


def _encoding_of(path: Path, name: str, head: bytes) -> tuple[str, str]:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            note = "" if encoding == "utf-8" else f"The file is {encoding.upper()} and was read as such."
            return encoding, note
    _refuse_known_binary(name, head)
    wide = _wide_encoding(head)
    if wide:
        return wide, f"The file has no byte order mark; it was read as {wide.upper()}."
    num_control = len(head) - len(head.translate(None, _CONTROL))
    if num_control > _MAX_CONTROL_SHARE * len(head):  # a stray NUL is a problem of its row
        raise _binary(name, "not text (it is full of NUL and control bytes)")
    if _is_utf8(path, name):
        return "utf-8", ""
    num_lines, bad_lines = _broken_lines(path)
    if len(bad_lines) <= max(1, num_lines * _MAX_BAD_LINES_SHARE) < num_lines:
        return "utf-8", ""  # a few broken lines are problems of those rows
    raise _not_utf8(name, bad_lines)


def _refuse_known_binary(name: str, head: bytes) -> None:
    for magic, what in _MAGICS:
        if head.startswith(magic):
            if magic == b"PAR1":
                raise DatasetError(f"{name} is {what}, which cannot be read yet.", hint=_PARQUET_HINT, code="parquet")
            raise _binary(name, what)
    if head[8:10] == b'{"' and head[4:8] == b"\0\0\0\0":
        raise _binary(name, "a safetensors model")


def _binary(name: str, what: str) -> DatasetError:
    return DatasetError(
        f"{name} is {what}, not a text file of training rows.",
        hint="Give a .jsonl, .json, .csv or .txt file.",
        code="binary_file",
    )


def _wide_encoding(head: bytes) -> str:
    """UTF-16 without a byte order mark: nearly every second byte of plain text is NUL."""
    even, odd = head[0:4096:2], head[1:4096:2]
    if len(odd) < 8:
        return ""
    if odd.count(0) > 0.7 * len(odd) and even.count(0) == 0:
        return "utf-16-le"
    if even.count(0) > 0.7 * len(even) and odd.count(0) == 0:
        return "utf-16-be"
    return ""


def _is_utf8(path: Path, name: str) -> bool:
    """Whether the whole file decodes; refuses it when it is full of NUL bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    is_utf8 = True
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            if data.count(0) > len(data) // 8:
                raise _binary(name, "not text (it is full of NUL bytes)")
            if is_utf8:
                try:
                    decoder.decode(data, final=len(data) < CHUNK)
                except UnicodeDecodeError:
                    is_utf8 = False
    return is_utf8


def _broken_lines(path: Path) -> tuple[int, list[bytes]]:
    """(number of lines, the beginnings of those that are not UTF-8), reading the whole file."""
    num_lines = 0
    bad_lines: list[bytes] = []
    rest = b""
    with open(path, "rb") as file:
        while data := file.read(CHUNK):
            block = rest + data
            num_lines += data.count(b"\n")
            end = block.rfind(b"\n") + 1 or (_character_end(block) if len(block) > 4 * CHUNK else 0)
            _collect_bad(block[:end], bad_lines)
            rest = block[end:]
    _collect_bad(rest, bad_lines)
    return num_lines + bool(rest), bad_lines


def _character_end(block: bytes) -> int:
    """A place near the end of `block` where no UTF-8 character is cut in two."""
    for end in range(len(block), max(0, len(block) - 4), -1):
        if block[end - 1] & 0xC0 != 0x80:
            return end - 1
    return len(block)


def _collect_bad(block: bytes, bad_lines: list[bytes]) -> None:
    try:
        block.decode()
    except UnicodeDecodeError:
        for line in block.split(b"\n"):
            try:
                line.decode()
            except UnicodeDecodeError:
                bad_lines.append(line[:4096])
                if len(bad_lines) >= 100_000:
                    return


def _not_utf8(name: str, bad_lines: list[bytes]) -> DatasetError:
    """A likely encoding is named and never used: a wrong guess would train letters that nobody wrote."""
    sample = b"\n".join(bad_lines)[: 64 * 1024]
    best = charset_normalizer.from_bytes(sample, cp_isolation=list(_LIKELY_ENCODINGS)).best()
    likely = best.encoding if best else ""
    return DatasetError(
        f"{name} is not UTF-8" + (f"; it may be {likely}." if likely else " and no other text encoding that is known."),
        hint="Save it as UTF-8 and add it again"
        + (f", for example with `iconv -f {likely} -t utf-8 OLD > NEW`." if likely else "."),
        code="wrong_encoding",
    )
