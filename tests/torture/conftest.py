"""What the kill tests share: nothing but a folder that goes away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A scratch folder of this file's own, with a short path."""
    with tempfile.TemporaryDirectory(prefix="everstep-torture-") as scratch:
        yield Path(scratch)
