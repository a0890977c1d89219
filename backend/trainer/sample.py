"""Fixed prompts answered greedily, to see what was learned. Draws nothing at random."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, DynamicCache

from backend.contract.errors import ModelError
from backend.contract.spool import Assignment, Sample
from backend.formats.tokenizer_files import PLAIN_CHAT_TEMPLATE
from backend.trainer.evaluate import evaluating
from backend.trainer.model import Network

_TEXT_PROMPT_CHARACTERS = 200
_END_TOKENS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")


def load_tokenizer(folder: str) -> Any:
    """The base model's tokenizer. Raises ModelError."""
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as problem:
        raise ModelError(f"The tokenizer in {folder} cannot be read: {problem}") from problem


def prompts_of(assignment: Assignment) -> list[list[dict[str, str]]]:
    """Conversations to answer: those of the assignment, else the first of the validation set."""
    if assignment.sample_prompts:
        return [[{"role": "user", "content": prompt}] for prompt in assignment.sample_prompts]
    if not assignment.validation_folder:
        return []
    folder = Path(assignment.validation_folder)
    path = next((path for path in (folder / "rows.jsonl", folder.parent / "rows.jsonl") if path.is_file()), None)
    if path is None:
        return []
    prompts: list[list[dict[str, str]]] = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if len(prompts) == assignment.settings.num_samples:
                break
            prompt = _prompt_of(json.loads(line))
            if prompt:
                prompts.append(prompt)
    return prompts


def _prompt_of(row: dict[str, Any]) -> list[dict[str, str]]:
    """What comes before the first answer of a canonical row; the beginning of a text row."""
    if "messages" not in row:
        return [{"role": "text", "content": str(row.get("text", ""))[:_TEXT_PROMPT_CHARACTERS]}]
    prompt: list[dict[str, str]] = []
    for message in row["messages"]:
        if message["role"] == "assistant":
            return prompt
        prompt.append({"role": message["role"], "content": message["content"]})
    return []


def answer_all(
    network: Network,
    tokenizer: Any,
    prompts: Sequence[list[dict[str, str]]],
    *,
    max_new_tokens: int,
    check: Callable[[], None],
) -> list[Sample]:
    """Answer every prompt; `check` is called before every token."""
    samples = []
    with evaluating(network):
        for prompt in prompts:
            tokens = _encode(tokenizer, prompt)
            answer = _continue(network, tokens, _stop_tokens(network, tokenizer), max_new_tokens, check)
            text = tokenizer.decode(answer, skip_special_tokens=True)
            raw = tokenizer.decode(answer, skip_special_tokens=False)
            samples.append(Sample(prompt=prompt[-1]["content"], text=text.strip(), has_think_tag="<think>" in raw))
    return samples


def _encode(tokenizer: Any, prompt: list[dict[str, str]]) -> list[int]:
    if prompt[0]["role"] == "text":
        return list(tokenizer(prompt[0]["content"])["input_ids"])
    template = tokenizer.chat_template or PLAIN_CHAT_TEMPLATE  # what the rows were written with
    text = tokenizer.apply_chat_template(prompt, chat_template=template, add_generation_prompt=True, tokenize=False)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _stop_tokens(network: Network, tokenizer: Any) -> set[int]:
    stops = {tokenizer.eos_token_id}
    declared = getattr(network.model.generation_config, "eos_token_id", None)
    stops.update(declared if isinstance(declared, list) else [declared])
    known = tokenizer.get_vocab()
    stops.update(known[token] for token in _END_TOKENS if token in known)
    return stops - {None}


def _continue(
    network: Network, tokens: list[int], stop_tokens: set[int], max_new_tokens: int, check: Callable[[], None]
) -> list[int]:
    cache = DynamicCache(config=network.model.config)
    new_tokens: list[int] = []
    fed = tokens
    while len(new_tokens) < max_new_tokens:
        check()
        inputs = torch.tensor([fed], device=network.device)
        logits = network.model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1).logits
        token = int(logits[0, -1].argmax())
        if token in stop_tokens:
            break
        new_tokens.append(token)
        fed = [token]
    return new_tokens


def think_tag_percent(samples: Sequence[Sample]) -> float | None:
    """Share of the samples that contain `<think>`, 0..100; None without samples."""
    if not samples:
        return None
    return 100.0 * sum(sample.has_think_tag for sample in samples) / len(samples)
