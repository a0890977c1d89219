"""Starting a trainer: own session, empty working folder, chosen environment, nothing inherited."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.machine import processes
from backend.machine.processes import ProcessIdentity
from backend.store import durable
from backend.supervisor.spool_reader import STDERR

CODE_ROOT = Path(__file__).resolve().parents[2]

_PASSED_ON = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY", "GOMP_SPINCOUNT",
)  # fmt: skip
_PASSED_ON_ONLINE = (
    "HF_HOME", "HF_ENDPOINT", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
_PASSED_ON_PREFIXES = ("CUDA_", "NVIDIA_", "EVERSTEP_")
_PASSED_ON_PREFIXES_ONLINE = (*_PASSED_ON_PREFIXES, "PIP_")
"""The demo's model comes from a package index, perhaps one of the user's own."""
# libgomp lets a thread that waits for its team spin for milliseconds. When another program uses a core, the waiting
# thread burns the very time the late one needs: beside one busy core of two, a step of SmolLM2-135M takes 7.0 s as
# libgomp comes and 4.3 s with this; on an idle machine 2.4 s either way. The arithmetic is the same, bit for bit.
_SHORT_SPIN = {"GOMP_SPINCOUNT": "1000"}


def child_environment(more: Mapping[str, str] | None = None, *, online: bool = False) -> dict[str, str]:
    """What a child may see of our environment. Tokens stay here; the network is for the fetcher alone."""
    names = (*_PASSED_ON, *_PASSED_ON_ONLINE) if online else _PASSED_ON
    prefixes = _PASSED_ON_PREFIXES_ONLINE if online else _PASSED_ON_PREFIXES
    environment = {name: value for name, value in os.environ.items() if name in names or name.startswith(prefixes)}
    if "OMP_WAIT_POLICY" not in environment:
        environment = _SHORT_SPIN | environment
    environment |= {
        "PYTHONPATH": str(CODE_ROOT),
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if not online:
        environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    environment |= more or {}
    return {name: value for name, value in environment.items() if value}


def make_spool(spool: Path) -> None:
    """The attempt's folder with an empty working folder in it."""
    durable.make_folder(spool)
    durable.make_folder(spool / "cwd")


def launch(command: Sequence[str], spool: Path, workspace: Path) -> subprocess.Popen[bytes]:
    """Start a trainer on its spool. It gets no pipe of ours, so our end is nothing to it."""
    with open(spool / STDERR, "ab") as stderr:
        return subprocess.Popen(
            [*command, "--spool", str(spool), "--workspace", str(workspace)],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            cwd=spool / "cwd",
            env=child_environment(),
            start_new_session=True,
        )


def identity_of(child: subprocess.Popen[bytes]) -> ProcessIdentity:
    """Identity of a child just started; our own child keeps its pid until we reap it."""
    found = processes.identify(child.pid)
    return found or ProcessIdentity(child.pid, 0.0, processes.boot_id())
