"""What the tests at the prompt share: a tiny model, made once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.proof import make_model


@pytest.fixture(scope="session")
def tiny_model() -> Iterator[Path]:
    """Folder of a model that takes a step in some ten milliseconds."""
    with tempfile.TemporaryDirectory(prefix="everstep-model-") as scratch:
        yield make_model(Path(scratch) / "tiny")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A scratch folder of one test file, with a short path."""
    with tempfile.TemporaryDirectory(prefix="everstep-e2e-") as scratch:
        yield Path(scratch)
