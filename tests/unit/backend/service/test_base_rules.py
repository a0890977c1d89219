"""Base models: what is let in, and each planted fault that is not."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from backend.contract.errors import ModelError
from backend.service import base_rules
from tests.fakes.fake_model import CONFIG, make_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def write_tensors(path: Path, header: Any, data: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_inspect_takes_what_is_needed_and_nothing_else(model: Path) -> None:
    (model / "README.md").write_text("x")
    (model / "modeling_evil.py").write_text("x")
    (model / "pytorch_model.bin").write_text("x")
    found = base_rules.inspect(model)
    assert found.files == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (found.model_type, found.num_parameters) == ("llama", 4)
    assert found.size_bytes == sum((model / name).stat().st_size for name in found.files)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"auto_map": {"AutoModel": "evil.py"}}, "auto_map"),
        ({"text_config": {"trust_remote_code": True}}, "trust_remote_code"),
        ({"_attn_implementation": "evil/kernel"}, "_attn_implementation"),
        ({"_attn_implementation_internal": "sdpa"}, "_attn_implementation_internal"),
        ({"layers": [{"experts_implementation": "a/b"}]}, "experts_implementation"),
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "BertForMaskedLM, not a causal"),
        ({"architectures": ["T5ForConditionalGeneration"]}, "not a causal"),
        ({"architectures": [], "model_type": "vit"}, "vit, not a causal"),
        ({"architectures": None, "model_type": None}, "of unknown kind, not a causal"),
        ({"is_encoder_decoder": True}, "not a causal"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised already"),
    ],
)
def test_inspect_refuses_configs_that_ask_for_too_much(model: Path, config: dict[str, Any], words: str) -> None:
    (model / "config.json").write_text(json.dumps({**CONFIG, **config}))
    with pytest.raises(ModelError, match=words):
        base_rules.inspect(model)


@pytest.mark.parametrize(
    "config", [{"_attn_implementation": "sdpa"}, {"architectures": ["GPT2LMHeadModel"]}, {"architectures": []}]
)
def test_inspect_lets_ordinary_configs_pass(model: Path, config: dict[str, Any]) -> None:
    (model / "config.json").write_text(json.dumps({**CONFIG, **config}))
    base_rules.inspect(model)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "[" * 100_000, '"text"'])
def test_inspect_refuses_a_config_that_is_no_object(model: Path, text: str) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json"):
        base_rules.inspect(model)


@pytest.mark.parametrize(
    ("missing", "words"),
    [("config.json", "no config.json"), ("tokenizer.json", "no tokenizer.json"), ("model.safetensors", "no weights")],
)
def test_inspect_names_what_is_missing(model: Path, missing: str, words: str) -> None:
    (model / missing).unlink()
    with pytest.raises(ModelError, match=words):
        base_rules.inspect(model)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "weights.pkl"])
def test_inspect_refuses_weights_that_are_pickle_only(model: Path, name: str) -> None:
    (model / "model.safetensors").unlink()
    (model / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=f"pickle \\({name}\\)"):
        base_rules.inspect(model)


def test_inspect_names_the_shard_that_is_missing(model: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"model-00002\.safetensors is missing"):
        base_rules.inspect(model)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"w": ENTRY}, b"\0" * 7),
        ({"w": ENTRY}, b"\0" * 9),
        ({"w": {**ENTRY, "shape": [3]}}, b"\0" * 8),
        ({"w": {**ENTRY, "data_offsets": [4, 12]}}, b"\0" * 12),
        ({"w": ENTRY, "v": ENTRY}, b"\0" * 8),
        ({"w": {**ENTRY, "data_offsets": [0]}}, b"\0" * 8),
        ({"w": {**ENTRY, "shape": "x"}}, b"\0" * 8),
        ({"w": 3}, b"\0" * 8),
        ([1, 2], b""),
        (b"not json at all", b""),
    ],
)
def test_inspect_refuses_tensors_that_do_not_fit_their_header(model: Path, header: Any, data: bytes) -> None:
    write_tensors(model / "model.safetensors", header, data)
    with pytest.raises(ModelError, match="damaged"):
        base_rules.inspect(model)


def test_inspect_refuses_a_header_that_claims_to_be_huge(model: Path) -> None:
    (model / "model.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(ModelError, match="damaged"):
        base_rules.inspect(model)


def test_inspect_refuses_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no folder"):
        base_rules.inspect(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="neither a folder"):
        base_rules.inspect(tmp_path / "file")


def test_fingerprint_tells_models_apart(tmp_path: Path) -> None:
    first = base_rules.inspect(make_model(tmp_path / "a"))
    same = base_rules.inspect(make_model(tmp_path / "b"))
    other = base_rules.inspect(make_model(tmp_path / "c", values=8))
    assert first.fingerprint == same.fingerprint != other.fingerprint


def test_tokenizer_digest_covers_the_chat_template(model: Path) -> None:
    before = base_rules.tokenizer_sha256(model)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    assert base_rules.tokenizer_sha256(model) != before
