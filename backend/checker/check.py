"""One file checked: two passes over it, a report and token stores.

The first pass (`scan`) reads every row, judges the format and chooses the rows that are held out. The second
renders, tokenises and writes, in chunks: a few hundred rows are in memory at a time, and while one chunk is
tokenised the next is read. A file that cannot be used becomes a report with a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from backend.checker.dialect import dialect_of
from backend.checker.holdout import Candidate
from backend.checker.masking import Renderer
from backend.checker.problems import ProblemLog, RowError
from backend.checker.records import Record
from backend.checker.rows import canonical_bytes, canonical_row, row_sha256
from backend.checker.scan import OnProgress, progressing, protected_rows, scan
from backend.checker.shapes import NAMES, shape_of
from backend.checker.source import Source, open_source
from backend.checker.stores import HELD_OUT, TRAIN, VALIDATION, Prepared, StoreSet
from backend.checker.template import TemplateLimitError
from backend.checker.tokens import Encoded, ModelTokenizer
from backend.contract.datasets import CheckReport, CheckRequest
from backend.contract.errors import DatasetError, EverstepError, ModelError
from backend.store.durable import remove_tree

SCAN_SHARE = 0.15
_CHUNK_ROWS = 512
_CHUNK_CHARS = 2**20
_MAX_CUT_SHARE = 0.95
_MAX_LOST_SHARE = 0.20
_MAX_TEMPLATE_LIMITS = 3


def check(request: CheckRequest, on_progress: OnProgress) -> CheckReport:
    """The report on one file; token stores lie in the out folder when it is ok."""
    work = _Check(request, on_progress)
    try:
        return work.run()
    except EverstepError as refusal:
        return work.refused(refusal)
    except MemoryError:
        limit = f"{request.max_memory_bytes >> 20} MB"
        return work.refused(
            DatasetError(f"{request.file_name}: the check needs more than {limit}.", hint="Split it.", code="too_large")
        )


class _Check:
    """The work on one request."""

    def __init__(self, request: CheckRequest, on_progress: OnProgress) -> None:
        self._request = request
        self._on_progress = on_progress
        self._problems = ProblemLog()
        self._report = CheckReport(ok=False, max_length=request.max_length)
        self._num_excluded = 0
        self._num_template_limits = 0

    def run(self) -> CheckReport:
        """Both passes; raises EverstepError for what cannot be used."""
        request = self._request
        source = open_source(Path(request.source), request.file_name)
        self._know(encoding=source.encoding)
        self._tokenizer = ModelTokenizer(Path(request.tokenizer_folder))
        self._know(tokenizer_sha256=self._tokenizer.sha256)
        self._renderer = self._make_renderer()
        self._held_out = protected_rows(request.validation)
        found = scan(source, request, self._held_out, self._problems, self._progress_from(0.0, SCAN_SHARE, source))
        self._know(num_rows=found.shapes.total)
        shape = found.shapes.judge(source.name)
        self._know(format=shape)
        self._problems = ProblemLog()  # the second pass finds them again, in order with its own
        picked = self._proven(found.picked(shape))
        with StoreSet(Path(request.out_folder), self._tokenizer, request.max_length) as stores:
            self._write_rows(source, shape, picked, stores)
            self._finish(source, stores)
        return self._report

    def refused(self, refusal: EverstepError) -> CheckReport:
        """A report of what is known so far and why it ends here; nothing half-written stays."""
        for store in (TRAIN, HELD_OUT, VALIDATION):
            remove_tree(Path(self._request.out_folder) / store)
        self._know(num_train=0, num_validation=0, num_heldout=0)
        self._know(ok=False, refusal=refusal.body(), num_rejected=self._problems.num_dropped)
        self._know(problems=self._problems.listed, problem_counts=self._problems.counts)
        return self._report

    def _know(self, **facts: object) -> None:
        self._report = msgspec.structs.replace(self._report, **facts)

    def _progress_from(self, begin: float, share: float, source: Source) -> OnProgress:
        def on_progress(num_bytes: int, total_bytes: int, num_rows: int) -> None:
            self._on_progress(int(begin * total_bytes + share * num_bytes), total_bytes, num_rows)

        return on_progress

    def _make_renderer(self) -> Renderer:
        template, with_tools, own = self._tokenizer.chat_template()
        try:
            renderer = Renderer(template, dialect_of(template), own_template=own)
            if with_tools is not None:
                renderer.use_for_tools(with_tools, dialect_of(with_tools))
        except TemplateLimitError as problem:
            raise _unsafe_template(problem) from None
        return renderer

    # ---- held-out rows -------------------------------------------------------------------------------------

    def _proven(self, picked: list[Candidate]) -> dict[bytes, Candidate]:
        """The picked rows that can be measured with; none when they are too few."""
        rows = []
        for candidate in picked:
            try:
                rendered = self._renderer.render(msgspec.json.decode(candidate.canonical))
            except (RowError, TemplateLimitError):
                continue
            rows.append((candidate, rendered))
        encoded = self._tokenizer.encode([rendered for _, rendered in rows])
        limit = self._request.max_length
        usable = [row[0] for row, tokens in zip(rows, encoded, strict=True) if tokens.supervised[1:limit].any()]
        if len(usable) < max(1, self._request.validation.min_rows):
            return {}
        for candidate in usable:
            self._held_out.add(msgspec.json.decode(candidate.canonical), candidate.sha256)
        return {candidate.sha256: candidate for candidate in usable}

    # ---- second pass ---------------------------------------------------------------------------------------

    def _write_rows(self, source: Source, shape: str, picked: dict[bytes, Candidate], stores: StoreSet) -> None:
        rows = progressing(source, self._request.max_length, self._progress_from(SCAN_SHARE, 1.0 - SCAN_SHARE, source))
        prepared = self._prepared(rows, shape, picked)
        with ThreadPoolExecutor(1, thread_name_prefix="tokenise") as tokenising:
            pending = None
            for chunk in _chunks(prepared):
                running = tokenising.submit(self._tokenizer.encode, [row.rendered for row in chunk])
                if pending is not None:
                    self._store(pending[0], pending[1].result(), stores)
                pending = (chunk, running)
            if pending is not None:
                self._store(pending[0], pending[1].result(), stores)

    def _store(self, chunk: list[Prepared], encoded: list[Encoded], stores: StoreSet) -> None:
        for row, tokens in zip(chunk, encoded, strict=True):
            stores.add(row, tokens, self._problems)

    def _prepared(self, rows: Iterable[Record], shape: str, picked: dict[bytes, Candidate]) -> Iterator[Prepared]:
        whole = self._request.validation.mode == "whole"
        apart = VALIDATION if self._request.validation.mode == "pick" else HELD_OUT
        for record in rows:
            try:
                row = self._prepare(record, shape)
            except RowError as problem:
                self._problems.drop(record.line, problem)
                continue
            except TemplateLimitError as problem:
                self._count_template_limit(record.line, problem)
                continue
            candidate = picked.get(row.sha256)
            if whole:
                yield row._replace(store=VALIDATION)
            elif candidate is not None and candidate.line == row.line:
                yield row._replace(store=apart)
            elif self._held_out.repeats(row.row, row.sha256):
                self._num_excluded += 1
                self._problems.exclude(row.line)
            else:
                yield row

    def _prepare(self, record: Record, shape: str) -> Prepared:
        if record.problem is not None:
            raise record.problem
        if shape_of(record.value) != shape:
            raise RowError("unknown_shape", f"The row is not of the file's format, {NAMES[shape]}.")
        row = canonical_row(record.value, shape)
        canonical = canonical_bytes(row)
        return Prepared(record.line, row_sha256(canonical), self._renderer.render(row), row, canonical)

    def _count_template_limit(self, line: int, problem: TemplateLimitError) -> None:
        self._problems.drop(line, RowError("template", f"The model's chat template was stopped here: {problem}."))
        self._num_template_limits += 1
        if self._num_template_limits >= _MAX_TEMPLATE_LIMITS:
            raise _unsafe_template(problem)

    # ---- the verdict ---------------------------------------------------------------------------------------

    def _finish(self, source: Source, stores: StoreSet) -> None:
        main = VALIDATION if self._request.validation.mode == "whole" else TRAIN
        num_tokens, num_supervised = stores.totals(main)
        longest, mean, p95, histogram = stores.length_facts()
        self._know(
            num_train=stores.num_rows(TRAIN),
            num_validation=stores.num_rows(VALIDATION),
            num_heldout=stores.num_rows(HELD_OUT),
            num_excluded=self._num_excluded,
            num_rejected=self._problems.num_dropped,
            num_cut=stores.num_cut,
            num_tokens=num_tokens,
            num_supervised=num_supervised,
            num_supervised_lost=stores.num_supervised_lost,
            longest_row_tokens=longest,
            mean_row_tokens=mean,
            p95_row_tokens=p95,
            length_histogram=histogram,
            previews=stores.previews,
        )
        if source.note:
            self._problems.note(0, "encoding", source.note)
        for kind, sentence in [*self._renderer.notes(), *stores.notes()]:
            self._problems.note(0, kind, sentence)
        self._refuse_unusable(source.name, p95, stores)
        if not stores.num_rows(main):
            raise self._no_usable_row(source.name)
        self._know(ok=True, problems=self._problems.listed, problem_counts=self._problems.counts)

    def _refuse_unusable(self, name: str, p95: int, stores: StoreSet) -> None:
        """Refuse a file most of which would be cut away."""
        if not stores.num_cut:
            return
        cut = stores.num_cut / stores.num_could_be_cut
        lost = stores.num_supervised_lost / max(1, stores.num_supervised_seen)
        if cut > _MAX_CUT_SHARE or lost > _MAX_LOST_SHARE:
            longer = -(-p95 // 64) * 64
            is_validation = self._request.validation.mode == "whole"
            again = "set the file again" if is_validation else "`queue retry` this job"
            raise DatasetError(
                f"{name}: {cut:.0%} of its rows are longer than max_length {self._request.max_length} and "
                f"{lost:.0%} of the answer tokens would be lost.",
                hint=f"`config set max_length {longer}` (95 % of them fit whole), then {again}; or shorten the rows.",
                code="too_long",
            )

    def _no_usable_row(self, name: str) -> DatasetError:
        if self._num_excluded and not self._problems.num_dropped:
            return DatasetError(
                f"{name}: all of its rows repeat rows that are held out to measure with.",
                hint="Give a file with other rows.",
                code="no_usable_row",
            )
        first = next((problem for problem in self._problems.listed if problem.dropped), None)
        why = f" Row {first.line}: {first.message}" if first else ""
        return DatasetError(
            f"{name} has no row that can be learned from ({self._problems.sentence()}).{why}",
            hint="Mend the rows and add the file again.",
            code="no_usable_row",
        )


def _chunks(rows: Iterator[Prepared]) -> Iterator[list[Prepared]]:
    chunk: list[Prepared] = []
    num_chars = 0
    for row in rows:
        chunk.append(row)
        num_chars += len(row.rendered.text)
        if len(chunk) >= _CHUNK_ROWS or num_chars >= _CHUNK_CHARS:
            yield chunk
            chunk, num_chars = [], 0
    if chunk:
        yield chunk


def _unsafe_template(problem: TemplateLimitError) -> ModelError:
    return ModelError(
        f"Its chat template is not safe to use: {problem}.",
        hint="Look at the chat template of the base model, or take another base model.",
        code="template",
    )
