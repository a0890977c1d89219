"""Datasets and what the checker says of them."""

from __future__ import annotations

from msgspec import Struct

from backend.contract.errors import ErrorBody


class RowProblem(Struct, frozen=True, kw_only=True):
    """One row that was set aside, cut or excluded."""

    line: int
    """1-based line in the file; for a JSON array the 1-based element; 0 for a note about the whole file."""
    kind: str
    """Stable word: broken_json, cut_off, wrong_encoding, unknown_shape, empty_answer, no_supervised_token, too_long,
    template, validation_duplicate, ...; notes on the whole file: encoding, split, plain_template, rewritten_*."""
    message: str
    dropped: bool = True
    """False when the row is still trained on (it was only cut)."""


class Preview(Struct, frozen=True, kw_only=True):
    """A row as the model will see it."""

    line: int
    pieces: list[tuple[str, bool]]
    """Rendered text in order; True marks the part that is learned."""
    num_tokens: int
    num_supervised: int


class CheckReport(Struct, frozen=True, kw_only=True):
    """Result of checking one file with one tokenizer."""

    ok: bool
    refusal: ErrorBody | None = None
    """Why the file cannot be used; None when ok."""
    format: str = ""
    """messages, conversations, alpaca, prompt_completion, question_answer or text."""
    encoding: str = "utf-8"
    num_rows: int = 0
    """Rows found in the file."""
    num_train: int = 0
    """Rows in the token store `tokens/`."""
    num_validation: int = 0
    """Rows put into `validation/` (only when asked to pick one)."""
    num_heldout: int = 0
    """Rows put into `heldout/`."""
    num_excluded: int = 0
    """Rows left out because they repeat the validation set."""
    num_rejected: int = 0
    num_cut: int = 0
    num_tokens: int = 0
    num_supervised: int = 0
    num_supervised_lost: int = 0
    """Supervised tokens beyond max_length."""
    longest_row_tokens: int = 0
    mean_row_tokens: float = 0.0
    p95_row_tokens: int = 0
    """95 % of the rows have at most so many tokens, before cutting."""
    length_histogram: list[tuple[int, int]] = []
    """(upper bound in tokens, rows up to it and above the one before), bounds are powers of two."""
    tokenizer_sha256: str = ""
    max_length: int = 0
    problems: list[RowProblem] = []
    """The first 200 in order of line; the counts above are complete."""
    problem_counts: dict[str, int] = {}
    previews: list[Preview] = []


class ValidationPlan(Struct, frozen=True, kw_only=True):
    """What the checker does about held-out rows.

    pick: take the workspace's validation set out of this file (first file).
    whole: the file is the validation set (the user's own file); all rows go to `validation/`.
    exclude: a validation set exists; drop rows that repeat it and hold out a share for this file's own loss.
    none: train on every row.
    """

    mode: str = "none"
    max_rows: int = 1000
    max_share: float = 0.1
    min_rows: int = 8
    heldout_max_share: float = 0.05
    rows_path: str = ""
    """exclude: the validation set's `rows.jsonl`."""


class CheckRequest(Struct, frozen=True, kw_only=True):
    """One task for a checker child: `python -P -m backend.checker REQUEST.json`.

    The child writes into `out_folder` (exists, empty): `report.json` always; when the report is ok also the
    token stores `tokens/` (not for `whole`), and `heldout/`, `validation/` (with `rows.jsonl`, one canonical row a
    line) as the plan says. `progress.json` in it is replaced at most every 0.2 s:
    {"done_bytes", "total_bytes", "rows"}.
    """

    source: str
    file_name: str
    out_folder: str
    tokenizer_folder: str
    max_length: int
    validation: ValidationPlan = ValidationPlan()
    max_memory_bytes: int = 4 * 2**30
    max_cpu_seconds: int = 3600


class DatasetView(Struct, frozen=True, kw_only=True):
    """A staged file: content-addressed, never changed."""

    dataset_id: str
    """sha256 of the content, hex."""
    file_name: str
    size_bytes: int
    added_at: float
    report: CheckReport | None = None
