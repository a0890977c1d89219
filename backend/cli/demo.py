"""The demo (being written)."""

from __future__ import annotations


def command() -> int:
    """Train a small real model on sample data and compare before and after."""
    return 1
