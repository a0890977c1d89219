"""What is learned, token by token, compared with what transformers renders and tokenises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from backend.checker.dialect import dialect_of
from backend.checker.masking import Rendered, Renderer
from backend.checker.problems import RowError
from backend.checker.rows import Row
from backend.checker.template import ChatTemplate
from backend.checker.tokens import Encoded, ModelTokenizer
from backend.contract.errors import ModelError

CALL = {"id": "call00001", "type": "function", "function": {"name": "look_up", "arguments": {"place": "Berlin"}}}
TOOLS = [{"type": "function", "function": {"name": "look_up", "description": "Räume & more", "parameters": {}}}]


def turns(*contents: str, system: str = "") -> list[dict[str, Any]]:
    roles = ("user", "assistant") * len(contents)
    spoken = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    return [{"role": "system", "content": system}, *spoken] if system else spoken


ROWS: dict[str, Row] = {
    "one exchange": {"messages": turns("What is it?", "The quick brown fox.")},
    "two exchanges": {"messages": turns("a", "one two", "b", "three")},
    "system": {"messages": turns("a", "b", system="Be brief.")},
    "odd white space": {"messages": turns("  a\n\n", "\n\n  b  \n", " ", "\tc")},
    "unicode": {"messages": turns("Größe 日本 😀", "é\u2028é <|im_end|> 👩‍👩‍👧")},
    "long": {"messages": turns("the lazy dog " * 200, "jumps over " * 300)},
}


class Checked:
    """Our side and transformers' side of one model folder."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = ModelTokenizer(folder)
        template, _, own = self.tokenizer.chat_template()
        self.dialect = dialect_of(template)
        self.renderer = Renderer(template, self.dialect, own_template=own)
        self.theirs = PreTrainedTokenizerFast.from_pretrained(folder)

    def encode(self, row: Row) -> tuple[Rendered, Encoded]:
        rendered = self.renderer.render(row)
        return rendered, self.tokenizer.encode([rendered])[0]

    def text(self, messages: list[dict[str, Any]], **more: Any) -> str:
        return str(self.theirs.apply_chat_template(messages, tokenize=False, **more))

    def ids(self, text: str) -> list[int]:
        return list(self.theirs(text, add_special_tokens=False)["input_ids"])

    def learned(self, row: Row) -> str:
        """What is learned, decoded again."""
        _, encoded = self.encode(row)
        return str(self.theirs.decode(encoded.ids[encoded.supervised]))


@pytest.fixture
def model(make_model: Callable[..., Path]) -> Callable[..., Checked]:
    return lambda *arguments, **more: Checked(make_model(*arguments, **more))


@pytest.mark.parametrize("template", ["chatml", "with_tools", "headers"])
@pytest.mark.parametrize("name", ROWS)
def test_text_and_ids_are_those_of_transformers(model: Callable[..., Checked], template: str, name: str) -> None:
    checked = model(template)
    row = ROWS[name]
    rendered, encoded = checked.encode(row)
    assert rendered.text == checked.text(row["messages"])
    assert encoded.ids.tolist() == checked.ids(rendered.text)


@pytest.mark.parametrize("template", ["chatml", "with_tools", "headers"])
@pytest.mark.parametrize("name", sorted(set(ROWS) - {"odd white space"}))
def test_marks_are_those_of_prompt_and_completion(model: Callable[..., Checked], template: str, name: str) -> None:
    """The prompt's ids begin the whole's; what follows up to the end of the turn is learned."""
    checked = model(template)
    messages = ROWS[name]["messages"]
    _, encoded = checked.encode(ROWS[name])
    expected = np.zeros(encoded.ids.size, dtype=bool)
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = checked.ids(checked.text(messages[:place], add_generation_prompt=True))
            whole = checked.ids(checked.text(messages[: place + 1]))
            assert whole[: len(prompt)] == prompt
            expected[len(prompt) : len(whole)] = True
    assert encoded.supervised.tolist() == expected.tolist()
    assert expected.any()


def test_learned_part_ends_with_the_end_of_the_turn(model: Callable[..., Checked]) -> None:
    assert model("chatml").learned(ROWS["two exchanges"]) == "one two<|im_end|>\nthree<|im_end|>\n"
    assert model("headers").learned(ROWS["two exchanges"]) == "one two<|eot|>three<|eot|>"


def test_token_across_the_border_belongs_to_the_prompt(model: Callable[..., Checked]) -> None:
    checked = model("{% for m in messages %}{{ m.content }}{% endfor %}", eos_token="<|end|>")
    row = {"messages": turns("the questi", "on is what")}
    _, encoded = checked.encode(row)
    pieces = checked.theirs.convert_ids_to_tokens(encoded.ids[encoded.supervised])
    assert encoded.ids.tolist() == checked.ids("the question is what")
    assert pieces[0].startswith("Ġ")


def test_context_turns_are_not_learned(model: Callable[..., Checked]) -> None:
    messages = turns("a", "first", "b", "second")
    messages[1]["weight"] = 0
    assert model("chatml").learned({"messages": messages}) == "second<|im_end|>\n"
    messages[3]["weight"] = 0
    with pytest.raises(RowError, match="nothing to learn"):
        model("chatml").renderer.render({"messages": messages})


def test_template_that_drops_earlier_reasoning_gets_only_its_last_answer_learned(model: Callable[..., Checked]) -> None:
    messages = turns("a", "first", "b", "second")
    messages[1]["reasoning_content"] = "hm"
    messages[3]["reasoning_content"] = "aha"
    checked = model("with_tools")
    rendered, _ = checked.encode({"messages": messages})
    assert rendered.only_last_turn
    assert rendered.text == checked.text(messages)
    assert checked.learned({"messages": messages}) == "<think>\naha\n</think>\n\nsecond<|im_end|>\n"


def test_template_that_hides_where_the_answer_begins_is_not_guessed(model: Callable[..., Checked]) -> None:
    checked = model("{% for m in messages | reverse %}{{ m.content }}{% endfor %}")
    with pytest.raises(RowError) as caught:
        checked.encode(ROWS["one exchange"])
    assert caught.value.kind == "template"


def test_tools_and_calls_are_rendered_by_a_template_that_knows_them(model: Callable[..., Checked]) -> None:
    messages = turns("a", "", "b", "done")
    messages[1]["tool_calls"] = [CALL]
    messages[2] = {"role": "tool", "name": "look_up", "tool_call_id": "call00001", "content": "7"}
    row = {"messages": messages, "tools": TOOLS}
    checked = model("with_tools")
    rendered, encoded = checked.encode(row)
    assert rendered.text == checked.text(messages, tools=TOOLS)
    assert encoded.ids.tolist() == checked.ids(rendered.text)
    assert '{"name": "look_up", "arguments": {"place": "Berlin"}}' in checked.learned(row)
    assert checked.renderer.notes() == []


def test_tools_calls_and_reasoning_are_written_out_for_a_template_that_knows_none(
    model: Callable[..., Checked],
) -> None:
    messages = turns("a", "", "b", "done", system="Be brief.")
    messages[2] |= {"tool_calls": [CALL], "reasoning_content": "\nhm\n"}
    messages[3] = {"role": "tool", "content": "7"}
    checked = model("chatml")
    rendered, _ = checked.encode({"messages": messages, "tools": TOOLS})
    assert "Be brief.\n\nYou may call" in rendered.text
    assert '"description": "Räume & more"' in rendered.text
    assert "<|im_start|>user\n<tool_response>\n7\n</tool_response><|im_end|>" in rendered.text
    assert checked.learned({"messages": messages, "tools": TOOLS}) == (
        '<think>\nhm\n</think>\n\n<tool_call>\n{"name": "look_up", "arguments": {"place": "Berlin"}}\n</tool_call>'
        "<|im_end|>\ndone<|im_end|>\n"
    )
    kinds = [kind for kind, _ in checked.renderer.notes()]
    assert kinds == ["rewritten_reasoning", "rewritten_tool_calls", "rewritten_tool_role", "rewritten_tools"]


def test_system_turn_opens_the_question_for_a_template_that_refuses_it(model: Callable[..., Checked]) -> None:
    checked = model("alternating")
    rendered, _ = checked.encode(ROWS["system"])
    assert rendered.text == "<|end|>[INST] Be brief.\n\na [/INST] b<|end|>"
    assert checked.learned(ROWS["system"]) == " b<|end|>"
    assert [kind for kind, _ in checked.renderer.notes()] == ["rewritten_system"]


def test_row_that_the_template_refuses_says_why(model: Callable[..., Checked]) -> None:
    checked = model("alternating")
    two_answers = {"messages": [*turns("a", "b"), {"role": "assistant", "content": "c"}]}
    with pytest.raises(RowError, match="must alternate"):
        checked.renderer.render(two_answers)


def test_model_without_template_gets_the_plain_one_and_the_report_says_so(model: Callable[..., Checked]) -> None:
    checked = model(None)
    rendered, _ = checked.encode(ROWS["system"])
    assert rendered.text == "Be brief.\n\nUser: a\nAssistant: b<|end|>\n"
    assert checked.learned(ROWS["system"]) == " b<|end|>\n"
    assert [kind for kind, _ in checked.renderer.notes()] == ["plain_template"]


def test_text_is_learned_whole_and_closed_by_the_end_token(model: Callable[..., Checked]) -> None:
    checked = model("chatml")
    _, encoded = checked.encode({"text": "The fox. 日本"})
    assert encoded.ids.tolist() == [*checked.theirs("The fox. 日本")["input_ids"], checked.theirs.eos_token_id]
    assert encoded.supervised.all()
    _, going_on = checked.encode({"text": "The fox. 日本", "end": False})
    assert going_on.ids.tolist() == encoded.ids.tolist()[:-1]


def test_completion_is_learned_after_its_prompt_and_closed_by_the_end_token(model: Callable[..., Checked]) -> None:
    checked = model("chatml")
    row = {"prompt": "The quick ", "completion": "brown fox"}
    _, encoded = checked.encode(row)
    assert encoded.ids.tolist() == [*checked.theirs("The quick brown fox")["input_ids"], checked.theirs.eos_token_id]
    assert checked.learned(row) == " brown fox<|im_end|>"  # the blank is one token with the word
    assert checked.learned({"prompt": "The quick", "completion": " brown fox"}) == " brown fox<|im_end|>"


# ---- special tokens and what a tokenizer may lack -----------------------------------------------------------


def test_opening_token_is_added_to_plain_text_once(make_model: Callable[..., Path]) -> None:
    folder = make_model("chatml")
    path = folder / "tokenizer.json"
    opening = (
        '{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, '
        '{"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, '
        '{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<|end|>": '
        '{"id": "<|end|>", "ids": [0], "tokens": ["<|end|>"]}}}'
    )
    old = '"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}'
    text = path.read_text().replace("\n", "").replace("  ", "").replace('": ', '":')
    assert old in text
    path.write_text(text.replace(old, f'"post_processor":{opening}'))
    checked = Checked(folder)
    _, encoded = checked.encode({"text": "The fox"})
    _, already = checked.encode({"text": "<|end|>The fox"})
    assert encoded.ids.tolist()[0] == 0
    assert encoded.ids.tolist() == already.ids.tolist()
    assert encoded.ids.tolist()[1:-1] == checked.ids("The fox")


def test_end_token_is_found_in_the_model_config_when_the_tokenizer_names_none(make_model: Callable[..., Path]) -> None:
    folder = make_model(None, eos_token=None)
    with pytest.raises(ModelError, match="end-of-text"):
        ModelTokenizer(folder).chat_template()
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 0]}')
    tokenizer = ModelTokenizer(folder)
    assert tokenizer.special_tokens["eos_token"] == "<|im_end|>"
    assert tokenizer.chat_template()[2] is False


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tokenizer.json", None, "no tokenizer.json"),
        ("tokenizer.json", "{}", "cannot be used"),
        ("tokenizer.json", "[1]", "not a JSON object"),
        ("tokenizer_config.json", "{", "cannot be read"),
    ],
)
def test_tokenizer_refuses_a_broken_folder(
    make_model: Callable[..., Path], name: str, content: str | None, words: str
) -> None:
    folder = make_model()
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ModelError, match=words) as caught:
        ModelTokenizer(folder)
    assert "save_pretrained" in caught.value.hint


def test_template_for_tools_is_taken_when_the_model_has_two(make_model: Callable[..., Path]) -> None:
    both = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools }}"}]
    tokenizer = ModelTokenizer(make_model(None, chat_template=both))
    template, with_tools, own = tokenizer.chat_template()
    assert own
    assert template.source == "plain"
    assert isinstance(with_tools, ChatTemplate)
    assert with_tools.source == "{{ tools }}"
