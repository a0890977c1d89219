"""Prompts answered: where they come from, how an answer ends, and that nothing else notices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from backend.contract.errors import ModelError
from backend.contract.spool import Sample
from backend.trainer.failures import LeaveJob
from backend.trainer.sample import answer_all, load_tokenizer, prompts_of, think_tag_percent
from tests.unit.backend.trainer.conftest import Rig, network, settings

PROMPT = [{"role": "user", "content": "How many apples?"}]


def _pass() -> None:
    """A gate that is open."""


def _row(*messages: tuple[str, str]) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in messages]})


def test_prompts_of_an_assignment_that_names_some(rig: Rig) -> None:
    assignment = rig.assignment(sample_prompts=["One?", "Two?"])
    assert [prompt[-1]["content"] for prompt in prompts_of(assignment)] == ["One?", "Two?"]


@pytest.mark.parametrize("beside", [False, True])
def test_prompts_of_the_validation_set_end_before_the_first_answer(rig: Rig, beside: bool) -> None:
    tokens = rig.root / "validation" / "tokens"
    tokens.mkdir(parents=True)
    lines = [
        _row(("system", "Be short."), ("user", "A?"), ("assistant", "B"), ("user", "C?"), ("assistant", "D")),
        json.dumps({"text": "Once upon a time"}),
        _row(("user", "No answer here")),
        _row(("user", "E?"), ("assistant", "F")),
    ]
    (tokens.parent if beside else tokens).joinpath("rows.jsonl").write_text("\n".join(lines))
    prompts = prompts_of(rig.assignment(settings=settings(num_samples=3), validation_folder=str(tokens)))
    assert [[message["content"] for message in prompt] for prompt in prompts] == [
        ["Be short.", "A?"],
        ["Once upon a time"],
        ["E?"],
    ]


def test_prompts_of_nothing_are_none(rig: Rig) -> None:
    assert prompts_of(rig.assignment()) == []
    assert prompts_of(rig.assignment(validation_folder=str(rig.root / "gone"))) == []


def test_answer_is_greedy_and_the_same_with_and_without_cache(tiny: Path) -> None:
    net = network(tiny)
    tokenizer = load_tokenizer(str(tiny))
    (sample,) = answer_all(net, tokenizer, [PROMPT], max_new_tokens=5, check=_pass)
    tokens = tokenizer.apply_chat_template(PROMPT, add_generation_prompt=True, tokenize=True, return_dict=False)
    net.model.eval()
    answer: list[int] = []
    with torch.no_grad():
        while len(answer) < 5:
            token = int(net.model(input_ids=torch.tensor([tokens + answer])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            answer.append(token)
    assert sample.text == tokenizer.decode(answer, skip_special_tokens=True).strip()


def test_answer_leaves_mode_and_random_stream_as_they_were(tiny: Path) -> None:
    net = network(tiny)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    answer_all(net, load_tokenizer(str(tiny)), [PROMPT], max_new_tokens=2, check=_pass)
    assert net.model.training
    assert torch.equal(torch.random.get_rng_state(), before)


def test_answer_can_be_left_before_every_token(tiny: Path) -> None:
    net = network(tiny)
    looks = 0

    def leave_at_the_second() -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise LeaveJob("stop")

    prompts = [PROMPT, PROMPT]
    with pytest.raises(LeaveJob):
        answer_all(net, load_tokenizer(str(tiny)), prompts, max_new_tokens=8, check=leave_at_the_second)
    assert looks == 2
    assert net.model.training


def test_load_tokenizer_refuses_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tokenizer"):
        load_tokenizer(str(tmp_path))


def test_think_tag_percent_counts_the_samples_that_contain_it() -> None:
    samples = [Sample(prompt="", text="", has_think_tag=tag) for tag in (True, False, False, False)]
    assert think_tag_percent(samples) == 25.0
    assert think_tag_percent([]) is None
