"""The limits a checker puts on itself before it looks at anything from outside."""

from __future__ import annotations

import os
import resource

_MAX_OPEN_FILES = 256
_STORE_BYTES_PER_SOURCE_BYTE = 64
_LEAST_FILE_BYTES = 2**30
_NICENESS = 10


def limit_process(*, max_memory_bytes: int, max_cpu_seconds: int, source_bytes: int) -> None:
    """Cap memory, processor time, open files and the size of written files; step behind training."""
    _cap(resource.RLIMIT_AS, max_memory_bytes)
    _cap(resource.RLIMIT_CPU, max_cpu_seconds)
    _cap(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _cap(resource.RLIMIT_FSIZE, _LEAST_FILE_BYTES + _STORE_BYTES_PER_SOURCE_BYTE * source_bytes)
    _cap(resource.RLIMIT_CORE, 0)
    os.nice(_NICENESS)


def _cap(which: int, wanted: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(which, (value, value))
