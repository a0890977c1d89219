"""From encoded rows to token stores: cutting to max_length, counting what is lost, previews.

Nothing is trained silently on zero learned tokens: such a row is dropped with its reason. A document of plain text is
never cut for training but split, so that no token of it is lost.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from backend.checker.masking import Rendered
from backend.checker.problems import ProblemLog, RowError
from backend.checker.rows import Row
from backend.checker.tokens import Encoded, ModelTokenizer
from backend.contract.datasets import Preview
from backend.contract.errors import ModelError
from backend.formats.token_store import TokenStoreWriter
from backend.store.durable import Appender, make_folder

TRAIN, HELD_OUT, VALIDATION = "tokens", "heldout", "validation"
_NUM_PREVIEWS = 3
_SPLIT = "Documents longer than max_length were split, nothing of them is lost (so many: {count})."
_NO_END = (
    "The answer of row {line} ends without an end-of-turn token of the model, so it may learn not to stop. "
    "Check the chat template of the base model."
)
_ONLY_LAST = (
    "The model's chat template rewrites earlier turns, so only the last answer is learned (in so many rows: {count})."
)
_MAX_PREVIEW_CHARS = 20_000


class Prepared(NamedTuple):
    """A row on its way into a store."""

    line: int
    sha256: bytes
    rendered: Rendered
    row: Row
    canonical: bytes
    store: str = TRAIN
    """TRAIN, HELD_OUT or VALIDATION."""


class StoreSet:
    """The stores of one check, opened when their first row comes, and the counts of the report."""

    def __init__(self, out_folder: Path, tokenizer: ModelTokenizer, max_length: int) -> None:
        self._out_folder = out_folder
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._exit = ExitStack()
        self._writers: dict[str, TokenStoreWriter] = {}
        self._rows_file: Appender | None = None
        self._lengths = array("Q")
        self.num_cut = 0
        self.num_could_be_cut = 0
        self.num_supervised_lost = 0
        self.num_supervised_seen = 0
        self._num_split = 0
        self._num_only_last_turn = 0
        self._no_end_line = 0
        self.previews: list[Preview] = []

    def add(self, row: Prepared, encoded: Encoded, problems: ProblemLog) -> None:
        """Put one row where it belongs, or drop it and say why."""
        self._check_vocabulary(row, encoded)
        marks = encoded.supervised
        marks[:1] = False  # nothing comes before it that it could be predicted from
        self._lengths.append(encoded.ids.size)
        if encoded.ids.size > self._max_length and row.rendered.document and row.store == TRAIN:
            self._split(row, encoded)
            return
        num_learned = self._cut(row, encoded, problems)
        if num_learned == 0:
            problems.drop(row.line, self._nothing_learned(row, encoded))
            return
        self._num_only_last_turn += row.rendered.only_last_turn
        if not self._no_end_line and not row.rendered.document and not self._tokenizer.ends_with_special(encoded):
            self._no_end_line = row.line
        self._write(row, encoded.ids[: self._max_length], marks[: self._max_length])
        if len(self.previews) < _NUM_PREVIEWS and row.store in (TRAIN, VALIDATION):
            self._preview(row, encoded)

    def num_rows(self, store: str) -> int:
        """Rows written into a store so far."""
        writer = self._writers.get(store)
        return writer.num_rows if writer else 0

    def totals(self, store: str) -> tuple[int, int]:
        """(tokens, learned tokens) written into a store so far."""
        writer = self._writers.get(store)
        return (writer.num_tokens, writer.num_supervised) if writer else (0, 0)

    def length_facts(self) -> tuple[int, float, int, list[tuple[int, int]]]:
        """Longest, mean and 95 % length of all rows before cutting, and their histogram."""
        if not self._lengths:
            return 0, 0.0, 0, []
        lengths = np.sort(np.frombuffer(self._lengths, dtype=np.uint64))
        bounds = [2**power for power in range(3, 1 + max(3, math.ceil(math.log2(max(1, int(lengths[-1]))))))]
        below = np.searchsorted(lengths, np.array(bounds, dtype=np.uint64), side="right")
        counts = np.diff(below, prepend=0)
        histogram = [(bound, int(count)) for bound, count in zip(bounds, counts, strict=True) if count]
        p95 = int(lengths[math.ceil(0.95 * len(lengths)) - 1])
        return int(lengths[-1]), float(lengths.mean()), p95, histogram

    def notes(self) -> list[tuple[str, str]]:
        """(kind, sentence) of what was seen on the way."""
        notes = []
        if self._num_split:
            sentence = (
                f"{self._num_split} documents are longer than max_length and were split; nothing of them is lost."
            )
            notes.append(("split", sentence))
        if self._no_end_line:
            notes.append(("no_end_token", _NO_END.format(line=self._no_end_line)))
        if self._num_only_last_turn:
            notes.append(("only_last_turn", _ONLY_LAST.format(count=self._num_only_last_turn)))
        return notes

    def __enter__(self) -> StoreSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rows_file is not None:
            self._rows_file.sync()
            self._rows_file.close()
        self._exit.__exit__(kind, error, trace)

    # ---- inside --------------------------------------------------------------------------------------------

    def _check_vocabulary(self, row: Prepared, encoded: Encoded) -> None:
        size = self._tokenizer.vocab_size
        if size is not None and encoded.ids.size and int(encoded.ids.max()) >= size:
            raise ModelError(
                f"Its tokenizer gives token {int(encoded.ids.max())} (row {row.line}), the model knows only {size}.",
                hint="Tokenizer and model do not belong together; set the base model again.",
                code="tokenizer",
            )

    def _cut(self, row: Prepared, encoded: Encoded, problems: ProblemLog) -> int:
        """Learned tokens that stay within max_length; counts and notes the rest."""
        size = encoded.ids.size
        kept = int(encoded.supervised[: self._max_length].sum())
        if row.rendered.document:
            return kept  # a held-out document is measured by its beginning; nothing of an answer is lost
        seen = int(encoded.supervised.sum())
        self.num_could_be_cut += 1
        self.num_supervised_seen += seen
        self.num_supervised_lost += seen - kept
        if size > self._max_length:
            self.num_cut += 1
            if kept:
                problems.note(
                    row.line,
                    "too_long",
                    f"The row has {size} tokens and was cut to {self._max_length}; "
                    f"{seen - kept} of {seen} learned tokens are lost.",
                )
        return kept

    def _nothing_learned(self, row: Prepared, encoded: Encoded) -> RowError:
        if encoded.supervised.any():
            begin = int(np.argmax(encoded.supervised))
            return RowError(
                "no_supervised_token",
                f"The answer begins after {begin} tokens, beyond max_length {self._max_length}: nothing is learned.",
            )
        return RowError("no_supervised_token", "The row has no token that could be learned.")

    def _split(self, row: Prepared, encoded: Encoded) -> None:
        self._num_split += 1
        for part, start in enumerate(range(0, encoded.ids.size, self._max_length)):
            ids = encoded.ids[start : start + self._max_length]
            if ids.size < 2:
                continue  # a single token has nothing to be predicted from
            sha256 = hashlib.sha256(row.sha256 + part.to_bytes(4)).digest() if part else row.sha256
            self._write(row._replace(sha256=sha256), ids, np.ones(ids.size, dtype=np.bool_))
        if len(self.previews) < _NUM_PREVIEWS:
            self._preview(row, encoded)

    def _write(self, row: Prepared, ids: np.ndarray, marks: np.ndarray) -> None:
        self._writer(row.store).add(ids, marks, row_sha256=row.sha256, line=row.line)
        if row.store == VALIDATION:
            if self._rows_file is None:
                self._rows_file = Appender(self._out_folder / VALIDATION / "rows.jsonl")
            self._rows_file.append(row.canonical)

    def _writer(self, store: str) -> TokenStoreWriter:
        if store not in self._writers:
            folder = self._out_folder / store
            make_folder(folder)
            self._writers[store] = self._exit.enter_context(TokenStoreWriter(folder))
        return self._writers[store]

    def _preview(self, row: Prepared, encoded: Encoded) -> None:
        text = row.rendered.text
        end = min(self._tokenizer.num_chars(encoded, self._max_length), _MAX_PREVIEW_CHARS)
        pieces: list[tuple[str, bool]] = []
        place = 0
        for start, stop in row.rendered.spans:
            if start > place:
                pieces.append((text[place : min(start, end)], False))
            pieces.append((text[start : min(stop, end)], True))
            place = stop
        pieces.append((text[place:end], False))
        if row.rendered.end and end == len(text):
            pieces.append((self._tokenizer.special_tokens.get("eos_token", ""), True))
        num_tokens = min(encoded.ids.size, self._max_length)
        self.previews.append(
            Preview(
                line=row.line,
                pieces=[piece for piece in pieces if piece[0]],
                num_tokens=num_tokens,
                num_supervised=int(encoded.supervised[:num_tokens].sum()),
            )
        )
