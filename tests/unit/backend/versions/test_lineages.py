"""Bases and lineages: one is in force, and its shape is fixed by the first checkpoint."""

from __future__ import annotations

import msgspec
import pytest

from backend.contract.errors import ConflictError, NotFoundError
from backend.contract.events import BaseChanged, ServiceEvent
from backend.contract.models import BaseModelView, LineageView
from backend.contract.settings import TrainingSettings
from backend.formats.workspace import Workspace
from backend.store.database import Database, Transaction
from backend.versions import bases, checkpoints, lineages
from tests.unit.backend.versions.conftest import BASE, Save

OTHER = msgspec.structs.replace(BASE, base_id="other-00000000")


def ensure(database: Database, base: BaseModelView = BASE, **settings: object) -> LineageView:
    chosen = msgspec.structs.replace(TrainingSettings(), **settings)
    return database.run(lambda tx: lineages.ensure(tx, base, chosen))


# ---- base models -------------------------------------------------------------------------------------------


def test_base_in_force_is_the_one_that_was_chosen(database: Database) -> None:
    heard: list[ServiceEvent] = []
    database.subscribe(lambda _, event: heard.append(event))
    assert database.read(bases.current) is None
    with pytest.raises(NotFoundError, match="no base model"):
        database.run(lambda tx: bases.choose(tx, BASE.base_id))
    for base in (BASE, OTHER):
        database.run(lambda tx, base=base: bases.put(tx, base))
    database.run(lambda tx: bases.choose(tx, OTHER.base_id))
    assert database.read(bases.current) == OTHER
    assert database.read(bases.list_bases) == [BASE, OTHER]
    assert [event.base.base_id for event in heard if isinstance(event, BaseChanged)] == [
        BASE.base_id,
        OTHER.base_id,
        OTHER.base_id,
    ]


def test_put_says_nothing_when_nothing_is_new(database: Database) -> None:
    database.run(lambda tx: bases.put(tx, BASE))
    sequence = database.last_sequence
    database.run(lambda tx: bases.put(tx, BASE))
    assert database.last_sequence == sequence
    changed = msgspec.structs.replace(BASE, state="converting", progress=0.5)
    assert database.run(lambda tx: bases.put(tx, changed)) == changed


def test_base_inside_the_workspace_is_found_when_the_workspace_was_moved(
    database: Database, workspace: Workspace
) -> None:
    inside = msgspec.structs.replace(BASE, folder=str(workspace.base_models / "tiny"))
    database.run(lambda tx: bases.put(tx, inside))
    assert database.read(lambda tx: tx.one("SELECT folder FROM base_models")) == ("models/base/tiny",)
    assert database.read(lambda tx: bases.get(tx, BASE.base_id)) == inside


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m-instruct-1f2e3d4c"),
        ("/models/My Model.v2/", "my-model-v2-1f2e3d4c"),
        ("C:\\models\\q8.GGUF", "q8-1f2e3d4c"),
        ("///", "model-1f2e3d4c"),
        ("../..", "model-1f2e3d4c"),
        ("x" * 90, "x" * 48 + "-1f2e3d4c"),
    ],
)
def test_make_id_is_a_short_safe_folder_name(name: str, expected: str) -> None:
    assert bases.make_id(name, "1f2e3d4c" * 8) == expected


# ---- lineages ----------------------------------------------------------------------------------------------


def test_ensure_makes_the_first_lineage_and_finds_it_again(database: Database) -> None:
    first = ensure(database, lora_r=16)
    assert (first.base_id, first.lora_r, first.head_step) == (BASE.base_id, 16, 0)
    assert ensure(database, lora_r=16, learning_rate=1e-5) == first
    assert database.read(lineages.current) == first


def test_ensure_takes_the_shape_asked_for_while_there_is_no_checkpoint(database: Database) -> None:
    first = ensure(database, lora_r=16)
    second = ensure(database, OTHER, lora_r=32, quantization="none")
    assert second.lineage_id == first.lineage_id
    assert (second.base_id, second.lora_r, second.quantization) == (OTHER.base_id, 32, "none")


@pytest.mark.parametrize(
    "different",
    [{"lora_r": 8}, {"lora_alpha": 8.0}, {"target_modules": "q_proj"}, {"quantization": "none"}, {"dtype": "float32"}],
)
def test_ensure_refuses_another_shape_when_there_is_a_checkpoint(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save, different: dict[str, object]
) -> None:
    save(5)
    checkpoints.reconcile(database, workspace)
    assert ensure(database, seed=9).lineage_id == lineage.lineage_id
    with pytest.raises(ConflictError, match=next(iter(different))) as raised:
        ensure(database, **different)
    assert raised.value.body().code == "lineage_differs"
    with pytest.raises(ConflictError, match="base_id other-00000000"):
        ensure(database, OTHER)


def test_new_lineage_has_a_branch_of_its_own_and_starts_at_nothing(
    database: Database, workspace: Workspace, lineage: LineageView, save: Save
) -> None:
    save(5)
    checkpoints.reconcile(database, workspace)
    assert database.read(lineages.current).head_step == 5
    second = database.run(lineages.new)
    assert second.lineage_id != lineage.lineage_id
    assert (second.head_step, second.lora_r, second.base_id) == (0, lineage.lora_r, BASE.base_id)
    numbers = {database.read(lambda tx, i=i: lineages.branch(tx, i)) for i in (lineage.lineage_id, second.lineage_id)}
    assert len(numbers) == 2
    assert database.read(lambda tx: lineages.get(tx, lineage.lineage_id)).head_step == 5
    assert ensure(database, lora_r=8).lineage_id == second.lineage_id


def test_new_lineage_needs_a_base_model(database: Database) -> None:
    with pytest.raises(ConflictError, match="no base model"):
        database.run(lineages.new)
    for what in (lineages.get, lineages.branch):
        with pytest.raises(NotFoundError):
            database.read(lambda tx, what=what: what(tx, 9))


def test_lineage_is_known_again_by_its_checkpoints_when_the_database_was_lost(
    database: Database, workspace: Workspace, save: Save
) -> None:
    save(5, attempt=2, lineage=3)
    save(20, attempt=1, lineage=2)
    checkpoints.reconcile(database, workspace)
    lineage = database.read(lineages.current)
    assert lineage is not None
    assert (lineage.lineage_id, lineage.head_step, lineage.base_id) == (3, 5, BASE.base_id)
    assert lineage.lora_r == TrainingSettings().lora_r
    assert database.read(lambda tx: lineages.branch(tx, 3)) == 3

    def work(tx: Transaction) -> LineageView:
        bases.put(tx, BASE)
        bases.choose(tx, BASE.base_id)
        assert lineages.ensure(tx, BASE, TrainingSettings()).lineage_id == 3
        with pytest.raises(ConflictError, match="lora_r"):
            lineages.ensure(tx, BASE, TrainingSettings(lora_r=4))
        return lineages.new(tx)

    new = database.run(work)
    assert (new.lineage_id, new.head_step) == (4, 0), "not the number of one that has checkpoints"
    assert database.read(lambda tx: lineages.branch(tx, 4)) == 4
    checkpoints.reconcile(database, workspace)
    current = database.read(lineages.current)
    assert current is not None
    assert current.lineage_id == 4
