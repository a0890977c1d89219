"""Which rows are held out, and which come too close to a held-out row to be trained on.

Rows are chosen by the hash of their content, so the same file always gives the same choice.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import re
from collections.abc import Iterable
from typing import NamedTuple

from backend.checker.rows import Row
from backend.contract.datasets import ValidationPlan

SHINGLE_WORDS = 5
_OF_FIVE = 4  # rows are near duplicates when four fifths of their word runs are the same; counted in whole numbers
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+")


class Candidate(NamedTuple):
    """A row that may be held out."""

    line: int
    sha256: bytes
    canonical: bytes


class Picker:
    """Keeps the rows with the lowest hashes while a file streams past."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._heap: list[tuple[int, Candidate]] = []
        self._held: set[bytes] = set()

    def offer(self, candidate: Candidate) -> None:
        """Consider one row; equal rows count once, as the first of them."""
        if self._max_rows <= 0 or candidate.sha256 in self._held:
            return
        entry = (-_rank(candidate.sha256), candidate)
        if len(self._heap) < self._max_rows:
            heapq.heappush(self._heap, entry)
        elif entry[0] > self._heap[0][0]:
            self._held.discard(heapq.heapreplace(self._heap, entry)[1].sha256)
        else:
            return
        self._held.add(candidate.sha256)

    def lowest(self, num_rows: int) -> list[Candidate]:
        """The `num_rows` lowest of them, in the order of the file."""
        chosen = heapq.nlargest(num_rows, self._heap, key=lambda entry: entry[0])
        return sorted((candidate for _, candidate in chosen), key=lambda candidate: candidate.line)


def _rank(sha256: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(b"holdout" + sha256, digest_size=16).digest())


def num_held_out(plan: ValidationPlan, num_rows: int) -> int:
    """How many of a file's rows are held out under a plan; 0 when it would be too few to measure with."""
    share = {"pick": plan.max_share, "exclude": plan.heldout_max_share}.get(plan.mode, 0.0)
    count = min(plan.max_rows, math.floor(share * num_rows))
    return count if count >= max(1, plan.min_rows) else 0


# ---- near duplicates ---------------------------------------------------------------------------------------


def row_words(row: Row) -> list[str]:
    """What a row says, as case-folded words without punctuation. System turns and tools are left out: a file
    repeats them in every row."""
    if "messages" in row:
        text = " ".join(message["content"] for message in row["messages"] if message["role"] != "system")
    else:
        text = " ".join(row[key] for key in ("prompt", "completion", "text") if key in row)
    return _WORD.findall(text.casefold())


class HeldOutIndex:
    """Finds rows that repeat a held-out one: same digest, same words, or word runs that overlap by 80 %."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._texts: set[bytes] = set()
        self._shingles: list[set[str]] = []
        self._rows_with: dict[str, list[int]] = {}

    def add(self, row: Row, sha256: bytes) -> None:
        """Protect one held-out row."""
        self._digests.add(sha256)
        words = row_words(row)
        if not words:
            return
        self._texts.add(_text_key(words))
        shingles = set(_shingles(words))
        number = len(self._shingles)
        self._shingles.append(shingles)
        for shingle in shingles:
            self._rows_with.setdefault(shingle, []).append(number)

    def repeats(self, row: Row, sha256: bytes) -> bool:
        """Whether a row comes too close to one of them."""
        if sha256 in self._digests:
            return True
        words = row_words(row) if self._shingles else []
        if not words:
            return False
        return _text_key(words) in self._texts or (not self._too_new(words) and self._overlaps(words))

    def _too_new(self, words: list[str]) -> bool:
        """Whether more than a fifth of the row's runs are in no held-out row: then it cannot overlap by 80 %."""
        most_runs = max(1, len(words) - SHINGLE_WORDS + 1)
        new: set[str] = set()
        for shingle in _shingles(words):
            if shingle not in self._rows_with:
                new.add(shingle)
                if 5 * len(new) > (5 - _OF_FIVE) * most_runs:
                    return True
        return False

    def _overlaps(self, words: list[str]) -> bool:
        shingles = set(_shingles(words))
        # A match shares all but a fifth of the runs, so at least one of that many rarest ones: phrases that every
        # row repeats are never looked up.
        rarest = sorted(shingles, key=lambda shingle: len(self._rows_with.get(shingle, ())))
        enough = (5 - _OF_FIVE) * len(shingles) // 5 + 1
        near = {number for shingle in rarest[:enough] for number in self._rows_with.get(shingle, ())}
        return any(_nearly_equal(shingles, self._shingles[number]) for number in near)


def _nearly_equal(one: set[str], other: set[str]) -> bool:
    """Whether what they share is at least four fifths of what they hold together (Jaccard 0.8)."""
    common = len(one & other)
    return 5 * common >= _OF_FIVE * (len(one) + len(other) - common)


def _text_key(words: list[str]) -> bytes:
    return hashlib.blake2b("".join(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _shingles(words: list[str]) -> Iterable[str]:
    if len(words) <= SHINGLE_WORDS:
        yield " ".join(words)
        return
    for place in range(len(words) - SHINGLE_WORDS + 1):
        yield " ".join(words[place : place + SHINGLE_WORDS])
