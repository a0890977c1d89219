"""Checkpoints: bit-equal back, readable by PEFT, refused when anything differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from backend.contract.models import CheckpointRef
from backend.contract.spool import CheckpointMeta
from backend.store.durable import read_manifest, seal_folder
from backend.trainer import checkpoint
from backend.trainer.checkpoint import CheckpointWriter, load, tensors_digest
from backend.trainer.failures import BadCheckpointError
from backend.trainer.model import Network
from backend.trainer.optimiser import AdamW
from tests.unit.backend.trainer.conftest import network, settings


@pytest.fixture
def net(tiny: Path) -> Network:
    return network(tiny)


def _trained_optimiser(net: Network) -> AdamW:
    optimiser = AdamW(net.adapter.flat)
    for seed in range(3):
        net.adapter.gradient.copy_(
            torch.randn(net.adapter.gradient.shape, generator=torch.Generator().manual_seed(seed))
        )
        optimiser.step(settings(), 1e-3)
    return optimiser


def _write(net: Network, optimiser: AdamW, target: Path, base: Path) -> CheckpointRef:
    meta = CheckpointMeta(
        lineage_id=1, branch=1, attempt_seq=2, base_id="tiny", global_step=3, job_id=1, job_step=3, total_steps=9
    )
    snapshot = checkpoint.take_snapshot(
        net.adapter, optimiser, net.peft_model.peft_config["default"], meta=meta, base_folder=str(base)
    )
    manifest = checkpoint.write(snapshot, target, before_commit=lambda: None, moved=lambda: None)
    return CheckpointRef(path=str(target), manifest_sha256=manifest.sha256, global_step=3)


def test_load_gives_adapter_and_moments_back_bit_for_bit(net: Network, tiny: Path, tmp_path: Path) -> None:
    optimiser = _trained_optimiser(net)
    reference = _write(net, optimiser, tmp_path / "step-00000003-000002", tiny)
    wanted = [tensor.clone() for tensor in (net.adapter.flat.data, optimiser.exp_avg, optimiser.exp_avg_sq)]
    fresh = network(tiny, seed=99)
    fresh_optimiser = AdamW(fresh.adapter.flat)
    meta = load(reference, fresh.adapter, fresh_optimiser)
    found = (fresh.adapter.flat.data, fresh_optimiser.exp_avg, fresh_optimiser.exp_avg_sq)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one, other)
    assert fresh_optimiser.num_steps == 3
    assert (meta.global_step, meta.job_step, meta.attempt_seq) == (3, 3, 2)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # PEFT's own asking
def test_checkpoint_opens_with_peft_and_gives_the_same_logits(net: Network, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "step-00000003-000002"
    _write(net, AdamW(net.adapter.flat), folder, tiny)
    opened = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), folder)
    tokens = torch.arange(20)[None]
    net.model.eval()
    with torch.no_grad():
        mine = net.model(input_ids=tokens, use_cache=False).logits
        theirs = opened(input_ids=tokens, use_cache=False).logits
    assert torch.allclose(mine, theirs, atol=1e-5)
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(tiny)


def test_take_snapshot_is_not_touched_by_the_next_step(net: Network, tiny: Path) -> None:
    optimiser = _trained_optimiser(net)
    meta = CheckpointMeta(
        lineage_id=1, branch=1, attempt_seq=1, base_id="", global_step=1, job_id=1, job_step=1, total_steps=1
    )
    snapshot = checkpoint.take_snapshot(
        net.adapter, optimiser, net.peft_model.peft_config["default"], meta=meta, base_folder=""
    )
    before = tensors_digest({**snapshot.adapter, **snapshot.optimiser})
    optimiser.step(settings(), 1e-2)
    assert tensors_digest({**snapshot.adapter, **snapshot.optimiser}) == before


def test_load_refuses_a_flipped_bit(net: Network, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "step-00000003-000002"
    reference = _write(net, AdamW(net.adapter.flat), folder, tiny)
    path = folder / "optimizer.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadCheckpointError, match=r"optimizer\.safetensors"):
        load(reference, net.adapter, AdamW(net.adapter.flat))


def test_load_refuses_another_manifest(net: Network, tiny: Path, tmp_path: Path) -> None:
    reference = _write(net, AdamW(net.adapter.flat), tmp_path / "step-00000003-000002", tiny)
    other = CheckpointRef(path=reference.path, manifest_sha256="0" * 64, global_step=3)
    with pytest.raises(BadCheckpointError, match=r"MANIFEST\.json"):
        load(other, net.adapter, AdamW(net.adapter.flat))


@pytest.mark.parametrize("kind", ["dtype", "missing", "value"])
def test_load_refuses_other_tensors_under_a_right_manifest(net: Network, tiny: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "step-00000003-000002"
    _write(net, AdamW(net.adapter.flat), folder, tiny)
    meta = read_manifest(folder).meta
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    if kind == "missing":
        del tensors[name]
    else:
        tensors[name] = tensors[name].double() if kind == "dtype" else tensors[name] + 1
    path.unlink()
    save_file(tensors, path)
    (folder / "MANIFEST.json").unlink()
    manifest = seal_folder(folder, meta)
    reference = CheckpointRef(path=str(folder), manifest_sha256=manifest.sha256, global_step=3)
    with pytest.raises(BadCheckpointError, match="not those that were saved"):
        load(reference, net.adapter, AdamW(net.adapter.flat))


def test_load_refuses_an_adapter_of_another_shape(net: Network, tiny: Path, tmp_path: Path) -> None:
    reference = _write(net, AdamW(net.adapter.flat), tmp_path / "step-00000003-000002", tiny)
    wider = network(tiny, lora_r=8)
    with pytest.raises(BadCheckpointError, match=r"is \(4, 128\) torch\.float32, not \(8, 128\)"):
        load(reference, wider.adapter, AdamW(wider.adapter.flat))


def test_tensors_digest_sees_names_shapes_dtypes_and_bytes() -> None:
    plain = {"a": torch.zeros(4), "b": torch.ones(2)}
    variants = [
        {"a": torch.zeros(4), "c": torch.ones(2)},
        {"a": torch.zeros(2, 2), "b": torch.ones(2)},
        {"a": torch.zeros(4, dtype=torch.int32), "b": torch.ones(2)},
        {"a": torch.zeros(4), "b": torch.full((2,), -1.0)},
    ]
    assert len({tensors_digest(tensors) for tensors in (plain, *variants)}) == 5
    assert tensors_digest(plain) == tensors_digest(dict(reversed(plain.items())))


def test_checkpoint_writer_raises_the_threads_error_on_wait() -> None:
    writer = CheckpointWriter()

    def fail() -> None:
        raise OSError(5, "broken disk")

    writer.start(fail)
    with pytest.raises(OSError, match="broken disk"):
        writer.wait()
    writer.wait()  # told once
