"""Loading models, refusing those that cannot be used, and what packing does to their losses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import CohereConfig, CohereForCausalLM, MistralConfig, MistralForCausalLM

from backend.contract.errors import ModelError
from backend.formats.token_store import TokenStore
from backend.trainer import fused, lora
from backend.trainer.batches import pack, step_batches
from backend.trainer.lora import LoraGroup
from backend.trainer.model import attach_adapter, detach_adapter, load_base
from tests.fixtures.tiny_model import make_tiny_model, make_token_store, write_token_store
from tests.unit.backend.trainer.conftest import CPU, network, settings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TokenStore:
    return make_token_store(tmp_path_factory.mktemp("tokens") / "store", 8)


def _edit_config(folder: Path, **changes: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


@pytest.fixture
def copied(tmp_path: Path, tiny: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copied"))


def test_losses_of_packed_rows_equal_those_of_each_row_alone(tiny: Path, store: TokenStore) -> None:
    net = network(tiny)
    together = net.losses(pack(store, [0, 1, 2, 3]))
    alone = torch.cat([net.losses(pack(store, [row])) for row in (0, 1, 2, 3)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_losses_of_one_row_do_not_see_another(tiny: Path, tmp_path: Path) -> None:
    rows = [([5, 6, 7, 8], [0, 1, 1, 1]), ([9, 10, 11], [0, 1, 1])]
    other = [([99, 98, 97, 96], [0, 1, 1, 1]), ([9, 10, 11], [0, 1, 1])]
    net = network(tiny)
    stores = [TokenStore(write_token_store(tmp_path / name, r)) for name, r in (("a", rows), ("b", other))]
    first, second = (net.losses(pack(store, [0, 1])) for store in stores)
    assert torch.equal(first[3:], second[3:])
    assert not torch.equal(first[:3], second[:3])


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
def test_gradient_is_the_same_for_every_split_of_a_step(
    tiny: Path, store: TokenStore, dtype: str, tolerance: float
) -> None:
    net = network(tiny, dtype=dtype, lora_dropout=0.0)
    gradients = []
    for budget in (1, 30, 45, 60, 100, 10_000):
        net.adapter.gradient.zero_()
        batches = step_batches(store, list(range(8)), budget)
        supervised = sum(len(batch.labels) for batch in batches)
        for batch in batches:
            (net.losses(batch).sum() / supervised).backward()
        gradients.append((len(batches), net.adapter.gradient.clone()))
    assert len({count for count, _ in gradients}) > 3
    for _, gradient in gradients[1:]:
        assert float((gradient - gradients[0][1]).norm() / gradients[0][1].norm()) < tolerance


def test_losses_go_through_the_models_own_head_when_it_scales_logits(tmp_path: Path, store: TokenStore) -> None:
    config = CohereConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        logit_scale=0.25,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    torch.manual_seed(0)
    CohereForCausalLM(config).save_pretrained(tmp_path / "cohere")
    net = network(tmp_path / "cohere")
    assert not net.keeps_head
    batch = pack(store, [0])
    found = net.losses(batch)
    with torch.no_grad():
        logits = net.model(input_ids=batch.input_ids, use_cache=False).logits[0, batch.predicting]
    assert torch.allclose(found, torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none"), atol=1e-5)


def test_rows_are_computed_alone_when_the_model_slides_its_window(tmp_path: Path, store: TokenStore) -> None:
    config = MistralConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=4,
    )
    torch.manual_seed(0)
    MistralForCausalLM(config).save_pretrained(tmp_path / "mistral")
    net = network(tmp_path / "mistral")
    assert not net.packs_documents
    batch = pack(store, [1])
    plain = MistralForCausalLM.from_pretrained(tmp_path / "mistral")
    net.adapter.flat.data.zero_()
    with torch.no_grad():
        logits = plain(input_ids=batch.input_ids).logits[0, batch.predicting]
    wanted = torch.nn.functional.cross_entropy(logits, batch.labels, reduction="none")
    assert torch.allclose(net.losses(batch), wanted, atol=1e-5)


def test_attach_adapter_keeps_peft_layers_when_fused_ones_differ(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoraGroup, "joint", lambda self, x: x.new_zeros(*x.shape[:-1], self.weight().shape[0]))
    net = network(tiny)
    assert net.groups == []
    assert "fused" in net.notes[0]


def test_detach_adapter_gives_the_base_model_back(tiny: Path) -> None:
    base = load_base(tiny, settings(), CPU)
    tokens = torch.arange(12)[None]
    with torch.no_grad():
        before = base(input_ids=tokens).logits
    net = attach_adapter(base, settings(), CPU)
    net.adapter.flat.data.normal_()
    again = detach_adapter(net).eval()
    with torch.no_grad():
        assert torch.equal(again(input_ids=tokens).logits, before)
    assert attach_adapter(again, settings(lora_r=2), CPU).adapter.num_parameters < net.adapter.num_parameters


def test_load_base_refuses_a_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load_base(tmp_path, settings(), CPU)


def test_load_base_refuses_pickle_weights(copied: Path) -> None:
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ModelError, match="no safetensors weights"):
        load_base(copied, settings(), CPU)


def test_load_base_refuses_code_of_the_models_own(copied: Path) -> None:
    _edit_config(copied, auto_map={"AutoModelForCausalLM": "evil.Model"})
    with pytest.raises(ModelError, match="Python code of its own"):
        load_base(copied, settings(), CPU)


def test_load_base_refuses_a_model_that_is_no_causal_language_model(copied: Path) -> None:
    _edit_config(copied, model_type="vit", architectures=["ViTModel"])
    with pytest.raises(ModelError, match="does not load as a causal language model"):
        load_base(copied, settings(), CPU)


def test_load_base_refuses_truncated_weights(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="does not load"):
        load_base(copied, settings(), CPU)


def test_attach_adapter_names_the_setting_when_no_layer_is_called_so(tiny: Path) -> None:
    base = load_base(tiny, settings(), CPU)
    with pytest.raises(ModelError, match=r"training\.target_modules"):
        attach_adapter(base, settings(target_modules="nonsense_proj"), CPU)


def test_target_modules_can_be_a_list_of_names(tiny: Path) -> None:
    net = network(tiny, target_modules="q_proj, v_proj")
    assert {name.split(".")[-3] for name in net.adapter.places} == {"q_proj", "v_proj"}


def test_nf4_base_trains_on_the_processor(tmp_path: Path, store: TokenStore) -> None:
    folder = make_tiny_model(tmp_path / "m")
    net = network(folder, quantization="nf4", lora_dropout=0.0)
    layer = net.groups[0].projections[0].layer.get_base_layer()
    assert layer.weight.quant_state.quant_type == "nf4"
    assert layer.weight.quant_state.nested
    net.losses(pack(store, [0, 1])).sum().backward()
    fused_gradient = net.adapter.gradient.clone()
    net.adapter.gradient.zero_()
    lora.uninstall(net.model)
    fused.uninstall(net.model)
    net.losses(pack(store, [0, 1])).sum().backward()
    plain = net.adapter.gradient
    assert float((fused_gradient - plain).norm() / plain.norm()) < 1e-4
