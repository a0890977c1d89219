"""What the tests of this room need: Qt without a screen, before pytest-qt makes its application."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
