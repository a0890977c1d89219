"""`python -P -m backend.fetcher REQUEST.json`: fetch one base model or the demo's, write `fetched.json`, end 0.

What goes wrong ends 1 with `error.json`. What was downloaded by then stays, and a next try with the same folder
goes on from there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

# The client reads these when it is imported: no telemetry, plain HTTP that can be resumed, no bars on a terminal.
os.environ.pop("HF_HUB_OFFLINE", None)
os.environ.update(
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_UPDATE_CHECK="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HUB_DISABLE_XET="1",
)

from backend.contract.errors import EverstepError
from backend.contract.models import FetchRequest, SampleRequest
from backend.fetcher.fetch import fetch
from backend.fetcher.sample_model import fetch_sample
from backend.store.durable import commit_file, remove_file, replace_status


def main(arguments: list[str]) -> int:
    """Fetch what the request names."""
    request = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=FetchRequest | SampleRequest)
    folder = Path(request.out_folder)
    remove_file(folder / "error.json")

    def on_progress(done_bytes: int, total_bytes: int, file: str) -> None:
        body = {"done_bytes": done_bytes, "total_bytes": total_bytes, "file": file}
        replace_status(folder / "progress.json", msgspec.json.encode(body))

    try:
        if isinstance(request, SampleRequest):
            fetched = fetch_sample(request, on_progress)
        else:
            fetched = fetch(request, on_progress)
    except EverstepError as problem:
        commit_file(folder / "error.json", msgspec.json.encode(problem.body()))
        return 1
    commit_file(folder / "fetched.json", msgspec.json.encode(fetched))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
