"""A base model that changed on disk is noticed before it is trained on, and before rows are blamed for it."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from backend.contract.errors import WorkspaceMovedError
from backend.formats.home import Home
from backend.trainer import soundness
from backend.trainer.failures import DamagedBaseError, NonFiniteError, exit_record
from backend.trainer.soundness import require_sound_base
from tests.unit.backend.trainer.conftest import Rig, sealed_model, steps


@pytest.fixture
def own(rig: Rig, tmp_path: Path) -> Rig:
    """A rig whose model nobody else uses."""
    rig.model = sealed_model(tmp_path / "base" / "own")
    return rig


def _spoil(path: Path, at: int = -4) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(("name", "at"), [("model.safetensors", -4), ("model.safetensors", 9), ("config.json", 5)])
def test_trainer_ends_before_the_first_step_when_the_base_model_is_damaged(own: Rig, name: str, at: int) -> None:
    _spoil(own.model / name, at)
    trainer = own.trainer()
    trainer.assign(own.assignment())
    with pytest.raises(DamagedBaseError, match=name) as damaged:
        trainer.run_to_end()
    assert not steps(trainer.events())
    assert exit_record(damaged.value).reason == "bad_base"


@pytest.mark.parametrize("is_damaged", [True, False])
def test_trainer_looks_at_the_base_model_before_it_blames_rows(own: Rig, is_damaged: bool) -> None:
    trainer = own.trainer()
    trainer.assign(own.assignment())

    def script() -> None:
        network = trainer.recipe.warm.network
        if len(steps(trainer.events())) == 1 and network is not None:
            network.adapter.flat.data.fill_(math.nan)
            if is_damaged:
                _spoil(own.model / "model.safetensors")

    with pytest.raises(DamagedBaseError if is_damaged else NonFiniteError):
        trainer.run_to_end(script)


def test_a_missing_manifest_is_damage(own: Rig) -> None:
    (own.model / "MANIFEST.json").unlink()
    with pytest.raises(DamagedBaseError, match="MANIFEST"):
        require_sound_base(own.model, moved=lambda: None)


def test_a_small_model_is_read_anew_every_time(own: Rig) -> None:
    moves: list[None] = []
    for number in (1, 2):
        require_sound_base(own.model, moved=lambda: moves.append(None))
        assert len(moves) >= number * 3


def test_a_large_model_is_read_again_when_a_file_changed_or_a_week_went_by(
    own: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundness, "_LARGE_BYTES", 1)
    moves: list[None] = []

    def reads(*, anew: bool = False) -> bool:
        moves.clear()
        require_sound_base(own.model, moved=lambda: moves.append(None), anew=anew)
        return bool(moves)

    assert reads()
    assert not reads()
    assert reads(anew=True)
    weights = own.model / "model.safetensors"
    os.utime(weights, ns=(0, 0))
    assert reads()
    record = own.model.with_name("own.verified.json")
    known = json.loads(record.read_bytes())
    record.write_text(json.dumps(known | {"at": known["at"] - 8 * 24 * 3600}))
    assert reads()
    assert not reads()
    _spoil(weights)
    with pytest.raises(DamagedBaseError):
        reads()


def test_trainer_ends_and_writes_nothing_when_its_workspace_is_moved(rig: Rig, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    trainer = rig.trainer()
    trainer.commands.home = Home(root)
    trainer.assign(rig.assignment())

    def script() -> None:
        if len(steps(trainer.events())) == 2 and root.exists():
            root.rename(tmp_path / "elsewhere")

    with pytest.raises(WorkspaceMovedError):
        trainer.run_to_end(script)
    assert not list(rig.checkpoints.glob("step-*"))
