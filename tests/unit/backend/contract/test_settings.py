"""Settings: every one declared whole, every bound held, every refusal a sentence."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from backend.contract.errors import BadInputError
from backend.contract.settings import (
    CPU_PRESET,
    Config,
    ServiceSettings,
    SettingView,
    TrainingSettings,
    describe,
    parse_config,
    with_value,
)

VIEWS = {view.key: view for view in describe(Config())}
STRUCTS = {"training": TrainingSettings, "service": ServiceSettings}


def bounds(key: str) -> dict[str, Any]:
    room, name = key.split(".")
    schema = msgspec.json.schema(STRUCTS[room])["$defs"][STRUCTS[room].__name__]["properties"][name]
    words = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    return {word: schema[word] for word in words & schema.keys()}


NUMBERS = [key for key, view in VIEWS.items() if view.type in ("int", "float")]


def test_defaults_are_the_users() -> None:
    training = TrainingSettings()
    assert training.examples_per_step == 8
    assert {name: getattr(training, name) for name in msgspec.structs.asdict(training)} == {
        "quantization": "nf4",
        "dtype": "auto",
        "lora_r": 128,
        "lora_alpha": 128,
        "lora_dropout": 0.02,
        "target_modules": "all-linear",
        "learning_rate": 2e-4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.03,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "max_length": 3072,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "seed": 42,
        "eval_steps": 500,
        "save_steps": 100,
        "save_minutes": 5.0,
        "sample_steps": 200,
        "num_samples": 4,
        "sample_max_new_tokens": 64,
        "gradient_checkpointing": False,
        "token_budget": 0,
    }


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_setting_is_declared_with_title_help_type_and_default(view: SettingView) -> None:
    assert view.title[0].isupper()
    assert view.help.endswith(".")
    assert view.type in ("int", "float", "str", "bool")
    assert view.value == view.default
    assert not view.choices or view.default in view.choices


@pytest.mark.parametrize("key", NUMBERS)
def test_number_has_two_bounds_and_its_default_lies_between(key: str) -> None:
    limits = bounds(key)
    assert len(limits) == 2
    assert limits.get("minimum", -math.inf) <= VIEWS[key].default <= limits.get("maximum", math.inf)
    assert limits.get("exclusiveMinimum", -math.inf) < VIEWS[key].default < limits.get("exclusiveMaximum", math.inf)


@pytest.mark.parametrize("key", NUMBERS)
def test_number_is_refused_just_outside_its_bounds_and_taken_at_them(key: str) -> None:
    step = 1 if VIEWS[key].type == "int" else 1e-9
    for word, limit in bounds(key).items():
        outside = (
            limit if word.startswith("exclusive") else limit - step if word == "minimum" else limit * (1 + 1e-9) + step
        )
        outside = math.ceil(outside) if VIEWS[key].type == "int" else outside
        with pytest.raises(BadInputError) as caught:
            with_value(Config(), key, str(outside))
        assert key in caught.value.message
        assert VIEWS[key].title in caught.value.hint
        if not word.startswith("exclusive"):
            changed = {view.key: view.value for view in describe(with_value(Config(), key, str(limit)))}
            assert changed[key] == limit


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "", "many", "1,5", "0x10", "[1]"])
def test_number_is_refused_when_it_is_none(text: str) -> None:
    for key in ("training.learning_rate", "training.lora_r"):
        with pytest.raises(BadInputError):
            with_value(Config(), key, text)


def test_choice_is_refused_naming_the_choices() -> None:
    with pytest.raises(BadInputError, match="cosine, linear"):
        with_value(Config(), "lr_scheduler_type", "sawtooth")


def test_with_value_takes_full_and_bare_names_text_and_values() -> None:
    for key, value in (("training.lora_r", "16"), ("lora_r", "16"), ("lora_r", 16)):
        assert with_value(Config(), key, value).training.lora_r == 16
    assert with_value(Config(), "gradient_checkpointing", "true").training.gradient_checkpointing is True
    assert with_value(Config(), "service.auto_start", "false").service.auto_start is False


def test_with_value_changes_one_setting_and_no_other() -> None:
    before = Config()
    after = with_value(before, "learning_rate", "1e-3")
    assert before == Config()
    differing = [one.key for one, two in zip(describe(before), describe(after), strict=True) if one.value != two.value]
    assert differing == ["training.learning_rate"]


def test_with_value_refuses_an_unknown_name() -> None:
    with pytest.raises(BadInputError, match="no setting called 'lernrate'"):
        with_value(Config(), "lernrate", "1")


def test_bare_names_are_unambiguous() -> None:
    bare = [key.split(".")[1] for key in VIEWS]
    assert len(set(bare)) == len(bare)


def test_locked_settings_are_those_that_shape_the_adapter() -> None:
    assert {key for key, view in VIEWS.items() if view.locked} == {
        f"training.{name}" for name in ("quantization", "dtype", "lora_r", "lora_alpha", "target_modules")
    }


def test_cpu_preset_is_valid() -> None:
    config = Config()
    for name, value in CPU_PRESET.items():
        config = with_value(config, f"training.{name}", value)
    assert config.training.quantization == "none"


def test_config_survives_the_file() -> None:
    config = with_value(with_value(Config(), "lora_r", 8), "poll_interval", 5)
    assert parse_config(msgspec.json.encode(config)) == config
    assert parse_config(b"{}") == Config()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "truncated"),
        (b"[]", "object"),
        (b'{"training": {"lora_rank": 8}}', "lora_rank"),
        (b'{"training": {"lora_r": 0}}', "lora_r"),
        (b'{"training": {"lora_r": "8"}}', "lora_r"),
        (b'{"training": {"learning_rate": NaN}}', "malformed"),
        (b'{"training": {"dtype": "float16"}}', "training.dtype"),
        (b'{"other": 1}', "other"),
    ],
)
def test_broken_config_is_refused_naming_the_field(data: bytes, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        parse_config(data)
    assert "config.json" in caught.value.message
    assert caught.value.hint
