"""Every state can be read by a person."""

from __future__ import annotations

from gui.client.connection_state import ConnectionState


def test_every_state_has_a_sentence_of_its_own() -> None:
    sentences = [state.sentence for state in ConnectionState]
    assert all(sentence.endswith(".") and len(sentence) < 90 for sentence in sentences)
    assert len(set(sentences)) == len(sentences)
