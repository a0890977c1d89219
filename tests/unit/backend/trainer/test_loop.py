"""One optimiser step: out of memory, numbers that are none, and the size of what is fed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from backend.contract.models import BaseModelView
from backend.contract.spool import Assignment
from backend.formats.order import StepPlan
from backend.trainer.batches import MicroBatch, pack
from backend.trainer.failures import LeaveJob, NonFiniteError, OutOfMemoryError
from backend.trainer.loop import train_step
from backend.trainer.optimiser import AdamW
from backend.trainer.run import Run
from backend.trainer.world import World
from tests.fixtures.tiny_model import make_token_store
from tests.unit.backend.trainer.conftest import network, settings


def _pass() -> None:
    """A gate that is open."""


@pytest.fixture
def run(tiny: Path, tmp_path: Path) -> Run:
    chosen = settings(lora_dropout=0.0, token_budget=1000)
    store = make_token_store(tmp_path / "tokens", 8)
    plan = StepPlan(store.row_sha256s, seed=chosen.seed, num_epochs=1, per_step=chosen.examples_per_step)
    net = network(tiny, lora_dropout=0.0)
    base = BaseModelView(base_id="tiny", source="tiny", folder=str(tiny))
    assignment = Assignment(
        job_id=1,
        turn=1,
        file_name="f",
        lineage_id=1,
        branch=1,
        attempt_seq=1,
        base=base,
        settings=chosen,
        tokens_folder="",
        checkpoint_root="",
    )
    return Run(
        assignment=assignment,
        store=store,
        plan=plan,
        network=net,
        optimiser=AdamW(net.adapter.flat),
        token_budget=1000,
        num_threads=1,
        global_step=0,
        job_step=0,
    )


def _fail_above(run: Run, monkeypatch: pytest.MonkeyPatch, most_tokens: int, problem: Exception) -> list[int]:
    """Let every micro-batch above a size run out of memory; returns the sizes that were tried."""
    tried: list[int] = []
    losses: Callable[[MicroBatch], Any] = run.network.losses

    def limited(batch: MicroBatch) -> Any:
        tried.append(batch.num_tokens)
        if batch.num_tokens > most_tokens and not run.recomputes:
            raise problem
        return losses(batch)

    monkeypatch.setattr(run.network, "losses", limited)
    return tried


@pytest.mark.parametrize(
    "problem",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_train_step_halves_the_budget_and_keeps_the_rows_when_memory_runs_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    longest = int(run.store.lengths().max())
    tried = _fail_above(run, monkeypatch, longest, problem)
    said: list[str] = []
    outcome = train_step(run, _pass, said.append)
    assert outcome.rows == run.plan.rows_of(0)
    assert run.token_budget < 1000
    assert said
    assert set(said) == {"out_of_memory"}
    assert sum(tried[-outcome.num_micro_batches :]) == outcome.num_tokens
    assert run.global_step == 1


def test_train_step_gives_the_same_loss_after_it_was_made_smaller(
    run: Run, monkeypatch: pytest.MonkeyPatch, tiny: Path
) -> None:
    before = run.network.adapter.flat.data.clone()
    whole = train_step(run, _pass, lambda _: None)
    after_whole = run.network.adapter.flat.data.clone()
    run.network.adapter.flat.data.copy_(before)
    run.optimiser.reset()
    run.global_step = run.job_step = 0
    _fail_above(run, monkeypatch, int(run.store.lengths().max()), torch.OutOfMemoryError("out"))
    smaller = train_step(run, _pass, lambda _: None)
    assert smaller.num_micro_batches > whole.num_micro_batches
    assert smaller.loss == pytest.approx(whole.loss, rel=1e-6)
    assert torch.allclose(run.network.adapter.flat.data, after_whole, atol=1e-4)


def test_train_step_recomputes_activations_when_even_one_row_is_too_much(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_above(run, monkeypatch, 0, torch.OutOfMemoryError("out"))
    said: list[str] = []
    train_step(run, _pass, said.append)
    assert said[-1] == "recompute"
    assert run.recomputes


def test_train_step_gives_up_when_nothing_smaller_is_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: MicroBatch) -> Any:
        raise torch.OutOfMemoryError("out")

    monkeypatch.setattr(run.network, "losses", never)
    with pytest.raises(OutOfMemoryError, match="One row of"):
        train_step(run, _pass, lambda _: None)


def test_train_step_lets_other_errors_through(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: MicroBatch) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(run.network, "losses", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        train_step(run, _pass, lambda _: None)


def test_train_step_applies_nothing_when_the_loss_is_not_a_number(run: Run) -> None:
    name = next(iter(run.network.adapter.places))
    run.network.adapter.named(run.network.adapter.flat.data)[name].fill_(float("nan"))
    before = run.network.adapter.flat.data.clone()
    with pytest.raises(NonFiniteError, match="Step 1 gave loss nan"):
        train_step(run, _pass, lambda _: None)
    assert torch.equal(run.network.adapter.flat.data.nan_to_num(), before.nan_to_num())
    assert (run.global_step, run.optimiser.num_steps) == (0, 0)


def test_train_step_changes_nothing_when_the_file_is_left_within_it(run: Run) -> None:
    before = run.network.adapter.flat.data.clone()
    run.token_budget = 1
    looks = 0

    def leave_at_the_third() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise LeaveJob("stop")

    with pytest.raises(LeaveJob):
        train_step(run, leave_at_the_third, lambda _: None)
    assert torch.equal(run.network.adapter.flat.data, before)
    assert run.global_step == 0
    assert not run.network.dropout.is_active


def test_train_step_loss_is_the_mean_over_supervised_tokens_of_the_step(run: Run) -> None:
    rows = run.plan.rows_of(0)
    with torch.no_grad():
        each = [run.network.losses(pack(run.store, [row])) for row in rows]
    outcome = train_step(run, _pass, lambda _: None)
    assert outcome.loss == pytest.approx(float(torch.cat(each).double().mean()), rel=1e-6)
    assert outcome.num_supervised == sum(len(losses) for losses in each)
    assert outcome.num_tokens == sum(run.store.length(row) for row in rows)


def test_train_step_of_several_ranks_adds_up_to_that_of_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.token_budget = 1
    before = run.network.adapter.flat.data.clone()
    alone = train_step(run, _pass, lambda _: None)
    after_alone = run.network.adapter.flat.data.clone()
    parts: list[list[torch.Tensor]] = []

    def collect(_: World, *tensors: torch.Tensor) -> None:
        parts.append([tensor.clone() for tensor in tensors])
        for place, tensor in enumerate(tensors):
            tensor.copy_(sum((part[place] for part in parts), torch.zeros_like(tensor)))

    monkeypatch.setattr(World, "add_up", collect)
    for rank in range(3):
        run.network.adapter.flat.data.copy_(before)
        run.optimiser.reset()
        run.global_step = run.job_step = 0
        run.world = World(rank=rank, size=3)
        together = train_step(run, _pass, lambda _: None)
    assert together.loss == pytest.approx(alone.loss, rel=1e-12)
    assert together.grad_norm == pytest.approx(alone.grad_norm, rel=1e-5)
    assert torch.allclose(run.network.adapter.flat.data, after_alone, atol=1e-4)


def test_train_step_computes_rows_alone_when_the_model_does_not_pack(run: Run) -> None:
    run.network.packs_documents = False
    run.network.model.set_attn_implementation("sdpa")
    assert train_step(run, _pass, lambda _: None).num_micro_batches == 4


def test_train_step_does_not_count_a_pause_as_its_own_time(run: Run) -> None:
    held = iter([0.5])
    began = time.perf_counter()
    outcome = train_step(run, lambda: time.sleep(next(held, 0.0)), lambda _: None)
    assert outcome.seconds <= time.perf_counter() - began - 0.5, "the pause was counted"
