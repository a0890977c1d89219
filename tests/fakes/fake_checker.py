"""A checker without tokenizer: every line of a file is a row, its bytes are its tokens.

A file that holds REFUSE is refused, with CRASH the child dies, with KILLED ONCE or KILLED TWICE somebody else kills
it, with HANG it never ends.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from backend.contract.datasets import CheckReport, CheckRequest
from backend.contract.errors import DatasetError
from backend.formats.token_store import TokenStoreWriter


def _first_time(source: Path) -> bool:
    marker = source.parents[2] / "fake-checker-was-killed"
    known = marker.exists()
    marker.touch()
    return not known


def main() -> int:
    request = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=CheckRequest)
    out = Path(request.out_folder)
    data = Path(request.source).read_bytes()
    (out / "progress.json").write_bytes(b'{"done_bytes": 1, "total_bytes": 2, "rows": 1}')
    if b"CRASH" in data:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"KILLED TWICE" in data or (b"KILLED ONCE" in data and _first_time(Path(request.source))):
        os.kill(os.getpid(), signal.SIGKILL)
    if b"HANG" in data:
        time.sleep(3600)
    if b"REFUSE" in data:
        refusal = DatasetError(f"{request.file_name}, line 1: planted refusal.").body()
        (out / "report.json").write_bytes(msgspec.json.encode(CheckReport(ok=False, refusal=refusal)))
        return 0
    rows = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    train, held = rows, []
    plan = request.validation
    if plan.mode == "whole":
        train, held = [], rows
    elif plan.mode == "pick":
        count = min(plan.max_rows, int(len(rows) * plan.max_share))
        if count >= plan.min_rows:
            train, held = rows[count:], rows[:count]
    elif plan.mode == "exclude":
        known = set(Path(plan.rows_path).read_bytes().split(b"\n"))
        train = [row for row in rows if row[1] not in known]
    if plan.mode != "whole":
        write(out / "tokens", train)
    if held:
        write(out / "validation", held)
        (out / "validation" / "rows.jsonl").write_bytes(b"".join(line + b"\n" for _, line in held))
    report = CheckReport(
        ok=True,
        format="text",
        num_rows=len(rows),
        num_train=len(train),
        num_validation=len(held),
        num_excluded=len(rows) - len(train) - len(held),
        num_tokens=sum(len(line) for _, line in train),
        max_length=request.max_length,
    )
    (out / "report.json").write_bytes(msgspec.json.encode(report))
    return 0


def write(folder: Path, rows: list[tuple[int, bytes]]) -> None:
    folder.mkdir()
    with TokenStoreWriter(folder) as writer:
        for number, line in rows:
            writer.add(list(line), [1] * len(line), row_sha256=hashlib.sha256(line).digest(), line=number)


if __name__ == "__main__":
    sys.exit(main())
