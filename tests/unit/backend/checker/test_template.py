"""Chat templates: limits against hostile ones, and the conventions of transformers."""

from __future__ import annotations

import re
import signal
import time

import pytest

from backend.checker import template as template_module
from backend.checker.problems import RowError
from backend.checker.template import ChatTemplate, TemplateLimitError
from backend.contract.errors import ModelError

MESSAGES = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def render(source: str, **more: object) -> str:
    return ChatTemplate(source, {"eos_token": "</s>"}).render(MESSAGES, **more)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10**9 }}",
        "{{ 10**9 * 'x' }}",
        "{{ [0] * 10**9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% set a = namespace(x='abcdefgh') %}{% for i in range(60) %}{% set a.x = a.x + a.x %}{{ a.x }}{% endfor %}",
        "{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
    ],
)
def test_render_stops_a_bomb(source: str) -> None:
    with pytest.raises(TemplateLimitError):
        render(source)


def test_render_stops_an_endless_loop_in_time_and_stops_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module, "MAX_SECONDS", 0.2)
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    begun = time.monotonic()
    with pytest.raises(TemplateLimitError, match="too long"):
        render(loop)
    assert time.monotonic() - begun < 5
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ namespace(_a=1) }}",
        "{% set ns = namespace(a=1) %}{% set ns._b = 1 %}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ (messages | map(attribute='__class__') | list)[0].mro() }}",
        "{{ raise_exception('no system turn please') }}",
        "{{ messages[7].content + 'x' }}",
        "{{ messages[0] + 1 }}",
        "{{ undefined_function() }}",
        "{{ 1 / 0 }}",
    ],
)
def test_render_turns_a_refusal_into_a_problem_of_the_row(source: str) -> None:
    with pytest.raises(RowError) as caught:
        render(source)
    assert caught.value.kind == "template"


def test_render_says_what_the_template_said() -> None:
    with pytest.raises(RowError, match=re.escape("no system turn please.")):
        render("{{ raise_exception('no system turn please') }}")


@pytest.mark.parametrize(
    "source", ["{% if %}", "{{ x", "{% unknown %}", "{% include 'a' %}{% extends %}", "x" * 2_000_000]
)
def test_chat_template_refuses_what_does_not_compile(source: str) -> None:
    with pytest.raises(ModelError):
        ChatTemplate(source, {})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for m in messages %}\n  {% if true %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}", "a\nb\n"),
        ("{% for m in messages %}{% if loop.index0 == 1 %}{% break %}{% endif %}{{ m.role }}{% endfor %}", "user"),
        ("{% generation %}{{ messages[1].content }}{% endgeneration %}", "b"),
        ("{{ {'a': '<é>', 'b': [1]} | tojson }}", '{"a": "<é>", "b": [1]}'),
        ("{{ {'a': 1} | tojson(indent=1) }}", '{\n "a": 1\n}'),
        ("{{ dict(a=1) }}{{ dict.fromkeys(['x']) }}", "{'a': 1}{'x': None}"),
        ("{{ eos_token }}{{ bos_token }}", "</s>"),
        ("{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}", "TrueTrueFalse"),
        ("{{ strftime_now('%Y') | length }}", "4"),
        ("{{ '=' * 20 }}", "=" * 20),
        ("{{ 7 * 6 }}{{ 2 ** 10 }}{{ '%s-%03d' % ('a', 7) }}", "421024a-007"),
    ],
)
def test_render_follows_the_conventions(source: str, text: str) -> None:
    assert render(source) == text


def test_render_gives_reasoning_under_both_names() -> None:
    template = ChatTemplate("{{ messages[0].thinking }}{{ messages[0].reasoning_content }}", {})
    assert template.render([{"role": "assistant", "content": "", "reasoning_content": "hm"}]) == "hmhm"
