"""`python -P -m backend.checker REQUEST.json`: check one file, write the report, end.

Ends 0 when `report.json` was written, whatever it says; anything else is a fault of this program or of the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from backend.checker.check import check
from backend.checker.limits import limit_process
from backend.contract.datasets import CheckRequest
from backend.store.durable import commit_file, replace_status


def main(arguments: list[str]) -> int:
    """Check the file that the request names."""
    request = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=CheckRequest)
    source = Path(request.source)
    limit_process(
        max_memory_bytes=request.max_memory_bytes,
        max_cpu_seconds=request.max_cpu_seconds,
        source_bytes=source.stat().st_size if source.exists() else 0,
    )
    out_folder = Path(request.out_folder)

    def on_progress(done_bytes: int, total_bytes: int, num_rows: int) -> None:
        body = {"done_bytes": done_bytes, "total_bytes": total_bytes, "rows": num_rows}
        replace_status(out_folder / "progress.json", msgspec.json.encode(body))

    report = check(request, on_progress)
    commit_file(out_folder / "report.json", msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
