"""The service's sentences in the window: no command of the prompt is left in them."""

from __future__ import annotations

import pytest

from gui.prompt_words import for_window


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("no base model yet: `base set`", "no base model yet: choose a base model"),
        ("No base model yet: `base set` chooses one.", "No base model yet: choose one."),
        ("Paused; `resume` goes on.", "Paused; Resume goes on."),
        ("skipped after 3 steps; `queue retry 4` goes on there", "skipped after 3 steps; Retry goes on there"),
        ("`config set max_length 7616`, then retry.", "Set max_length to 7616 in the settings, then retry."),
        ("Too long. `config set max_length 9` helps.", "Too long. Set max_length to 9 in the settings helps."),
        ("Let it finish, `skip` it or `stop --now` first.", "Let it finish, Skip it or Stop now first."),
        ("Nothing to do: `add` a file.", "Nothing to do: add a file."),
        ("`base set` first: rows need it.", "Choose a base model first: rows need it."),
        ("See `logs`.", "See the log."),
        ("The field `history` is not a list.", "The field “history” is not a list."),
        ("Use `iconv -f latin-1 OLD`.", "Use “iconv -f latin-1 OLD”."),
        ("One ` alone stays.", "One ` alone stays."),
        ("Nothing of the kind.", "Nothing of the kind."),
    ],
)
def test_sentence_has_the_words_of_the_window_when_the_service_names_commands(sentence: str, told: str) -> None:
    assert for_window(sentence) == told
