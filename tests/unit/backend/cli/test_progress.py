"""Progress in a pipe is a line now and then."""

from __future__ import annotations

import time

import pytest

from backend.cli.progress import Stages


def test_stages_speak_once_while_there_is_nothing_new(capsys: pytest.CaptureFixture[str]) -> None:
    with Stages() as stages:
        for _ in range(5):
            stages.show("Saving", None)
        stages.show("Training", 0.25, "step 1 of 4")
    assert capsys.readouterr().err == "Saving\nTraining  25 %  step 1 of 4\n"


def test_stage_speaks_again_after_a_while_when_there_is_news(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Stages() as stages:
        for share in (0.1, 0.2, 0.2, 0.2):
            stages.show("Training", share)
            now += 11.0
    assert capsys.readouterr().err == "Training  10 %\nTraining  20 %\n"
