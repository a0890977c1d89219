"""A small real tokenizer with chat templates in the styles people bring, and a way to check a file with it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from backend.checker.check import check
from backend.contract.datasets import CheckReport, CheckRequest, ValidationPlan

CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
{{ '<|im_start|>system
Be kind.<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

WITH_TOOLS = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- '# Tools\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last_question=-1) %}
{%- for message in messages[::-1] %}
    {%- set place = (messages | length - 1) - loop.index0 %}
    {%- if message.role == 'user' and ns.last_question < 0 %}
        {%- set ns.last_question = place %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if message.reasoning_content is string and loop.index0 > ns.last_question %}
            {{- '<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- message.content }}
        {%- for call in message.tool_calls or [] %}
            {{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""

HEADERS = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = '' %}
{%- endif %}
{{- '<|head|>system<|/head|>\\n\\nToday: ' + strftime_now('%Y') + '\\n' + system_message + '<|eot|>' }}
{%- for message in messages %}
    {{- '<|head|>' + message['role'] + '<|/head|>\\n\\n' + message['content'] | trim + '<|eot|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\\n\\n' }}
{%- endif %}
"""

ALTERNATING = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}\
{{ raise_exception('System role not supported') }}{% endif %}\
{% for message in messages %}\
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}\
{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}\
{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"""

TEMPLATES = {"chatml": CHATML, "with_tools": WITH_TOOLS, "headers": HEADERS, "alternating": ALTERNATING}
SPECIAL = ["<|end|>", "<|im_start|>", "<|im_end|>", "<|head|>", "<|/head|>", "<|eot|>"]
CORPUS = [
    "The quick brown fox jumps over the lazy dog. What is the answer to the question?",
    'user assistant system\nBe kind. {"name": "look_up", "arguments": {"place": "Berlin"}}',
    "One two three four five six seven eight nine ten is are was the and of to in that it",
] * 20


@pytest.fixture(scope="session")
def tokenizer_json() -> str:
    """A byte-level BPE of some 600 tokens, trained here."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer.to_str()


@pytest.fixture
def make_model(tokenizer_json: str, tmp_path: Path) -> Callable[..., Path]:
    """Write a model folder's small files; `template` is a name of TEMPLATES, a template, or None."""

    def make(template: str | None = "chatml", *, vocab_size: int = 600, **config: object) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text(tokenizer_json)
        ends = {"chatml": "<|im_end|>", "with_tools": "<|im_end|>", "headers": "<|eot|>"}.get(str(template), "<|end|>")
        body = {"tokenizer_class": "TokenizersBackend", "bos_token": "<|end|>", "eos_token": ends, **config}
        (folder / "tokenizer_config.json").write_text(json.dumps(body))
        (folder / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": vocab_size}))
        if template is not None:
            (folder / "chat_template.jinja").write_text(TEMPLATES.get(template, template))
        return folder

    return make


@pytest.fixture
def checked(make_model: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[CheckReport, Path]]:
    """Check content as a file; gives the report and the folder with the stores."""
    count = 0

    def run(
        content: bytes | str | list[object],
        name: str = "data.jsonl",
        *,
        max_length: int = 256,
        model: Path | None = None,
        **plan: object,
    ) -> tuple[CheckReport, Path]:
        nonlocal count
        count += 1
        if isinstance(content, list):
            content = b"".join(msgspec.json.encode(row) + b"\n" for row in content)
        source = tmp_path / f"source-{count}"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        out = tmp_path / f"out-{count}"
        out.mkdir()
        request = CheckRequest(
            source=str(source),
            file_name=name,
            out_folder=str(out),
            tokenizer_folder=str(model or make_model()),
            max_length=max_length,
            validation=msgspec.convert(plan, ValidationPlan),
        )
        return check(request, lambda done, total, rows: None), out

    return run


@pytest.fixture(autouse=True)
def alarm_as_before() -> Iterator[None]:
    """The checker takes the alarm of its process; here it is the tests' process."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)
