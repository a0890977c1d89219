"""Step fusion: the rows of one optimiser step as few micro-batches, laid end to end without padding.

Which rows share a micro-batch changes nothing but rounding: attention stays inside a row, positions restart, and
the loss is a sum over supervised tokens divided by their number in the whole step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from backend.formats.token_store import TokenStore


@dataclass(frozen=True)
class MicroBatch:
    """Documents end to end. T tokens, N supervised ones."""

    rows: tuple[int, ...]
    input_ids: Tensor
    """(1, T) int64."""
    position_ids: Tensor
    """(1, T) int64, from 0 in each document."""
    lengths: tuple[int, ...]
    """Tokens of each document; their sum is T."""
    predicting: Tensor
    """(N,) positions in T whose next token is supervised."""
    labels: Tensor
    """(N,) the tokens to predict there."""
    num_tokens: int
    """Tokens of the rows as stored; T may be less, see `_document`."""
    supervised_lengths: tuple[int, ...]
    """Supervised tokens of each document; their sum is N."""

    def to(self, device: torch.device) -> MicroBatch:
        """The same on a device."""
        if device.type == "cpu":
            return self
        moved = {name: getattr(self, name).to(device) for name in ("input_ids", "position_ids", "predicting", "labels")}
        return MicroBatch(**{**self.__dict__, **moved})


def split_rows(rows: Sequence[int], lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Rows of a step grouped into micro-batches of at most `token_budget` tokens; a longer row goes alone.

    First fit, longest first: seldom more groups than the best split. Groups and the rows in them keep the order of
    the step.
    """
    groups: list[list[int]] = []
    room: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: -lengths[place]):
        fitting = next((group for group, free in enumerate(room) if lengths[place] <= free), None)
        if fitting is None:
            groups.append([place])
            room.append(token_budget - lengths[place])
        else:
            groups[fitting].append(place)
            room[fitting] -= lengths[place]
    return [[rows[place] for place in sorted(group)] for group in sorted(groups, key=min)]


def step_batches(store: TokenStore, rows: Sequence[int], token_budget: int) -> list[MicroBatch]:
    """The micro-batches of one optimiser step."""
    lengths = [store.length(row) for row in rows]
    return [pack(store, group) for group in split_rows(rows, lengths, token_budget)]


def evaluation_groups(store: TokenStore, rows: Iterable[int], token_budget: int) -> list[list[int]]:
    """Rows in their order, as many a micro-batch as the budget allows."""
    groups: list[list[int]] = []
    free = 0
    for row in rows:
        length = store.length(row)
        if not groups or length > free:
            groups.append([])
            free = token_budget
        groups[-1].append(row)
        free -= length
    return groups


def pack(store: TokenStore, rows: Sequence[int]) -> MicroBatch:
    """Lay rows end to end."""
    documents = [_document(store, row) for row in rows]
    lengths = tuple(len(tokens) for tokens, _ in documents)
    starts = np.cumsum((0, *lengths[:-1]))
    predicting = [start + places for start, (_, places) in zip(starts, documents, strict=True)]
    labels = [np.asarray(store.row(row)[0])[places + 1] for row, (_, places) in zip(rows, documents, strict=True)]
    return MicroBatch(
        rows=tuple(rows),
        input_ids=_int64(np.concatenate([tokens for tokens, _ in documents]))[None],
        position_ids=_int64(np.concatenate([np.arange(length) for length in lengths]))[None],
        lengths=lengths,
        predicting=_int64(np.concatenate(predicting)),
        labels=_int64(np.concatenate(labels)),
        num_tokens=sum(store.length(row) for row in rows),
        supervised_lengths=tuple(len(places) for places in predicting),
    )


def _document(store: TokenStore, row: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Tokens of a row that the model has to see, and the places among them that predict a supervised token.

    Nothing that follows the last predicting token can reach the loss, so it is left out: at least the row's own
    last token. A row without supervised tokens keeps its first one, so that it stays a document.
    """
    tokens, marks = store.row(row)
    places = np.flatnonzero(np.asarray(marks)[1:])
    seen = int(places[-1]) + 1 if places.size else 1
    return np.asarray(tokens[:seen]), places


def _int64(values: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))
