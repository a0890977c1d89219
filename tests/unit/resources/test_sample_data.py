"""The demo's sample data stays what its README says: enough rows, all distinct, the held-out answers unseen."""

import json
import re
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[3] / "resources" / "sample"
FORM = re.compile(r"Here's the trick: (\S.*\.) Here's why: (\S.*\.) Here's a tip: (\S.*\.)")


def rows(name: str) -> list[tuple[str, str]]:
    """Question and answer of every line, which must be one user turn and one assistant turn."""
    pairs = []
    for line in (SAMPLE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert list(row) == ["messages"]
        user, assistant = row["messages"]
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        pairs.append((user["content"], assistant["content"]))
    return pairs


def folded(texts: list[str]) -> list[str]:
    """The texts with case, signs and spacing taken away, so that a disguised copy is still a copy."""
    return [" ".join(re.findall(r"[a-z0-9]+", text.lower())) for text in texts]


def parts_of(answers: list[str]) -> list[str]:
    """The three sentences that carry the meaning of each answer, without the form that all answers share."""
    found = [FORM.fullmatch(answer) for answer in answers]
    return folded([part for match in found if match for part in match.groups()])


def test_sample_data_has_enough_rows() -> None:
    assert len(rows("training")) >= 240
    assert len(rows("held_out")) == 24


def test_sample_data_keeps_its_form_in_every_answer() -> None:
    odd = [answer for name in ("training", "held_out") for _, answer in rows(name) if not FORM.fullmatch(answer)]
    assert odd == []


def test_sample_data_repeats_no_question_and_no_answer() -> None:
    everything = rows("training") + rows("held_out")
    for column in zip(*everything, strict=True):
        texts = folded(list(column))
        assert len(set(texts)) == len(texts)


def test_held_out_rows_share_no_part_of_an_answer_with_training_rows() -> None:
    trained = set(parts_of([answer for _, answer in rows("training")]))
    held_out = parts_of([answer for _, answer in rows("held_out")])
    assert len(held_out) == 3 * 24
    assert [part for part in held_out if part in trained] == []
