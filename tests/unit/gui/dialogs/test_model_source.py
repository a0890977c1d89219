"""Hub ids, typed, pasted or mistaken."""

from __future__ import annotations

import pytest

from gui.dialogs.model_source import hub_id


@pytest.mark.parametrize(
    "text",
    [
        "Qwen/Qwen3-0.6B", "  Qwen/Qwen3-0.6B ", "https://huggingface.co/Qwen/Qwen3-0.6B",
        "huggingface.co/Qwen/Qwen3-0.6B/", "https://hf.co/Qwen/Qwen3-0.6B?library=x#top",
        "https://huggingface.co/Qwen/Qwen3-0.6B/tree/main",
    ],
)  # fmt: skip
def test_hub_id_is_found_in_what_people_paste(text: str) -> None:
    assert hub_id(text) == "Qwen/Qwen3-0.6B"


@pytest.mark.parametrize(
    "text",
    [
        "", "Qwen", "a/b/c", "/data/me/model", "../../etc", "a b/c", "https://example.invalid/a/b", "a/..", "-a/b",
        "a/b--c", "x" * 200 + "/y", "https://huggingface.co/datasets/a/b", "file:///a/b", "sample", "a\u202e/b", "ä/b",
    ],
)  # fmt: skip
def test_hub_id_is_empty_when_the_text_is_none(text: str) -> None:
    assert hub_id(text) == ""
